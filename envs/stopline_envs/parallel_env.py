"""PettingZoo face: every signal of a network is an agent, all deciding together."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from stopline_envs.actions import ActionFace, NextStage, action_face
from stopline_envs.env_core import RENDER_MODES, RGB_ARRAY, EnvCore, rendered
from stopline_envs.episodes import ScenarioSource, scenario_for
from stopline_envs.neighbours import observation_size
from stopline_envs.network import plans_of
from stopline_envs.picture.map import Picture
from stopline_envs.scenario import load_scenario
from stopline_envs.slots import MOST, Masks, Observations, SlotSettings
from stopline_signals.observation import ObservationLayout

SEEDS = 2**31 - 1


class NetworkEnv(ParallelEnv[str, Any, Any]):  # type: ignore[misc]  # mypy finds no types in pettingzoo
    """All signals of one scenario; observations have one shape, each agent's actions are its own stages.

    `infos[agent]["action_mask"]` (int8) says which stages may be chosen; another is replaced by the guard.
    All agents are truncated together at the scenario's end.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (PettingZoo's own form)
        "name": "stopline_network_v0",
        "render_modes": list(RENDER_MODES),
        "render_fps": 5,
    }

    def __init__(
        self,
        scenario: ScenarioSource | str = "arterial",
        *,
        settings: SlotSettings | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Nothing starts before `reset`.

        A source must give the same network in every episode, as one that varies its demand does.
        `render_mode` "rgb_array" draws the network at each `render()`, "human" opens a window of sumo-gui.
        """
        self.settings = rendered(settings or SlotSettings(), render_mode)
        source = load_scenario(scenario) if isinstance(scenario, str) else scenario
        self.scenario = scenario_for(source, 0)
        self._core = EnvCore(source, self.settings)
        self.possible_agents = list(self._core.signals())
        self.agents: list[str] = []
        self.render_mode = render_mode
        self.layout = ObservationLayout(self.settings.max_groups, self.settings.max_stages)
        plans = plans_of(self.scenario).plans
        self._stages = {name: len(plans[name].stages) for name in self.possible_agents}
        size = observation_size(self.settings)
        self.observation_spaces: dict[str, spaces.Space[Any]] = {
            name: spaces.Box(0.0, MOST, (size,), np.float32) for name in self.possible_agents
        }
        self.action_spaces: dict[str, spaces.Space[Any]] = {
            name: spaces.Discrete(count) for name, count in self._stages.items()
        }
        self._seeds = np.random.default_rng()

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The agent's observation space, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The agent's stages, always the same object."""
        return self.action_spaces[agent]

    def stage_count(self, agent: str) -> int:
        """How many stages the agent's signal has."""
        return self._stages[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, dict[str, Any]]]:
        """Start an episode; without a seed the next one of the sequence the last seed began."""
        if seed is not None:
            self._seeds = np.random.default_rng(seed)
        observations, masks = self._core.reset(int(self._seeds.integers(SEEDS)))
        self.agents = list(self.possible_agents)
        return self._by_agent(observations), self._infos(masks)

    def step(
        self, actions: dict[str, int]
    ) -> tuple[
        dict[str, NDArray[np.float32]],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Ask each agent's signal for a stage and run one decision interval."""
        agents = self.agents
        rewards, observations, masks, done, summary = self._core.step([int(actions[name]) for name in agents])
        infos = {name: {**info, **summary} for name, info in self._infos(masks).items()}
        if done:
            self.agents = []
        return (
            self._by_agent(observations),
            {name: float(reward) for name, reward in zip(agents, rewards, strict=True)},
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, done),
            infos,
        )

    def render(self) -> Picture | None:
        """The whole network, uint8 [height, width, 3]; None unless the mode is rgb_array."""
        return self._core.picture() if self.render_mode == RGB_ARRAY else None

    def close(self) -> None:
        """Stop the simulation."""
        self._core.close()

    def _by_agent(self, observations: Observations) -> dict[str, NDArray[np.float32]]:
        return dict(zip(self.possible_agents, observations, strict=True))

    def _infos(self, masks: Masks) -> dict[str, dict[str, Any]]:
        return {
            name: {"action_mask": mask[: self._stages[name]].astype(np.int8)}
            for name, mask in zip(self.possible_agents, masks, strict=True)
        }


def network_env(
    scenario: ScenarioSource | str = "arterial",
    *,
    actions: ActionFace | str = "stage",
    settings: SlotSettings | None = None,
    render_mode: str | None = None,
) -> ParallelEnv[str, Any, Any]:
    """All signals of a scenario as PettingZoo agents, acting through one of the action faces.

    `actions` is "stage" (masked), "keep-or-switch", "splits", or an `ActionFace`.
    """
    from stopline_envs.action_wrappers import NetworkActions

    face = action_face(actions)
    env = NetworkEnv(scenario, settings=settings, render_mode=render_mode)
    return env if face.name == NextStage().name else NetworkActions(env, face)
