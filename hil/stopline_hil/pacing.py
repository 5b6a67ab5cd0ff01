"""Real-time pacing: when each simulated second is due, and how late it came."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late simulated seconds began, in wall-clock ms; `late` of `seconds` by more than a whole period."""

    seconds: int
    late: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Pacer:
    """Keeps `rate` simulated seconds to one of the wall clock; rate 0 runs as fast as it can."""

    def __init__(self, rate: float) -> None:
        self._period = 1.0 / rate if rate else 0.0
        self._due = time.monotonic()
        self._late: list[float] = []

    def start(self) -> None:
        """The first second begins now."""
        self._due = time.monotonic()

    async def wait(self) -> None:
        """Sleep until the next second is due; a second more than a period late is not made up for."""
        self._due += self._period
        await asyncio.sleep(max(0.0, self._due - time.monotonic()))
        late = time.monotonic() - self._due
        if not self._period:
            return
        self._late.append(late)
        if late > self._period:
            self._due += late

    def report(self) -> Lateness:
        """Figures so far."""
        ordered = sorted(self._late) or [0.0]
        return Lateness(
            seconds=len(self._late),
            late=sum(late > self._period for late in self._late),
            p50_ms=round(1000 * ordered[len(ordered) // 2], 2),
            p99_ms=round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 2),
            max_ms=round(1000 * ordered[-1], 2),
        )
