"""The controller's clock: monotonic, in tenths of a second, and faster than real only on a bench."""

from __future__ import annotations

import asyncio
import contextlib
import time

TENTHS = 10


class Clock:
    """Time since the controller started, run at `rate` times the speed of the machine's monotonic clock.

    A step of the wall clock changes nothing here. Rates other than 1 are for virtual cabinets on this host;
    the site file's checks see to that.
    """

    def __init__(self, rate: float = 1.0) -> None:
        self.rate = rate
        self._origin = time.monotonic()

    def seconds(self) -> float:
        """Seconds since the start."""
        return (time.monotonic() - self._origin) * self.rate

    def tenths(self) -> int:
        """Whole tenths of a second since the start."""
        return int(self.seconds() * TENTHS)

    def real(self, seconds: float) -> float:
        """How long `seconds` of this clock take in real seconds; for deadlines of input and output."""
        return seconds / self.rate

    def stand_aside(self, seconds: float) -> None:
        """Let the thread sleep for so many real seconds, whatever else it has to do."""
        # Under libfaketime the system may refuse a sleep as too late; nobody has to sleep.
        with contextlib.suppress(OSError):
            time.sleep(seconds)

    async def sleep_until(self, moment: float) -> float:
        """Sleep until `moment` (seconds of this clock); returns how many real seconds late it woke."""
        delay = self.real(moment - self.seconds())
        if delay > 0:
            await asyncio.sleep(delay)
        return max(self.real(self.seconds() - moment), 0.0)
