"""What has to be looked after now and then, away from control: disk, certificate, clock, retention."""

from __future__ import annotations

import asyncio
import datetime
import shutil
import time
from collections.abc import Callable, Sequence

import structlog

from stopline_controller.alarms import Alarms
from stopline_controller.audit import AuditLog, Entry
from stopline_controller.clock import Clock
from stopline_controller.dates import STEP_S
from stopline_controller.events import EventLog
from stopline_controller.hires import MAX_PARAMETER, Code, HiResEvent

log = structlog.get_logger(__name__)

PERIOD_S = 1.0
LEAST_FREE = 200 * 1024 * 1024
"""Bytes free on the disk of the state directory below which an alarm stands."""


class ClockWatch:
    """Notices that the wall clock was set; nothing is timed by it, but logs carry it."""

    def __init__(
        self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset = wall() - monotonic()

    def step(self) -> float:
        """By how many seconds the wall clock was set since the last look; 0 when it was not."""
        offset = self._wall() - self._monotonic()
        moved, self._offset = offset - self._offset, offset
        return moved if abs(moved) >= STEP_S else 0.0


class Housekeeping:
    """Runs in the event loop of the services; what takes long goes to a thread."""

    def __init__(
        self,
        clock: Clock,
        audit: AuditLog,
        events: EventLog,
        alarms: Alarms,
        *,
        junctions: tuple[str, ...],
        keep_records: int,
        chores: Sequence[Callable[[], None]] = (),
        in_loop: Sequence[Callable[[], None]] = (),
    ) -> None:
        """`chores` may take their time, in a thread; `in_loop` must be short and run where services run."""
        self._clock = clock
        self._audit = audit
        self._events = events
        self._alarms = alarms
        self._junctions = junctions
        self._keep_records = keep_records
        self._chores = chores
        self._in_loop = in_loop
        self._watch = ClockWatch()

    async def run(self, certificate_alarm: Callable[[datetime.datetime], str]) -> None:
        """Look after everything every second until cancelled."""
        while True:
            self._alarms.set("certificate", certificate_alarm(datetime.datetime.now(datetime.UTC)))
            self._look_at_clock()
            for chore in self._in_loop:
                chore()
            await asyncio.to_thread(self._take_time)
            await asyncio.sleep(PERIOD_S)

    def _look_at_clock(self) -> None:
        moved = self._watch.step()
        if not moved:
            return
        log.warning("wall_clock_was_set", seconds=round(moved, 3))
        detail = {"seconds": round(moved, 3)}
        self._audit.append([Entry("clock-step", self._clock.tenths(), "", "controller", detail)])
        wall, size = time.time_ns() // 1000, min(round(abs(moved)), MAX_PARAMETER)
        self._events.add([HiResEvent(wall, name, Code.CLOCK_STEP, size) for name in self._junctions])

    def _take_time(self) -> None:
        self._look_at_disk()
        for chore in self._chores:
            chore()

    def _look_at_disk(self) -> None:
        self._audit.flush()
        self._audit.prune(self._keep_records, self._clock.tenths())
        self._audit.checkpoint()
        free = shutil.disk_usage(self._audit.path.parent).free
        low = f"only {free // 2**20} MiB are free on the disk of the logs" if free < LEAST_FREE else ""
        self._alarms.set("disk", low)
