"""SUMO as the street: its detectors feed virtual cabinets, their lamps rule its traffic, a referee watches.

The controller is another process and reaches the cabinets over the wire. Simulated seconds are paced by the
wall clock, `rate` to one; the cabinets' time is the simulation's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import structlog

from stopline_envs.metrics import TripMetrics
from stopline_envs.network import plans_of
from stopline_envs.scenario import Scenario
from stopline_envs.sensing import Sensors
from stopline_envs.simulation import SumoSimulation, libsumo_module
from stopline_hil.clock import StreetClock
from stopline_hil.fitting import VirtualCabinet, cabinet_for, protocols_of
from stopline_hil.lamp_board import LampBoard
from stopline_hil.pacing import Lateness, Pacer
from stopline_mmu import Violation
from stopline_signals.plan import SignalPlan

_log = structlog.get_logger(__name__)

STEP = 10
"""SUMO shows lamps once a second: cabinets change theirs on that grid and round intervals up to it."""

POLL_S = 0.05

Watcher = Callable[["Street"], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreetReport:
    """What a run came to; `monitor` counts what the cabinets' own monitors saw, `referee` the street's."""

    scenario: str
    seed: int
    seconds: int
    rate: float
    lateness: Lateness
    monitor: int
    referee: int
    first_violations: tuple[str, ...]
    plans_accepted: Mapping[str, int]
    metrics: TripMetrics

    @property
    def violations(self) -> int:
        """All of them."""
        return self.monitor + self.referee


class Street:
    """One scenario in SUMO with a virtual cabinet at every signal; `async with` opens and closes the ports.

    `port` 0 takes free ones, else cabinets count up from it. `extra_files` are SUMO route files beside the
    scenario's own. `watchers` are called once every simulated second, before it is run. `protocols` says what
    all or some junctions speak (see `fitting.protocols_of`).
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int = 1,
        rate: float = 5.0,
        host: str = "127.0.0.1",
        port: int = 0,
        extra_files: Sequence[Path] = (),
        watchers: Sequence[Watcher] = (),
        protocols: Sequence[str] = (),
    ) -> None:
        self.scenario = scenario
        self.seed = seed
        self.rate = rate
        self.now = scenario.begin
        self._plan_set = plans_of(scenario)
        self._clock = StreetClock(rate=rate or 1e9, start=scenario.begin)
        spoken = protocols_of(self._plan_set.plans, protocols)
        self.cabinets: dict[str, VirtualCabinet] = {
            name: cabinet_for(
                spoken[name],
                plan.rounded_up(STEP),
                self._clock,
                host=host,
                port=port + number if port else 0,
                step=STEP,
                counting=True,
            )
            for number, (name, plan) in enumerate(self._plan_set.plans.items())
        }
        self._boards = {name: LampBoard(self._plan_set, name) for name in self.cabinets}
        self._simulation = SumoSimulation(scenario, seed, trips=True, extra_files=extra_files)
        self.watchers = list(watchers)
        self._sensors: Sensors | None = None
        self._pacer = Pacer(rate)
        self._first: list[str] = []

    async def __aenter__(self) -> Self:
        self._simulation.start()
        self._sensors = Sensors(self._plan_set, tuple(self.cabinets), libsumo_module())
        for cabinet in self.cabinets.values():
            await cabinet.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for cabinet in self.cabinets.values():
            await cabinet.stop()
        self._simulation.close()

    @property
    def plans(self) -> dict[str, SignalPlan]:
        """The plans the cabinets run; the controller must be given the same."""
        return {name: cabinet.plan for name, cabinet in self.cabinets.items()}

    async def wait_for_controller(self, seconds: float) -> bool:
        """Hold time until every cabinet was read, at most so many wall-clock seconds; True when all were."""
        return await _until(lambda: all(cabinet.reads for cabinet in self.cabinets.values()), seconds)

    async def wait_for_release(self, seconds: float) -> bool:
        """Keep the ports open until nobody controls a cabinet, at most so many wall-clock seconds."""
        return await _until(lambda: all(cabinet.released for cabinet in self.cabinets.values()), seconds)

    async def run(self) -> StreetReport:
        """Run the scenario to its end, whoever controls it."""
        self._pacer.start()
        while self.now < self.scenario.end:
            for watcher in self.watchers:
                await watcher(self)
            self._show()
            await self._pacer.wait()
            self._simulation.step()
            self.now = self._simulation.now
        return self._report()

    def _show(self) -> None:
        """Readings to the cabinets, their lamps to the street, and the street's lamps to the referee."""
        assert self._sensors is not None
        self._clock.begin(self.now)
        readings = self._sensors.look().readings
        for (name, cabinet), seen in zip(self.cabinets.items(), readings, strict=True):
            cabinet.set_readings(seen)
            before = cabinet.monitor.total
            cabinet.tick(self.now * 10)
            board = self._boards[name]
            self._simulation.set_lamps(name, board.letters(cabinet.lamps()))
            # What SUMO shows is what is judged, not what it was told to show.
            found = board.judge(self.now, self._simulation.lamps(name))
            self._note(name, cabinet.violations[before:] + found)

    def _note(self, name: str, violations: Sequence[Violation]) -> None:
        for violation in violations:
            if len(self._first) < 20:
                self._first.append(f"{name}: {violation}")
                _log.error("lamp_violation", junction=name, violation=str(violation))

    def _report(self) -> StreetReport:
        return StreetReport(
            scenario=self.scenario.name,
            seed=self.seed,
            seconds=self.now - self.scenario.begin,
            rate=self.rate,
            lateness=self._pacer.report(),
            monitor=sum(cabinet.monitor.total for cabinet in self.cabinets.values()),
            referee=sum(board.total for board in self._boards.values()),
            first_violations=tuple(self._first),
            plans_accepted={name: cabinet.plans_accepted for name, cabinet in self.cabinets.items()},
            metrics=self._simulation.metrics(),
        )


async def _until(done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_S)
    return True
