"""What the single-environment faces share: slots here, or in a helper process when SUMO is taken here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stopline_envs.episodes import ScenarioSource, scenario_for
from stopline_envs.helper import Helper
from stopline_envs.neighbours import slot_run
from stopline_envs.network import plans_of
from stopline_envs.picture import MapPicture, Scene, take_scene
from stopline_envs.picture.map import Picture
from stopline_envs.scenario import Scenario, load_scenario
from stopline_envs.simulation import libsumo_module, simulation_running
from stopline_envs.slots import Masks, Observations, SlotSettings
from stopline_signals.errors import ScenarioError, SimulationError

RGB_ARRAY, HUMAN = "rgb_array", "human"
RENDER_MODES = (RGB_ARRAY, HUMAN)


class Slots(Protocol):
    """A row of signals to act on, wherever its simulation runs."""

    def change(self, scenario: Scenario) -> None:
        """Run another scenario from the next reset on."""
        ...

    def reset(self, seed: int) -> tuple[Observations, Masks]:
        """Start an episode."""
        ...

    def step(self, stages: list[int]) -> tuple[NDArray[np.float32], Observations, Masks, bool]:
        """One decision: rewards, observations, masks, and whether the episode is over."""
        ...

    def summary(self) -> dict[str, Any]:
        """What the last info of an episode says; may end the simulation."""
        ...

    def scene(self) -> Scene:
        """What is on the road now."""
        ...

    def close(self) -> None:
        """Stop the simulation."""
        ...


class LocalSlots:
    """Slots whose simulation runs in this process."""

    def __init__(self, scenario: Scenario, settings: SlotSettings) -> None:
        """Prepare; SUMO starts in `reset`."""
        self._settings = settings
        self._run = slot_run(scenario, settings)
        self._last_scene: Scene | None = None

    def change(self, scenario: Scenario) -> None:
        """Run another scenario from the next reset on."""
        self._run.close()
        self._run = slot_run(scenario, self._settings)

    def reset(self, seed: int) -> tuple[Observations, Masks]:
        """Start an episode."""
        self._last_scene = None
        return self._run.reset(seed)

    def step(self, stages: list[int]) -> tuple[NDArray[np.float32], Observations, Masks, bool]:
        """One decision."""
        rewards = self._run.step(stages)
        return rewards, *self._run.observe(), self._run.done

    def summary(self) -> dict[str, Any]:
        """Last words of an episode."""
        self._last_scene = self._take_scene()
        return self._run.summary()

    def scene(self) -> Scene:
        """What is on the road now; after an episode's end what was there last."""
        return self._last_scene or self._take_scene()

    def _take_scene(self) -> Scene:
        run = self._run.run
        return take_scene(libsumo_module(), run.now, run.plan_set.plans)

    def close(self) -> None:
        """Stop the simulation."""
        self._run.close()


class RemoteSlots:
    """Slots whose simulation runs in a helper process."""

    def __init__(self, scenario: Scenario, settings: SlotSettings) -> None:
        """Start the helper."""
        self._helper = Helper(f"environment {scenario.name}", LocalSlots, scenario, settings)

    def change(self, scenario: Scenario) -> None:
        """Run another scenario, in the same process, from the next reset on."""
        self._helper.call("change", scenario)

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

    def scene(self) -> Scene:
        """What is on the road now."""
        scene: Scene = self._helper.call("scene")
        return scene

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
        self._map: MapPicture | None = None

    def signals(self) -> tuple[str, ...]:
        """Names of the controlled signals: of the running episode, or of the source's scenario for seed 0."""
        scenario = self._scenario or scenario_for(self.source, 0)
        return self.settings.signals or tuple(plans_of(scenario).plans)

    def reset(self, seed: int) -> tuple[Observations, Masks]:
        """Start an episode, in a helper process if another simulation holds this one."""
        scenario = scenario_for(self.source, seed)
        if isinstance(self._slots, LocalSlots):
            self._slots.close()
            if simulation_running():  # somebody else took the process between two episodes
                self._slots = None
        if self._slots is None:
            kind = RemoteSlots if simulation_running() else LocalSlots
            self._slots = kind(scenario, self.settings)
        elif scenario != self._scenario:
            self._slots.change(scenario)
            self._map = None
        self._scenario = scenario
        return self._slots.reset(seed)

    def step(
        self, stages: list[int]
    ) -> tuple[NDArray[np.float32], Observations, Masks, bool, dict[str, Any]]:
        """One decision: rewards, observations, masks, done, and the summary when done."""
        if self._slots is None:
            raise SimulationError("step before reset: call reset first")
        rewards, observations, masks, done = self._slots.step(stages)
        return rewards, observations, masks, done, self._slots.summary() if done else {}

    def picture(self, *, around: str | None = None) -> Picture:
        """The road as it is now, uint8 [height, width, 3]: the whole network, or around one signal."""
        if self._slots is None or self._scenario is None:
            raise SimulationError("render before reset: call reset first")
        if self._map is None:
            plan_set, title = plans_of(self._scenario), self._scenario.name
            size = (720, 720) if around else (960, 720)
            self._map = MapPicture(plan_set, around=around, title=title, size=size)
        return self._map.draw(self._slots.scene())

    def close(self) -> None:
        """Stop whatever runs."""
        self._map = None
        if self._slots is not None:
            self._slots.close()
            self._slots = None


def rendered(settings: SlotSettings, mode: str | None) -> SlotSettings:
    """The settings of an environment with a render mode; ScenarioError names the modes there are."""
    if mode is not None and mode not in RENDER_MODES:
        raise ScenarioError(f"no render mode {mode!r}; there are: {', '.join(RENDER_MODES)}, or None")
    return replace(settings, gui=True) if mode == HUMAN else settings
