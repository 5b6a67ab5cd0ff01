"""Keeps a cabinet at what is desired: sends it, sends it again in time, and notices when it is not kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from stopline_cabinets.ntcip.desired import (
    NOTHING_DESIRED,
    PATTERN_CONTROL,
    Desired,
    Masks,
    keeps,
    to_bindings,
)
from stopline_cabinets.ntcip.masks import numbers_in
from stopline_cabinets.ntcip.objects import cell
from stopline_cabinets.ntcip.session import Session
from stopline_cabinets.ntcip.status import ControlStatus, Unit
from stopline_cabinets.snmp.codec import VarBind, integer
from stopline_signals.errors import CabinetError

REFRESHES = 4
"""Times the cabinet is told the same within its backup time; two lost messages in a row do no harm."""
SUSPICION = 4
"""At which another system is suspected: a look that shows other masks adds 2, one that shows ours takes 1.

Two wrong looks in a row are enough, and so are three of five: what is sent again hides the other's writes.
"""
PROOFS = 2
"""Times a plan is written until what is read back must be it."""


class Keeper:
    """What was sent to one cabinet; `rate` is the speed of the cabinet's clock."""

    def __init__(self, session: Session, *, rate: float = 1.0) -> None:
        self.sent = NOTHING_DESIRED
        self.touched = 0
        """Preempts ever switched (mask): only those are written."""
        self._session = session
        self._rate = rate
        self._fed = float("-inf")
        self._wrong = 0

    async def keep(self, desired: Callable[[], Desired], *, alive: bool) -> None:
        """Send what is desired if that is news, or, while a plan is `alive`, if it has to be heard again."""
        if desired() != self.sent or (alive and self._refresh_due()):
            await self.send(desired)

    async def send(self, desired: Callable[[], Desired]) -> int:
        """Send all of it, as it is at the moment of each datagram; returns how many that took."""
        self._fed = asyncio.get_running_loop().time()
        groups = self._session.configuration.phase_groups

        def bindings() -> list[VarBind]:
            self.sent = desired()
            self.touched |= self.sent.preempts
            return to_bindings(self.sent, groups, self.touched)

        return await self._session.peer.set(bindings)

    async def prove(self, desired: Callable[[], Desired], where: str) -> int:
        """Send it and read it back; returns the datagrams it took.

        Raises:
            CabinetError: the cabinet takes it and shows something else.
        """
        sends = 0
        for _ in range(PROOFS):
            sends += await self.send(desired)
            if await self.is_kept():
                self._trust()
                return sends
        raise CabinetError(f"{where}: takes its masks and shows others; does another system write to it?")

    async def is_kept(self) -> bool:
        """Whether the cabinet shows what was sent, asked now."""
        board = self._session.board
        preempts = {n: cell("preemptControlState", n) for n in numbers_in(self.touched)}
        values = await self._session.peer.get_available((*board.masks, *preempts.values()))
        pattern = values.get(PATTERN_CONTROL, self.sent.pattern)
        for number, oid in preempts.items():
            if values.get(oid, 0) != self.sent.preempts >> number - 1 & 1:
                return False
        return pattern == self.sent.pattern and keeps(board.read_masks(values), self.sent.masks)

    def loss(self, unit: Unit) -> str:
        """Why control was lost, from a look taken after the last send; empty while it was not.

        A single look that differs is answered by sending again.
        """
        if self.sent == NOTHING_DESIRED:
            return ""
        if (unit.pattern, unit.masks) == (self.sent.pattern, self.sent.masks):
            self._trust()
            return ""
        if unit.control == ControlStatus.BACKUP and unit.masks == Masks():
            return "it went to its backup mode"
        if unit.pattern == self.sent.pattern and keeps(unit.masks, self.sent.masks):
            self._trust()
            return ""
        self._wrong += 2
        self._fed = float("-inf")
        return "another system writes to it" if self._wrong >= SUSPICION else ""

    def _trust(self) -> None:
        self._wrong = max(0, self._wrong - 1)

    async def take_back(self) -> None:
        """Set to zero what still is as it was sent; what another system changed is that system's."""
        groups, sent = self._session.configuration.phase_groups, self.sent
        self.forget()
        ours = {
            binding.oid: binding.value for binding in to_bindings(sent, groups, self.touched) if binding.value
        }
        if ours:
            values = await self._session.peer.get_available(tuple(ours))
            left = [integer(oid, 0) for oid, value in ours.items() if values.get(oid) == value]
            if left:
                await self._session.peer.set(lambda: left)

    def forget(self) -> None:
        """Nothing sent is in force any more."""
        self.sent = NOTHING_DESIRED
        self._wrong = 0

    def _refresh_due(self) -> bool:
        silent = (asyncio.get_running_loop().time() - self._fed) * self._rate
        return silent >= self._session.watcher.unit.backup_time / REFRESHES
