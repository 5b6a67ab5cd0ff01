"""SUMO as the street of a campaign: its signals lend their junctions to the cases, one each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from stopline_envs.network import plans_of
from stopline_envs.scenario import Scenario, load_scenario
from stopline_envs.sensing import Sensors
from stopline_envs.simulation import SumoSimulation, libsumo_module
from stopline_hil.campaigns.lane import Lane, Place
from stopline_hil.campaigns.queues import Watched
from stopline_hil.clock import RunningClock
from stopline_hil.lamp_board import LampBoard
from stopline_hil.street import STEP

LOOK_S = 0.01
"""Wall-clock seconds between two looks at the clock."""


def scenario_of(name: str, window: str) -> Scenario:
    """The scenario a campaign names, or a named part of it.

    Raises:
        StoplineError: there is none of this name.
    """
    found = load_scenario(name)
    return found.window(window) if window else found


class SumoStreet:
    """One run of a scenario; signals nobody stands at keep SUMO's own programs."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.vehicles = self.behind = 0
        """Most vehicles at once at the detectors, and most seconds SUMO was behind the cabinets."""
        self._plan_set = plans_of(scenario)
        self._begin = scenario.begin
        self._simulation = SumoSimulation(scenario, seed)
        self._at: dict[str, str] = {}

    @property
    def signals(self) -> Sequence[str]:
        """Names of the signals."""
        return tuple(self._plan_set.plans)

    def place(self, name: str) -> Place:
        """The next free signal, as the junction `name`; on the grid on which SUMO shows lamps."""
        signal = self.signals[len(self._at)]
        self._at[name] = signal
        plan = replace(self._plan_set.plans[signal].rounded_up(STEP), junction=name)
        return Place(plan, Watched(plan), STEP)

    async def run(self, lanes: Mapping[str, Lane], clock: RunningClock) -> None:
        """Move with the cabinets' clock until cancelled."""
        self._simulation.start()
        try:
            at = {signal: lanes[name] for name, signal in self._at.items()}
            boards = {signal: LampBoard(self._plan_set, signal) for signal in at}
            sensors = Sensors(self._plan_set, tuple(at), libsumo_module())
            began = clock.tenths() // 10
            while True:
                due = clock.tenths() // 10 - began - (self._simulation.now - self._begin)
                self.behind = max(self.behind, due - 1)
                if due > 0:
                    for signal, lane in at.items():
                        lane.look()
                        letters = boards[signal].letters(lane.handle.cabinet.lamps())
                        self._simulation.set_lamps(signal, letters)
                    self._simulation.step()
                    self._tell(at, sensors)
                await asyncio.sleep(0 if due > 1 else LOOK_S)
        finally:
            self._simulation.close()

    def _tell(self, at: Mapping[str, Lane], sensors: Sensors) -> None:
        seen = sensors.look().readings
        for lane, readings in zip(at.values(), seen, strict=True):
            if isinstance(lane.sensors, Watched):
                lane.sensors.see(readings)
        self.vehicles = max(self.vehicles, sum(reading.vehicles for row in seen for reading in row))
