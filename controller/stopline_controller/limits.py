"""How much one caller may ask for: token buckets, and a number of streams."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

KEPT_CALLERS = 10_000
"""Callers remembered at most; then those idle longest are forgotten as if their buckets were full."""
LOOK_AT = 100
"""Callers remembered before those whose buckets are full again, which need not be, are looked for."""


class Rate(NamedTuple):
    """Sustained requests per real second, and how many may come at once."""

    per_s: float
    burst: float


class Meter:
    """One token bucket per caller."""

    def __init__(self, rate: Rate, now: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._now = now
        self._buckets: dict[str, tuple[float, float]] = {}
        self._look_at = LOOK_AT

    def take(self, caller: str) -> float:
        """Take one token; 0 when there was one, else the seconds until there is."""
        now = self._now()
        tokens, at = self._buckets.get(caller, (self.rate.burst, now))
        tokens = min(self.rate.burst, tokens + (now - at) * self.rate.per_s)
        if tokens >= 1:
            self._buckets[caller] = (tokens - 1, now)
            wait = 0.0
        else:
            self._buckets[caller] = (tokens, now)
            wait = (1 - tokens) / self.rate.per_s
        if len(self._buckets) > self._look_at:
            self._forget(now)
        return wait

    def _forget(self, now: float) -> None:
        rate, burst = self.rate
        buckets = {
            caller: (tokens, at)
            for caller, (tokens, at) in self._buckets.items()
            if tokens + (now - at) * rate < burst
        }
        if len(buckets) > KEPT_CALLERS:
            idle = sorted(buckets, key=lambda caller: buckets[caller][1])
            for caller in idle[: len(idle) // 2]:
                del buckets[caller]
        self._buckets = buckets
        # Not again at every call while all of them are busy.
        self._look_at = min(KEPT_CALLERS, max(LOOK_AT, 2 * len(buckets)))


class Streams:
    """How many streams each caller has open."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._open: dict[str, int] = {}

    def enter(self, caller: str) -> bool:
        """Count one more; False when that is one too many."""
        if self._open.get(caller, 0) >= self.limit:
            return False
        self._open[caller] = self._open.get(caller, 0) + 1
        return True

    def leave(self, caller: str) -> None:
        """Count one less."""
        left = self._open[caller] - 1
        if left:
            self._open[caller] = left
        else:
            del self._open[caller]

    def count(self) -> int:
        """All streams open."""
        return sum(self._open.values())
