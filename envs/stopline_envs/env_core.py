"""What the single-environment faces share: slots here, or in a helper process when SUMO is taken here."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stopline_envs.episodes import ScenarioSource, scenario_for
from stopline_envs.helper import Helper
from stopline_envs.neighbours import slot_run
from stopline_envs.network import plans_of
from stopline_envs.scenario import Scenario, load_scenario
from stopline_envs.simulation import simulation_running
from stopline_envs.slots import Masks, Observations, SlotSettings
from stopline_signals.errors import SimulationError


class Slots(Protocol):
    """A row of signals to act on, wherever its simulation runs."""

    def reset(self, seed: int) -> tuple[Observations, Masks]:
        """Start an episode."""
        ...

    def step(self, stages: list[int]) -> tuple[NDArray[np.float32], Observations, Masks, bool]:
        """One decision: rewards, observations, masks, and whether the episode is over."""
        ...

    def summary(self) -> dict[str, Any]:
        """What the last info of an episode says; may end the simulation."""
        ...

    def close(self) -> None:
        """Stop the simulation."""
        ...


class LocalSlots:
    """Slots whose simulation runs in this process."""

    def __init__(self, scenario: Scenario, settings: SlotSettings) -> None:
        """Prepare; SUMO starts in `reset`."""
        self._run = slot_run(scenario, settings)

    def reset(self, seed: int) -> tuple[Observations, Masks]:
        """Start an episode."""
        return self._run.reset(seed)

    def step(self, stages: list[int]) -> tuple[NDArray[np.float32], Observations, Masks, bool]:
        """One decision."""
        rewards = self._run.step(stages)
        return rewards, *self._run.observe(), self._run.done

    def summary(self) -> dict[str, Any]:
        """Last words of an episode."""
        return self._run.summary()

    def close(self) -> None:
        """Stop the simulation."""
        self._run.close()


class RemoteSlots:
    """Slots whose simulation runs in a helper process."""

    def __init__(self, scenario: Scenario, settings: SlotSettings) -> None:
        """Start the helper."""
        self._helper = Helper(f"environment {scenario.name}", LocalSlots, scenario, settings)

    def reset(self, seed: int) -> tuple[Observations, Masks]:
        """Start an episode."""
        observations, masks = self._helper.call("reset", seed)
        return observations, masks

    def step(self, stages: list[int]) -> tuple[NDArray[np.float32], Observations, Masks, bool]:
        """One decision."""
        rewards, observations, masks, done = self._helper.call("step", stages)
        return rewards, observations, masks, done

    def summary(self) -> dict[str, Any]:
        """Last words of an episode."""
        figures: dict[str, Any] = self._helper.call("summary")
        return figures

    def close(self) -> None:
        """End the helper."""
        self._helper.close()


class EnvCore:
    """Episodes of one environment object, each on the scenario its source gives."""

    def __init__(self, source: ScenarioSource | str, settings: SlotSettings) -> None:
        """A string names a built-in scenario or a TOML file."""
        self.source: ScenarioSource = load_scenario(source) if isinstance(source, str) else source
        self.settings = settings
        self._scenario: Scenario | None = None
        self._slots: Slots | None = None

    def signals(self) -> tuple[str, ...]:
        """Names of the controlled signals: of the running episode, or of the source's scenario for seed 0."""
        scenario = self._scenario or scenario_for(self.source, 0)
        return self.settings.signals or tuple(plans_of(scenario).plans)

    def reset(self, seed: int) -> tuple[Observations, Masks]:
        """Start an episode, in a helper process if another simulation holds this one."""
        scenario = scenario_for(self.source, seed)
        if self._slots is None or scenario != self._scenario:
            self.close()
            self._scenario = scenario
            kind = RemoteSlots if simulation_running() else LocalSlots
            self._slots = kind(scenario, self.settings)
        elif isinstance(self._slots, LocalSlots):
            self._slots.close()
            if simulation_running():  # somebody else took the process between two episodes
                self._slots = RemoteSlots(scenario, self.settings)
        return self._slots.reset(seed)

    def step(
        self, stages: list[int]
    ) -> tuple[NDArray[np.float32], Observations, Masks, bool, dict[str, Any]]:
        """One decision: rewards, observations, masks, done, and the summary when done."""
        if self._slots is None:
            raise SimulationError("step before reset: call reset first")
        rewards, observations, masks, done = self._slots.step(stages)
        return rewards, observations, masks, done, self._slots.summary() if done else {}

    def close(self) -> None:
        """Stop whatever runs."""
        if self._slots is not None:
            self._slots.close()
            self._slots = None
