"""How old a dated message is, on a machine whose wall clock may be set at any moment.

For a while after a step both the time from before it and the new one count: whichever of them is wrong, who
states the right time is understood, and by the end of it somebody has had the time to see the alarm.
"""

from __future__ import annotations

import time
from collections.abc import Callable

STEP_S = 1.0
"""Difference between wall clock and monotonic clock that counts as the wall clock having been set."""
KEPT_S = 3600.0
"""How long the time from before a step counts as well."""


class Dates:
    """Compares stated times with this machine's; times in seconds since 1970 UTC."""

    def __init__(
        self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset = wall() - monotonic()
        self._before = self._offset
        self._kept_until = monotonic()

    def look(self) -> None:
        """Notice a step; to be called every second or so, for it is only known how long ago it was seen."""
        now = self._monotonic()
        offset = self._wall() - now
        # There and back within the hour is one step: the time from before the first of them stays.
        if abs(offset - self._offset) >= STEP_S and now >= self._kept_until:
            self._before, self._kept_until = self._offset, now + KEPT_S
        self._offset = offset

    def age(self, measured: float) -> float:
        """Seconds since then, negative when it lies ahead; by the clock that is nearer to it."""
        self.look()
        now = self._monotonic()
        ages = [now + self._offset - measured]
        if now < self._kept_until:
            ages.append(now + self._before - measured)
        return min(ages, key=abs)
