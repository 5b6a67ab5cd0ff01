"""The controller's end of one cabinet: connection, lease and heartbeat, each with named states."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import NamedTuple

import structlog

from stopline_cabinets.errors import CabinetOffline, PlanRefused, WrongCabinet
from stopline_cabinets.seam import AtHand, Cabinet
from stopline_cabinets.words import CabinetState, Kind, PlanCommand, PlanRow, Result, stage_minimum
from stopline_controller.clock import Clock
from stopline_controller.sources import Order
from stopline_controller.statistics import Statistics
from stopline_signals.errors import CabinetError
from stopline_signals.plan import SignalPlan

log = structlog.get_logger(__name__)

MISSED_READS = 3
"""Reads that fail in a row before a cabinet counts as offline."""
RETRY_S = 1.0
"""Real seconds between two attempts to reach a cabinet; a restarted one is then back within a tick or ten."""


class LinkState(StrEnum):
    """How far the link to the cabinet goes."""

    OFFLINE = "offline"
    WATCHING = "watching"
    HOLDING = "holding the lease"


# Looking a member up in its enumeration takes ten times as long as a name; this is done at every tick.
_OFFLINE, _HOLDING = LinkState.OFFLINE, LinkState.HOLDING


class Asked(NamedTuple):
    """What became of a plan."""

    accepted: bool
    problem: str = ""
    unable: bool = False
    """Whether the cabinet will never take it."""


class CabinetLink:
    """Reads, asks, beats and releases; no method raises for what a cabinet or a wire may do.

    There is no timer in here: the heartbeat is sent when the control loop says so and stops when it stops.
    """

    def __init__(
        self,
        cabinet: Cabinet,
        plan: SignalPlan,
        clock: Clock,
        *,
        heartbeat: float,
        ttl: float,
        statistics: Statistics | None = None,
    ) -> None:
        """`heartbeat` and `ttl` in seconds of the controller's clock."""
        self.state = LinkState.OFFLINE
        self.problem = ""
        self._cabinet = cabinet
        self._at_hand = cabinet.at_hand if isinstance(cabinet, AtHand) else None
        self._statistics = statistics or Statistics()
        self._clock = clock
        self._heartbeat = heartbeat
        self._ttl = round(ttl * 10)
        self._minimum = tuple(stage_minimum(plan, stage) for stage in range(len(plan.stages)))
        self._beaten = 0.0
        self._missed = 0
        self._retry = 0.0

    async def read(self) -> CabinetState | None:
        """The cabinet's state, or None when it gave none this time; connects when need be."""
        began = time.perf_counter()
        try:
            if self.state is not LinkState.OFFLINE:
                seen = await self._cabinet.read()
                self._statistics.read.add((time.perf_counter() - began) * 1000)
            elif self._clock.seconds() < self._retry:
                return None
            else:
                seen = await self._cabinet.connect(lease=False)
                self._up()
        except CabinetError as error:
            self._failed(error)
            return None
        self._missed = 0
        return seen

    @property
    def online(self) -> bool:
        """Whether the cabinet answers."""
        return self.state is not _OFFLINE

    @property
    def at_hand(self) -> bool:
        """Whether the state can be had without waiting."""
        return self._at_hand is not None and self.state is not _OFFLINE

    def look(self) -> CabinetState | None:
        """The state at hand; like `read`, only for cabinets that have it."""
        assert self._at_hand is not None
        try:
            seen = self._at_hand()
        except CabinetError as error:
            self._failed(error)
            return None
        self._missed = 0
        return seen

    async def ask(self, order: Order) -> Asked:
        """Ask the cabinet for a stage or another kind of plan, taking the lease first when it is not held."""
        try:
            if self.state is not LinkState.HOLDING:
                await self._cabinet.connect(lease=True)
                self.state = LinkState.HOLDING
            began = time.perf_counter()
            await self._cabinet.write(self._command(order))
            self._statistics.write.add((time.perf_counter() - began) * 1000)
        except CabinetError as error:
            self._refused(error)
            unable = isinstance(error, PlanRefused) and error.result in (Result.UNABLE, Result.BAD_FIELD)
            return Asked(False, str(error), unable)
        if self.problem:
            log.info("cabinet_takes_plans_again", cabinet=self._cabinet.name)
            self.problem = ""
        return Asked(True)

    def pace(self, ttl: float) -> None:
        """Have plans hold for `ttl` seconds of the controller's clock from the next one on."""
        self._ttl = round(ttl * 10)

    def _command(self, order: Order) -> PlanCommand:
        rows: tuple[PlanRow, ...] = ()
        if order.kind is Kind.STAGES:
            minimum = self._minimum[order.stage]
            rows = (PlanRow(order.stage, minimum, max(self._ttl, minimum)),)
        seq, pattern = self._cabinet.next_seq, order.pattern
        return PlanCommand(seq, rows, self._ttl, 0, order.kind, pattern, order.calls, order.omits)

    def beat_due(self, now: float) -> bool:
        """Whether the lease is held and a heartbeat is to be sent at `now` (controller seconds)."""
        return self.state is _HOLDING and now - self._beaten >= self._heartbeat

    async def beat(self) -> None:
        """Send the heartbeat when it is due."""
        now = self._clock.seconds()
        if not self.beat_due(now):
            return
        self._beaten = now
        try:
            await self._cabinet.heartbeat()
        except CabinetError as error:
            self._refused(error)

    async def release(self) -> None:
        """Hand the cabinet back to its local plan; when that fails, its own deadlines do it."""
        if self.state is not LinkState.HOLDING:
            return
        self.state = LinkState.WATCHING
        try:
            await self._cabinet.release()
        except CabinetError as error:
            log.warning("cabinet_release_failed", cabinet=self._cabinet.name, error=str(error))

    async def close(self) -> None:
        """Drop the connection."""
        self.state = LinkState.OFFLINE
        try:
            await self._cabinet.close()
        except CabinetError as error:
            log.warning("cabinet_close_failed", cabinet=self._cabinet.name, error=str(error))

    def _up(self) -> None:
        self.state = LinkState.WATCHING
        log.info("cabinet_online", cabinet=self._cabinet.name)
        self.problem = ""

    def _failed(self, error: CabinetError) -> None:
        """A read failed: a few in a row, or a lost connection, make the cabinet offline."""
        self._missed += 1
        tolerable = not isinstance(error, CabinetOffline) and self._missed < MISSED_READS
        if self.state is not LinkState.OFFLINE and tolerable:
            return
        self._retry = self._clock.seconds() + RETRY_S * self._clock.rate
        remedy = (
            "check the address and the plan in the site file"
            if isinstance(error, WrongCabinet)
            else "retrying"
        )
        if self.state is not LinkState.OFFLINE or not self.problem:
            log.error("cabinet_offline", cabinet=self._cabinet.name, error=str(error), remedy=remedy)
        self.state, self.problem = LinkState.OFFLINE, str(error)

    def _refused(self, error: CabinetError) -> None:
        """A plan or heartbeat failed: the lease counts as lost and is taken again with the next plan."""
        if not self.problem:
            log.error("cabinet_refuses", cabinet=self._cabinet.name, error=str(error))
        self.problem = str(error)
        if self.state is LinkState.HOLDING:
            self.state = LinkState.WATCHING
