"""Looks at one cabinet as often as needed and no oftener, and keeps what it saw last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from stopline_cabinets.ntcip.feeds import Detections, Volume
from stopline_cabinets.ntcip.groups import Lamps
from stopline_cabinets.ntcip.spat import NUMBERS, Spat
from stopline_cabinets.ntcip.status import SEQUENCE, Board, Unit
from stopline_cabinets.snmp.codec import Oid
from stopline_cabinets.snmp.peer import Peer

UNIT_S = 1.0
"""Seconds between two looks at the unit's own state and the masks read back."""
EARLY = 0.25
"""Share of a period by which a look may come early: a loop of just that period must not miss every other."""
RESTARTED_S = 2.0
"""Real seconds its up-time may lie behind what was expected before that is a restart, not a slow answer."""
WRAP = 1 << 32
"""sysUpTime starts over after 497 days."""


class DeviceClock:
    """The cabinet's monotonic time (tenths) from its up-time, carried on by the host's clock in between."""

    def __init__(self, rate: float = 1.0) -> None:
        self.rate = rate
        self._base = 0.0
        self._at: float | None = None
        self._shown = 0
        self._wraps = 0
        self._uptime = 0

    def now(self) -> int:
        """The time now; it never runs backwards but for a restart."""
        host = asyncio.get_running_loop().time()
        if self._at is None:
            self._at = host
        present = self._base + (host - self._at) * 10 * self.rate
        self._shown = max(self._shown, int(present))
        return self._shown

    def sync(self, uptime: int) -> bool:
        """Take in an up-time (0.01 s); True when the cabinet was restarted."""
        first = self._at is None
        expected = self.now()
        if uptime < self._uptime and self._uptime - uptime > WRAP // 2:
            self._wraps += 1
        self._uptime = uptime
        measured = (uptime + self._wraps * WRAP) / 10
        restarted = not first and measured < expected - RESTARTED_S * 10 * self.rate
        if first or restarted:
            self._shown = int(measured)
            self._wraps = 0 if restarted else self._wraps
        self._base, self._at = measured, asyncio.get_running_loop().time()
        return restarted


class Watcher:
    """Reads lamps and detectors every `poll` seconds, the unit every second, volumes every period.

    While pushes come in, they give the lamps in place of polling. Seconds are the cabinet's.
    """

    def __init__(
        self,
        peer: Peer,
        board: Board,
        clock: DeviceClock,
        *,
        poll: float,
        volume_period: float = 0.0,
        push: Callable[[], Spat | None] | None = None,
    ) -> None:
        self.lamps = Lamps()
        self.detections = Detections()
        self.unit = Unit()
        self.pushed: Spat | None = None
        self.restarts = 0
        self.unit_looks = 0
        """How often the unit was looked at; a new number is a new `unit`."""
        self._peer = peer
        self._board = board
        self._clock = clock
        self._push = push
        self._poll = poll
        self._volume_period = volume_period
        self._volumes: Mapping[int, Volume] = {}
        self._sequence = -1
        self._due: dict[str, float] = {}

    @property
    def push_missing(self) -> bool:
        """Whether pushes are expected and do not come."""
        return self._push is not None and self.pushed is None

    async def look(self, *, everything: bool = False, unit: bool = False) -> None:
        """Bring it all up to date; `everything` asks for all of it now, `unit` for the unit's state."""
        if everything:
            self._due.clear()
        if unit:
            self._due.pop("unit", None)
        self.pushed = self._push() if self._push is not None else None
        board = self._board
        wanted: list[Oid] = []
        lamps = self.pushed is None and self._is_due("lamps", self._poll)
        detectors = self._is_due("detectors", self._poll)
        state = self._is_due("unit", UNIT_S)
        for due, oids in ((lamps, board.lamps), (detectors, board.detectors), (state, board.unit)):
            wanted += oids if due else ()
        if wanted:
            await self._ask(wanted, lamps=lamps, detectors=detectors, unit=state)
        if board.volumes and self._is_due("volumes", self._volume_period):
            await self._look_at_volumes()
        if self.pushed is not None:
            self.lamps = self.pushed.lamps
            self._due.pop("lamps", None)  # the moment it stops they are polled

    async def _ask(self, wanted: list[Oid], *, lamps: bool, detectors: bool, unit: bool) -> None:
        board = self._board
        try:
            values = await self._peer.get_available(wanted)
            if lamps:
                self.lamps = board.read_lamps(values)
            if detectors:
                self.detections = board.read_detections(values, self._volumes)
            if unit:
                self.unit = board.read_unit(values)
                self.unit_looks += 1
                if self.unit.uptime is not None and self._clock.sync(self.unit.uptime):
                    self.restarts += 1
        except BaseException:
            self._due.clear()  # nothing of it counts as looked at
            raise

    async def _look_at_volumes(self) -> None:
        """Between two equal sequence numbers the table is of one period; a known number is no news."""
        values = await self._peer.get_available(self._board.volumes)
        before = values.get(SEQUENCE)
        if before == self._sequence:
            return
        after = (await self._peer.get_available((SEQUENCE,))).get(SEQUENCE)
        if before == after and isinstance(before, int):
            self._sequence = before
            self._volumes = self._board.read_volumes(values)

    def _is_due(self, what: str, period: float) -> bool:
        host, wait = asyncio.get_running_loop().time(), period / self._clock.rate
        if host < self._due.get(what, 0.0) - EARLY * wait:
            return False
        self._due[what] = host + wait
        return True


def fits_push(highest_phase: int, highest_overlap: int) -> bool:
    """Whether a push has room for all phases and overlaps of a plan."""
    return max(highest_phase, highest_overlap) <= NUMBERS
