"""One junction at run time: its control, its link, the input or output under way, and its supervision."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from stopline_cabinets.errors import CabinetDisobeys
from stopline_cabinets.words import CabinetState
from stopline_controller.audit import Entry
from stopline_controller.clock import Clock
from stopline_controller.detector_health import DetectorWatch
from stopline_controller.junction import JunctionControl, Step
from stopline_controller.link import CabinetLink
from stopline_controller.snapshots import Snapshot
from stopline_controller.sources import Source
from stopline_controller.wishes import NO_WISHES
from stopline_signals.records import new

log = structlog.get_logger(__name__)

LONGEST_DELAY_S = 300.0
"""A cabinet that never follows is taken from its local plan once in this time, to try again."""
FORGIVEN_S = 1800.0
"""One that has followed for so long starts with the shortest delay again."""


class JunctionRuntime:
    """Everything one junction needs in the loop; one request to its cabinet at a time."""

    def __init__(
        self,
        control: JunctionControl,
        link: CabinetLink,
        clock: Clock,
        *,
        min_coverage: float,
        restart_delay: float,
        watch: DetectorWatch | None = None,
    ) -> None:
        """`restart_delay` in seconds of the controller's clock; without a `watch` detectors are believed."""
        self.name = control.plan.junction
        self.control = control
        self.link = link
        self.commanded = -1
        self.late = 0
        self.fault = ""
        self.uncovered = ""
        """Why the detectors do not carry the policy; empty when they do."""
        self.watch = watch or DetectorWatch(control.plan)
        self.seen: CabinetState | None = None
        """This tick's read-back."""
        self.step: Step | None = None
        """What this tick comes to."""
        self._reading: asyncio.Task[CabinetState | None] | None = None
        self._clock = clock
        self._job: asyncio.Task[None] | None = None
        self.min_coverage = min_coverage
        """Share of working detectors below which the policy is left."""
        self._restart_delay = restart_delay
        self._restart_at = 0.0
        self._disobeyed, self._disobeyed_at = 0, 0.0
        self._sequence = 0
        self._source: Source | None = None
        self._told: Snapshot | None = None

    def look(self) -> asyncio.Task[CabinetState | None] | None:
        """Begin this tick: take the state at hand, or begin to read it; returns what there is to wait for."""
        self.seen = self.step = None
        if self._reading is not None or (self._job is not None and not self._job.done()):
            self.late += 1
            return self._reading
        if self._restart_at and not self._restarted():
            return None
        if self.link.at_hand:
            self.seen = self.link.look()
            return None
        self._reading = asyncio.create_task(self.link.read())
        return self._reading

    def hear(self) -> CabinetState | None:
        """What was read, as far as it is to be believed; None while there is nothing."""
        task = self._reading
        if task is not None:
            if not task.done():
                return None
            self._reading = None
            self.seen = task.result()
        if self.seen is not None:
            self.seen = self.watch.judge(self.seen)
        return self.seen

    @property
    def hearable(self) -> bool:
        """Whether the junction works and its cabinet is online, even if it missed this tick."""
        return not self.fault and self.link.online

    def start(self, job: Coroutine[Any, Any, None]) -> None:
        """Begin the output of this tick."""
        self._job = asyncio.create_task(job)
        self._job.add_done_callback(self._job_ended)

    def failed(self, what: str, error: BaseException) -> None:
        """A mistake in a step of this junction, or of its cabinet, is this junction's alone.

        It is logged once; the heartbeat stops, the cabinet is released and the junction is tried again later.
        """
        if isinstance(error, CabinetDisobeys):
            log.error("cabinet_does_not_follow", junction=self.name, error=str(error))
            self.fault = str(error)
        else:
            if not self.fault:
                log.error("junction_failed", junction=self.name, step=what, error=repr(error), exc_info=error)
            self.fault = f"{what} failed: {error!r}"
        self.seen = self.step = None
        self._restart_at = self._clock.seconds() + self._delay(error)
        self.control.forget()
        self._job = asyncio.create_task(self.link.release())

    def covered(self, control: JunctionControl) -> bool:
        """Whether enough detectors work for the policy; logs when that changes."""
        readings = control.now.readings if control.now else ()
        share = sum(reading.healthy for reading in readings) / len(readings) if readings else 1.0
        if share >= self.min_coverage:
            if self.uncovered:
                log.info("detector_coverage_restored", junction=self.name, coverage=round(share, 2))
            self.uncovered = ""
            return True
        if not self.uncovered:
            log.error("detector_coverage_low", junction=self.name, coverage=round(share, 2))
        self.uncovered = f"only {share:.0%} of the detectors work, {self.min_coverage:.0%} are needed"
        return False

    def changes(self, step: Step, tenths: int) -> list[Entry]:
        """The audit entry for a change of the source in force, if there is one."""
        if self.fault:
            log.info("junction_recovered", junction=self.name)
            self.fault = ""
        winner = step.ruling.winner
        if winner.source is self._source:
            return []
        before, self._source = self._source, winner.source
        detail = {"from": str(before or "none"), "to": str(winner.source), "reason": winner.reason}
        return [Entry("source", tenths, self.name, winner.holder or str(winner.source), detail)]

    def snapshot(self, tenths: int, wall: int, alarms: tuple[str, ...]) -> Snapshot:
        """What is published of this tick."""
        self._sequence += 1
        seen, step, control, link = self.seen, self.step, self.control, self.link
        if self.fault or self.uncovered or link.problem or self.watch.alarm:
            own = (self.fault, self.uncovered, self.watch.alarm, link.problem)
            alarms = (*(text for text in own if text), *alarms)
        made = (
            self.name,
            self._sequence,
            tenths,
            wall,
            link.online,
            seen,
            control.now if seen else None,
            control.allowed if seen else 0,
            step.ruling if step else control.blind(self._why_blind()),
            step.verdict if step else None,
            self.commanded,
            alarms,
            self.late,
            control.wishes if seen else NO_WISHES,
        )
        return new(Snapshot, made)

    def is_news(self, made: Snapshot) -> bool:
        """Whether a snapshot tells anything new but the time; remembers it."""
        before, self._told = self._told, made
        return (
            before is None
            or not self.control.steady
            or made.seen is None
            or made.ruling is not before.ruling
            or made.commanded != before.commanded
            or made.online != before.online
            or (made.verdict and made.verdict.reason) is not (before.verdict and before.verdict.reason)
        )

    async def hand_back(self) -> None:
        """Finish what is under way, release the cabinet and drop the connection."""
        for task in (self._reading, self._job):
            if task is not None:
                await asyncio.wait([task])
        await self.link.release()
        await self.link.close()

    def _delay(self, error: BaseException) -> float:
        """Seconds until the junction is tried again: ever more for a cabinet that does not follow."""
        if not isinstance(error, CabinetDisobeys):
            return self._restart_delay
        now = self._clock.seconds()
        again = self._disobeyed and now - self._disobeyed_at < FORGIVEN_S
        self._disobeyed, self._disobeyed_at = self._disobeyed + 1 if again else 1, now
        return min(self._restart_delay * 2.0 ** (self._disobeyed - 1), LONGEST_DELAY_S)

    def _why_blind(self) -> str:
        return self.fault or self.link.problem or "the cabinet did not answer in this tick"

    def _job_ended(self, job: asyncio.Task[None]) -> None:
        if not job.cancelled() and (error := job.exception()) is not None:
            self.failed("command", error)

    def _restarted(self) -> bool:
        """Whether the time to wait after a mistake is over."""
        if self._clock.seconds() < self._restart_at:
            return False
        self._restart_at = 0.0
        self.control.forget()
        return True
