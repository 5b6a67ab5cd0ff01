"""Wall seconds of one or more equal runs at once: `python -m benchmarks._env_scaling KIND SCENARIO NUMBER`.

`workers` is a SlotVecEnv of NUMBER workers, `alone` as many processes that only step SUMO and never meet.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from stopline_envs.helper import Helper
from stopline_envs.network import plans_of
from stopline_envs.scenario import Scenario, load_scenario
from stopline_envs.simulation import SumoSimulation
from stopline_envs.vec_env import SlotVecEnv

SECONDS, DECISION = 1800, 5


class Alone:
    """SUMO under the network's own programs."""

    def __init__(self, scenario: Scenario) -> None:
        self._simulation = SumoSimulation(scenario, 1)
        self._simulation.start()

    def run(self, seconds: int) -> None:
        """Step on."""
        for _ in range(seconds):
            self._simulation.step()

    def close(self) -> None:
        """Stop."""
        self._simulation.close()


def workers(scenario: Scenario, number: int) -> float:
    """Every worker's share of the decisions, random legal stages."""
    env: Any = SlotVecEnv(scenario, workers=number, slots=len(plans_of(scenario).plans))
    env.seed(1)
    env.reset()
    rng = np.random.default_rng(1)
    began = time.monotonic()
    for _ in range(SECONDS // DECISION - 1):
        scores = np.where(env.action_masks(), rng.random((env.num_envs, env.settings.max_stages)), -1.0)
        env.step(scores.argmax(axis=1))
    took = time.monotonic() - began
    env.close()
    return took


def alone(scenario: Scenario, number: int) -> float:
    """Bare processes side by side."""
    helpers = [Helper(f"replay {index}", Alone, scenario) for index in range(number)]
    for helper in helpers:
        helper.call("run", 1)
    began = time.monotonic()
    for helper in helpers:
        helper.send("run", SECONDS)
    for helper in helpers:
        helper.receive()
    took = time.monotonic() - began
    for helper in helpers:
        helper.close()
    return took


def main() -> None:
    """Run one kind once."""
    kind, name, number = sys.argv[1:]
    scenario = load_scenario(name)
    scenario = scenario.between(end=scenario.begin + SECONDS)
    print({"workers": workers, "alone": alone}[kind](scenario, int(number)))


if __name__ == "__main__":
    main()
