"""Episode after episode of a scenario source, for one process of a vectorised environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stopline_envs.neighbours import NeighbourRun, slot_run
from stopline_envs.scenario import Scenario
from stopline_envs.slots import Masks, Observations, SlotRun, SlotSettings
from stopline_signals.errors import ScenarioError, SimulationError

ScenarioSource: TypeAlias = Scenario | Callable[[int], Scenario]
"""A scenario for every episode, or a picklable function from an episode's seed to its scenario.

A worker process imports the function's module: keep torch out of it, or every worker waits for it to load.
"""


@dataclass(frozen=True, slots=True)
class Stepped:
    """One decision of all slots of a process, one row or entry per slot."""

    observations: Observations
    rewards: NDArray[np.float32]
    dones: NDArray[np.bool_]
    infos: list[dict[str, Any]]
    masks: Masks


class Episodes:
    """Runs episodes one after another, each with its own seed; a finished one is followed by the next."""

    def __init__(
        self, source: ScenarioSource, slots: int, settings: SlotSettings, seed: int, number: int
    ) -> None:
        """`number` is the process's place among its fellows: equal seeds differ by it."""
        self._source = source
        self._slots = slots
        self._settings = settings
        self._seed = seed
        self._number = number
        self._episode = 0
        self._run: SlotRun | NeighbourRun | None = None
        self._returns = np.zeros(slots)
        self._length = 0

    def reset(self, seed: int | None = None) -> tuple[Observations, Masks]:
        """Start the next episode; a seed starts the count of episodes anew."""
        if seed is not None:
            self._seed, self._episode = seed, 0
        own = episode_seed(self._seed, self._number, self._episode)
        self._episode += 1
        self.close()
        scenario = scenario_for(self._source, own)
        self._run = slot_run(scenario, self._settings)
        if len(self._run.names) != self._slots:
            raise ScenarioError(
                f"scenario {scenario.name} has {len(self._run.names)} signals, the environment {self._slots} "
                "slots; give a source of networks with exactly that many, or name the signals in SlotSettings"
            )
        self._returns = np.zeros(self._slots)
        self._length = 0
        return self._run.reset(own)

    def step(self, stages: list[int]) -> Stepped:
        """One decision; at the end of an episode the observations are the next one's first."""
        run = self._run
        if run is None:
            raise SimulationError("step before reset: call reset first")
        rewards = run.step(stages)
        self._returns += rewards
        self._length += 1
        observations, masks = run.observe()
        done = run.done
        infos: list[dict[str, Any]] = [{} for _ in range(self._slots)]
        if done:
            infos = self._last_infos(run, observations)
            observations, masks = self.reset()
        return Stepped(observations, rewards, np.full(self._slots, done, dtype=np.bool_), infos, masks)

    def close(self) -> None:
        """Stop the running simulation."""
        if self._run is not None:
            self._run.close()
            self._run = None

    def _last_infos(self, run: SlotRun | NeighbourRun, observations: Observations) -> list[dict[str, Any]]:
        """Time is up, nothing ended: SB3 then bootstraps from the terminal observation."""
        summary = run.summary()
        return [
            {
                "terminal_observation": observations[slot],
                "TimeLimit.truncated": True,
                "episode": {"r": float(self._returns[slot]), "l": self._length, "t": 0.0},
                "signal": run.names[slot],
                **summary,
            }
            for slot in range(self._slots)
        ]


def scenario_for(source: ScenarioSource, seed: int) -> Scenario:
    """The scenario of one episode."""
    return source if isinstance(source, Scenario) else source(seed)


def episode_seed(seed: int, number: int, episode: int) -> int:
    """The seed of one episode of one process: distinct, and the same on every machine."""
    return int(np.random.SeedSequence((seed, number, episode)).generate_state(1)[0] >> 1)
