"""One junction of a bench: virtual cabinet, wire, detectors, and the record of it all."""

from __future__ import annotations

import asyncio
import random
import time
from typing import NamedTuple

from stopline_hil.campaigns.queues import Queues, StreetSensors
from stopline_hil.campaigns.record import Record
from stopline_hil.clock import RunningClock
from stopline_hil.controller_process import ControllerProcess
from stopline_hil.example import crossroads
from stopline_hil.faults.dialects import DIALECTS, Dialect
from stopline_hil.faults.handles import HANDLES, Handle
from stopline_hil.faults.wire import Wire
from stopline_hil.fitting import post_for
from stopline_hil.site_files import Post
from stopline_signals.plan import SignalPlan

LOOK_S = 0.02
"""Wall-clock seconds between two looks at a cabinet."""
SLACK = 5
"""Tenths by which a look may be late, and a cabinet's own grid coarse."""
TIMEOUT_S = {"modbus": 0.5, "ntcip": 1.0}
"""Real seconds for one answer at a real cabinet."""


class Place(NamedTuple):
    """Where a lane stands: its plan, its detectors, and the grid (tenths) on which its lamps change."""

    plan: SignalPlan
    sensors: StreetSensors
    step: int = 1


def synthetic(name: str, seed: int) -> Place:
    """The built-in junction with random traffic of its own."""
    plan = crossroads(name)
    return Place(plan, Queues(plan, random.Random(f"street {seed} {name}")))


class Lane:
    """One junction; a `Target` for faults."""

    def __init__(
        self, place: Place, protocol: str, clock: RunningClock, controller: ControllerProcess, seed: int
    ) -> None:
        name = place.plan.junction
        self.name = name
        self.protocol = protocol
        self.controller = controller
        self.dice = random.Random(f"{seed} {name}")
        self.dialect: Dialect = DIALECTS[protocol]()
        self.handle: Handle = HANDLES[protocol](place.plan, clock, step=place.step)
        self.sensors = place.sensors
        self.record = Record()
        self.stall_s = 0.0
        """Longest wall-clock time between two looks: how long the bench itself stood still."""
        self.last_write: bytes | None = None
        self.wire: Wire
        self._clock = clock
        self._looked = clock.tenths()
        self._readings = self.sensors.readings()
        self._watching: asyncio.Task[None] | None = None

    async def open(self) -> Post:
        """Open the ports; returns where the controller finds the cabinet: at the wire."""
        cabinet = self.handle.cabinet
        await cabinet.start()
        self.wire = self.dialect.wire(cabinet.host, cabinet.port)
        self.wire.taps.append(self._tap)
        await self.wire.open()
        self._watching = asyncio.create_task(self._watch())
        timeout = max(0.1, self.real(TIMEOUT_S[self.protocol]))
        options: dict[str, object] = {"timeout_s": timeout}
        if self.protocol == "ntcip":
            options["profile"] = "virtual"
        post = post_for(cabinet)
        return post._replace(host="127.0.0.1", port=self.wire.port, options={**post.options, **options})

    async def close(self) -> None:
        """Close everything."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self.wire.close()
        await self.handle.cabinet.stop()

    @property
    def rate(self) -> float:
        """Cabinet seconds a second."""
        return self._clock.rate

    @property
    def now(self) -> int:
        """Cabinet time, tenths."""
        return self._clock.tenths()

    async def pause(self, seconds: float) -> None:
        """Let cabinet seconds pass."""
        await asyncio.sleep(self.real(seconds))

    def real(self, seconds: float) -> float:
        """Cabinet seconds in wall-clock ones."""
        return seconds / self._clock.rate

    async def _watch(self) -> None:
        before = time.monotonic()
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)
            before, last = time.monotonic(), before
            self.stall_s = max(self.stall_s, before - last)

    def look(self) -> None:
        """Bring street and cabinet to the present, and write down what is seen."""
        now = self._clock.tenths()
        cabinet = self.handle.cabinet
        if now > self._looked:
            self.sensors.advance(now - self._looked, self.handle.aspects)
            self._looked = now
            readings = self.sensors.readings()
            if readings != self._readings:
                self.record.note("edge")
                self._readings = readings
            cabinet.set_readings(readings)
        cabinet.tick(now)
        limit = round(self.handle.backup_s * 10) + SLACK
        self.record.sample(now, self.handle.state, self.handle.aspects, limit)

    def _tap(self, up: bool, frame: bytes) -> None:
        if not up:
            if self.dialect.is_news(frame):
                self.record.note("news")
            return
        # A frame seen before is a copy the wire made, and keeps nothing alive that the controller wants.
        if frame != self.last_write and self.dialect.is_write(frame):
            self.last_write = frame
            wish = self.dialect.is_wish(frame)
            self.record.command(self._clock.tenths(), wish=wish)
            if wish:
                self.record.note("wish")
