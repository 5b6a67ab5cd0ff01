"""Clocks of virtual cabinets: absolute tenths of a second that only run forwards."""

from __future__ import annotations

import time
from typing import Protocol


class CabinetClock(Protocol):
    """What a virtual cabinet takes its time from."""

    def tenths(self) -> int:
        """Tenths of a second now; never less than before."""
        ...


class RunningClock:
    """Runs with the computer's monotonic clock, `rate` times as fast, from `start` (tenths) on."""

    def __init__(self, *, rate: float = 1.0, start: int = 0) -> None:
        if rate <= 0:
            raise ValueError(f"a clock runs forwards: rate {rate} must be over 0")
        self.rate = rate
        self._start = start
        self._origin = time.monotonic()

    def tenths(self) -> int:
        """Tenths now."""
        return self._start + int((time.monotonic() - self._origin) * 10 * self.rate)


class SteppedClock:
    """Stands where it is put; for lock-step runs and tests."""

    def __init__(self, start: int = 0) -> None:
        self._now = start

    def tenths(self) -> int:
        """Tenths now."""
        return self._now

    def advance(self, tenths: int) -> None:
        """Move forwards.

        Raises:
            ValueError: for a step backwards.
        """
        if tenths < 0:
            raise ValueError(f"a clock runs forwards: {tenths} tenths")
        self._now += tenths


class StreetClock:
    """The time of a paced simulation: whole seconds are put on by the street, tenths run in between.

    It never runs past the second the street is in, so a late simulation makes its cabinets late, not wrong.
    """

    def __init__(self, *, rate: float, start: int) -> None:
        self._rate = rate
        self._second = start
        self._since = time.monotonic()

    def tenths(self) -> int:
        """Tenths now."""
        within = int((time.monotonic() - self._since) * 10 * self._rate)
        return self._second * 10 + min(9, within)

    def begin(self, second: int) -> None:
        """The street is in this second now."""
        self._second = second
        self._since = time.monotonic()
