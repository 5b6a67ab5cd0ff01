"""What the control loop publishes, and how it reaches the readers without ever waiting for one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import NamedTuple

from stopline_cabinets.words import CabinetState
from stopline_controller.approach import Now
from stopline_controller.arbiter import Ruling
from stopline_controller.wishes import NO_WISHES, Wishes
from stopline_signals.guard import Verdict


class Snapshot(NamedTuple):
    """One junction after one tick; the parts are immutable and shared, nothing is copied."""

    junction: str
    sequence: int
    tenths: int
    """Controller clock."""
    wall_us: int
    """Microseconds since 1970 UTC."""
    online: bool
    seen: CabinetState | None
    now: Now | None
    allowed: int
    ruling: Ruling
    verdict: Verdict | None
    commanded: int
    alarms: tuple[str, ...]
    late_ticks: int
    wishes: Wishes = NO_WISHES


class Hub:
    """Holds the newest snapshot of every junction and wakes the streams that wait for one.

    `publish` is called in the control thread; everything else in the event loop of the services.
    """

    def __init__(self) -> None:
        self.latest: dict[str, Snapshot] = {}
        self._lock = threading.Lock()
        self._watchers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._listeners: list[Callable[[Sequence[Snapshot]], None]] = []

    def listen(self, listener: Callable[[Sequence[Snapshot]], None]) -> None:
        """Have every publication handed to `listener`, in the control thread: it must be quick."""
        self._listeners.append(listener)

    def publish(self, snapshots: Sequence[Snapshot]) -> None:
        """Replace the newest snapshots and wake the streams."""
        for snapshot in snapshots:
            self.latest[snapshot.junction] = snapshot
        for listener in self._listeners:
            listener(snapshots)
        if not self._watchers:
            return
        with self._lock:
            for event, loop in self._watchers.items():
                loop.call_soon_threadsafe(event.set)

    async def watch(self, junctions: Collection[str], min_interval: float) -> AsyncIterator[Snapshot]:
        """Yield new snapshots of these junctions (none: all), each at most every `min_interval` real seconds.

        A reader that is slow misses snapshots; it never makes a backlog.
        """
        event = asyncio.Event()
        loop = asyncio.get_running_loop()
        with self._lock:
            self._watchers[event] = loop
        sent: dict[str, tuple[int, float]] = {}
        event.set()
        try:
            while True:
                await event.wait()
                event.clear()
                for name in junctions or list(self.latest):
                    snapshot = self.latest.get(name)
                    sequence, at = sent.get(name, (0, 0.0))
                    # A little slack, or the jitter of a tick would halve the rate asked for.
                    if snapshot and snapshot.sequence > sequence and loop.time() - at >= 0.9 * min_interval:
                        sent[name] = (snapshot.sequence, loop.time())
                        yield snapshot
        finally:
            with self._lock:
                del self._watchers[event]
