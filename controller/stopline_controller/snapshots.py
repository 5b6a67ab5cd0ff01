"""What the control loop publishes, and how it reaches the readers without ever waiting for one."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import NamedTuple

from stopline_cabinets.words import CabinetState
from stopline_controller.arbiter import Ruling
from stopline_controller.wishes import NO_WISHES, Wishes
from stopline_signals.approach import Now
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


Listener = Callable[[Sequence[Snapshot]], None]


class Hub:
    """Holds the newest snapshot of every junction and wakes the streams that wait for one.

    `publish` is called in the control thread; everything else in the event loop of the services.
    """

    def __init__(self) -> None:
        self.latest: dict[str, Snapshot] = {}
        self._lock = threading.Lock()
        self._watchers: set[_Watcher] = set()
        self._listeners: list[Listener] = []
        self._news_listeners: list[Listener] = []

    def listen(self, listener: Listener, *, news_only: bool = False) -> None:
        """Have every publication handed over, in the control thread: it must be quick.

        With `news_only` just the snapshots that tell more than a new time.
        """
        (self._news_listeners if news_only else self._listeners).append(listener)

    def publish(self, snapshots: Sequence[Snapshot], news: Sequence[Snapshot] | None = None) -> None:
        """Replace the newest snapshots and wake the streams; `news` are those with more than a new time."""
        for snapshot in snapshots:
            self.latest[snapshot.junction] = snapshot
        for listener in self._listeners:
            listener(snapshots)
        told = snapshots if news is None else news
        if told:
            for listener in self._news_listeners:
                listener(told)
        if not self._watchers:
            return
        with self._lock:
            for watcher in self._watchers:
                watcher.note(snapshots)

    async def watch(self, junctions: Collection[str], min_interval: float) -> AsyncIterator[Snapshot]:
        """Yield new snapshots of these junctions (none: all), each at most every `min_interval` real seconds.

        A reader that is slow misses snapshots, which the sequence shows; it never makes a backlog.
        """
        watcher = _Watcher(frozenset(junctions), asyncio.get_running_loop())
        with self._lock:
            self._watchers.add(watcher)
        watcher.note([snapshot for name in list(self.latest) if (snapshot := self.latest.get(name))])
        # A little slack, or the jitter of a tick would halve the rate asked for.
        interval = 0.9 * min_interval
        sent: dict[str, float] = {}
        try:
            while True:
                await watcher.woken()
                for name in watcher.take():
                    now = time.monotonic()
                    if now - sent.get(name, -math.inf) >= interval:
                        sent[name] = now
                        # The newest there is by now, not the one that woke us.
                        yield self.latest[name]
        finally:
            with self._lock:
                self._watchers.discard(watcher)


class _Watcher:
    """What one stream has still to look at: names, so that a slow reader costs no more than a quick one."""

    def __init__(self, junctions: frozenset[str], loop: asyncio.AbstractEventLoop) -> None:
        self._junctions = junctions
        self._loop = loop
        self._event = asyncio.Event()
        self._changed: dict[str, None] = {}
        self._waking = False

    def note(self, snapshots: Sequence[Snapshot]) -> None:
        """Take note of what was published; in any thread."""
        for snapshot in snapshots:
            if not self._junctions or snapshot.junction in self._junctions:
                self._changed[snapshot.junction] = None
        if self._changed and not self._waking:
            self._waking = True
            # The loop may have ended a moment ago, with all its streams.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._event.set)

    async def woken(self) -> None:
        """Wait until something was published."""
        await self._event.wait()
        self._event.clear()

    def take(self) -> list[str]:
        """The junctions with something new since the last time."""
        self._waking = False
        changed, self._changed = self._changed, {}
        return list(changed)
