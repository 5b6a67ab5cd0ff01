"""Which running preempts are this controller's own doing."""

from __future__ import annotations

from stopline_cabinets.ntcip.status import Unit

EXIT = 600
"""Tenths a preempt may take to end after its release; one that runs on is held by its own input."""


class OwnPreempts:
    """Masks, preempt 1 in bit 0; times are tenths of cabinet time."""

    def __init__(self) -> None:
        self.running = 0
        """Asked for, or released and still on the way out."""
        self._released_at: dict[int, int] = {}

    def see(self, now: int, asked: int, unit: Unit | None) -> None:
        """Take in what is asked for now, and a look at the unit taken after that (None: no new one)."""
        for bit in _bits(self.running & ~asked):
            released = self._released_at.setdefault(bit, now)
            ended = unit is not None and not unit.preempting & bit and now > released
            if ended or now - released > EXIT:
                self.running &= ~bit
        self.running |= asked
        self._released_at = {bit: at for bit, at in self._released_at.items() if self.running & ~asked & bit}

    def forget(self) -> None:
        """None is ours."""
        self.running = 0
        self._released_at = {}


def _bits(mask: int) -> list[int]:
    return [1 << at for at in range(mask.bit_length()) if mask >> at & 1]
