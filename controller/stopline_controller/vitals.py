"""Whether control is alive, for those who ask from outside: health service, alarms, container managers.

The service manager's watchdog is fed by the control loop itself (`notify`). Where there is none, a loop that
hangs, or a slot that fails at every tick, shows here: its cabinets run their local plans by then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from stopline_controller.alarms import Alarms

SILENT_S = 2.0
"""Real seconds without a tick after which a slot counts as dead; cabinets fall back after 3 s by default."""
LOOK_S = 0.1
ALARM = "control"
MOST_NAMES = 5


class Vitals:
    """Remembers when each slot last ticked."""

    def __init__(self, slots: Sequence[Sequence[str]], now: Callable[[], float] = time.monotonic) -> None:
        """`slots` are the junctions' names, slot by slot."""
        self._slots = slots
        self._now = now
        self._since = [now()] * len(slots)
        self._ticked = [False] * len(slots)

    def pulse(self, slot: int) -> None:
        """A slot's tick went through; called in the control thread."""
        self._since[slot] = self._now()
        self._ticked[slot] = True

    @property
    def begun(self) -> bool:
        """Whether every slot has ticked at all."""
        return all(self._ticked)

    def complaint(self) -> str:
        """What is to be said about slots that have not ticked for long; empty while all do."""
        now = self._now()
        silent = [number for number, since in enumerate(self._since) if now - since > SILENT_S]
        if not silent:
            return ""
        names = [name for number in silent for name in self._slots[number]]
        told = ", ".join(names[:MOST_NAMES]) + (
            f" and {len(names) - MOST_NAMES} more" * (len(names) > MOST_NAMES)
        )
        return f"control of {told} stands still: their cabinets run their local plans"


async def watch(vitals: Vitals, alarms: Alarms, tell: Callable[[bool], Awaitable[None]]) -> None:
    """Raise the alarm and tell whether control is alive, at every change, until cancelled."""
    told: bool | None = None
    while True:
        complaint = vitals.complaint()
        alarms.set(ALARM, complaint)
        alive = vitals.begun and not complaint
        if alive != told:
            told = alive
            await tell(alive)
        await asyncio.sleep(LOOK_S)
