"""sumo-rl's environment made to show recorded lamps, so that it meets the very traffic ours met.

Its release cannot make its multi-agent face with a current PettingZoo, so its SumoEnvironment is used itself.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stopline_envs.scenario import Scenario

Shown = Mapping[int, Sequence[tuple[str, str]]]


def replaying_environment(
    scenario: Scenario, shown: Shown, seed: int, decision: int
) -> tuple[Any, Callable[[], int], Callable[[], None]]:
    """A freshly reset environment with sumo-rl's defaults, how to count its vehicles, and how to close it.

    Its own lamp changes cost it nothing; it decides, observes, rewards and informs as always.
    """
    _set_sumo_home()
    import sumo_rl

    environment: Any = sumo_rl.SumoEnvironment(
        net_file=str(scenario.net),
        route_file=",".join(map(str, scenario.routes)),
        begin_time=scenario.begin,
        num_seconds=scenario.duration,
        delta_time=decision,
        sumo_seed=seed % 2**31,
        sumo_warnings=False,
        additional_sumo_cmd="--no-step-log true --duration-log.disable true",
    )
    environment.reset()
    lights, step = environment.sumo.trafficlight, environment.sumo.simulationStep
    show = lights.setRedYellowGreenState
    lights.setRedYellowGreenState = _nothing
    now = iter(range(scenario.begin, scenario.end))

    def replay() -> None:
        for tls, state in shown.get(next(now), ()):
            show(tls, state)
        step()

    def close() -> None:
        lights.setRedYellowGreenState = show
        environment.close()

    environment._sumo_step = replay
    return environment, environment.sumo.vehicle.getIDCount, close


def _nothing(*_: object) -> None:
    pass


def _set_sumo_home() -> None:
    spec = importlib.util.find_spec("sumo")
    assert spec is not None and spec.submodule_search_locations is not None
    os.environ["SUMO_HOME"] = str(spec.submodule_search_locations[0])
