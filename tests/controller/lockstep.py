"""The real control loop in lock step: it sleeps until a test moves the clock, and then has ticked."""

from __future__ import annotations

import asyncio

from stopline_controller.loop import ControlLoop
from tests.controller.manual_clock import ManualClock

SAME_S = 1e-6
"""Two moments this close are one: a tick's is a product, the clock's a quotient."""


class SleepersClock(ManualClock):
    """Who sleeps wakes when the clock was moved that far."""

    def __init__(self) -> None:
        super().__init__()
        self._sleepers: list[asyncio.Future[None]] = []

    @property
    def asleep(self) -> int:
        """How many sleep."""
        return len(self._sleepers)

    async def sleep_until(self, moment: float) -> float:
        while self.at < moment - SAME_S:
            sleeper = asyncio.get_running_loop().create_future()
            self._sleepers.append(sleeper)
            await sleeper
        return max(self.at - moment, 0.0)

    def move(self, to: float) -> None:
        """It is `to` (seconds) now."""
        self.at = to
        woken, self._sleepers = self._sleepers, []
        for sleeper in woken:
            if not sleeper.done():
                sleeper.set_result(None)


async def rest(loop: ControlLoop, clock: SleepersClock) -> None:
    """Until every slot sleeps and nothing else is under way: what is left is the loop and who waits here."""
    while clock.asleep < loop.slots or len(asyncio.all_tasks()) > loop.slots + 2:
        await asyncio.sleep(0)


class MortalLoop(ControlLoop):
    """Can die as by kill -9."""

    killed = False

    async def _hand_back(self) -> None:
        if not self.killed:
            await super()._hand_back()


class Lockstep:
    """Runs a control loop in an event loop of its own."""

    def __init__(self, loop: MortalLoop, clock: SleepersClock) -> None:
        self._control = loop
        self._clock = clock
        self._events = asyncio.new_event_loop()
        self._running = self._events.create_task(loop.run())
        self._rest()

    def tick(self, to: float) -> None:
        """Move the clock and let the loop do all that is due by then, input and output included."""
        self._clock.move(to)
        self._rest()

    def end(self, *, kill: bool = False) -> None:
        """Stop the loop; with `kill` nothing is handed back."""
        self._control.killed = kill
        self._control.stop()
        try:
            self._events.run_until_complete(self._running)
        finally:
            self._events.close()
            self._clock.move(self._clock.at)

    def _rest(self) -> None:
        self._events.run_until_complete(rest(self._control, self._clock))
