"""Other action faces put over the Gymnasium and PettingZoo environments."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo.utils import BaseParallelWrapper

from stopline_envs.actions import ActionFace, Choice, ChoiceReader
from stopline_envs.gym_env import JunctionEnv
from stopline_envs.parallel_env import NetworkEnv
from stopline_signals.errors import ScenarioError

Observation = NDArray[np.float32]


class JunctionActions(gymnasium.Wrapper[Observation, Any, Observation, np.int64]):
    """A junction environment acted on through another face.

    A step runs all decisions of an action, adds up their rewards and says in `info["seconds"]` how long that
    was; the episode's end cuts it short.
    """

    def __init__(self, env: JunctionEnv, face: ActionFace) -> None:
        """Put the face over the environment."""
        super().__init__(env)
        self._junction = env
        self._face = face
        self._reader = ChoiceReader(env.layout)
        self._interval = env.settings.decision_interval
        self._choice: Choice | None = None
        self.action_space = face.space(env.layout.max_stages)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode."""
        observation, info = self._junction.reset(seed=seed, options=options)
        return observation, self._with_mask(observation, info)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Carry out one action to its end."""
        observation, whole, terminated, truncated, info = self._junction.step(self._stage(action, 0))
        elapsed = self._interval
        for _ in range(1, self._face.decisions(self._interval)):
            if terminated or truncated:
                break
            self._choice = self._reader.read(observation)
            stage = self._face.stage(action, self._choice, elapsed)
            observation, reward, terminated, truncated, info = self._junction.step(stage)
            whole += reward
            elapsed += self._interval
        return (
            observation,
            whole,
            terminated,
            truncated,
            self._with_mask(observation, info | {"seconds": elapsed}),
        )

    def action_masks(self) -> NDArray[np.bool_]:
        """Actions that may be chosen now, as MaskablePPO asks for them."""
        mask = None if self._choice is None else self._face.mask(self._choice)
        if mask is None:
            raise ScenarioError(f"actions {self._face.name!r} have no masks (or reset was not called yet)")
        return mask.astype(np.bool_)

    def _stage(self, action: Any, elapsed: int) -> int:
        # Before the first reset the environment itself says what is missing.
        return 0 if self._choice is None else self._face.stage(action, self._choice, elapsed)

    def _with_mask(self, observation: Observation, info: dict[str, Any]) -> dict[str, Any]:
        self._choice = self._reader.read(observation)
        return _masked(info, self._face.mask(self._choice))


class NetworkActions(BaseParallelWrapper):  # type: ignore[misc]  # mypy finds no types in pettingzoo
    """A network environment whose agents act through another face, all for as long as one action lasts."""

    def __init__(self, env: NetworkEnv, face: ActionFace) -> None:
        """Put the face over the environment."""
        super().__init__(env)  # pyright: ignore[reportUnknownMemberType]  pettingzoo leaves its ids untyped
        self._network = env
        self._face = face
        self._reader = ChoiceReader(env.layout)
        self._interval = env.settings.decision_interval
        self._stages = {name: env.stage_count(name) for name in env.possible_agents}
        self._choices: dict[str, Choice] = {}
        self.action_spaces: dict[str, spaces.Space[Any]] = {
            name: face.space(count) for name, count in self._stages.items()
        }

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The agent's actions, always the same object."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Start an episode."""
        observations, infos = self._network.reset(seed=seed, options=options)
        return observations, self._with_masks(observations, infos)

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[
        dict[str, Observation],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Carry out one action of every agent to its end."""
        stepped = self._network.step(self._stages_of(actions, 0))
        whole, infos = stepped[1], self._with_masks(stepped[0], stepped[4])
        elapsed = self._interval
        for _ in range(1, self._face.decisions(self._interval)):
            if not self._network.agents:
                break
            stepped = self._network.step(self._stages_of(actions, elapsed))
            whole = {name: whole[name] + reward for name, reward in stepped[1].items()}
            infos = self._with_masks(stepped[0], stepped[4])
            elapsed += self._interval
        infos = {name: info | {"seconds": elapsed} for name, info in infos.items()}
        return stepped[0], whole, stepped[2], stepped[3], infos

    def _stages_of(self, actions: dict[str, Any], elapsed: int) -> dict[str, int]:
        return {
            name: self._face.stage(actions[name], self._choices[name], elapsed)
            for name in self._network.agents
        }

    def _with_masks(
        self, observations: dict[str, Observation], infos: dict[str, dict[str, Any]]
    ) -> dict[str, dict[str, Any]]:
        self._choices = {
            name: self._reader.read(seen, self._stages[name]) for name, seen in observations.items()
        }
        return {name: _masked(info, self._face.mask(self._choices[name])) for name, info in infos.items()}


def _masked(info: dict[str, Any], mask: NDArray[np.int8] | None) -> dict[str, Any]:
    kept = {name: value for name, value in info.items() if name != "action_mask"}
    return kept if mask is None else {**kept, "action_mask": mask}
