"""Another action face put over the vectorised environment, slot by slot."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnvWrapper

from stopline_envs.actions import ActionFace, Choice, ChoiceReader, action_face
from stopline_envs.slots import Masks, Observations
from stopline_envs.vec_env import SlotVecEnv
from stopline_signals.errors import ScenarioError
from stopline_signals.observation import ObservationLayout


class SlotActions(VecEnvWrapper):
    """A `SlotVecEnv` acted on through a face whose actions last one decision, such as keep-or-switch."""

    def __init__(self, env: SlotVecEnv, actions: ActionFace | str) -> None:
        """Put the face over the environment; ScenarioError for one whose actions last longer."""
        face = action_face(actions)
        if face.decisions(env.settings.decision_interval) != 1:
            raise ScenarioError(
                f"actions {face.name!r} last more than one decision, and slots decide together: "
                "take keep-or-switch, or the Gymnasium or PettingZoo environment"
            )
        layout = ObservationLayout(env.settings.max_groups, env.settings.max_stages)
        space = cast("Any", face.space(layout.max_stages))  # SB3 names spaces without their parameters
        cast("Any", super()).__init__(env, action_space=space)
        self._face = face
        self._reader = ChoiceReader(layout)
        self._choices: list[Choice] = []

    def reset(self) -> Observations:
        """Start a new episode in every worker."""
        return self._read(cast("Observations", self.venv.reset()))

    def step_async(self, actions: NDArray[Any]) -> None:
        """Turn each slot's action into its stage and send it."""
        pairs = zip(actions, self._choices, strict=True)
        self.venv.step_async(np.asarray([self._face.stage(action, choice, 0) for action, choice in pairs]))

    def step_wait(self) -> tuple[Observations, NDArray[np.float32], Masks, list[dict[str, Any]]]:
        """One decision of every slot."""
        observations, rewards, dones, infos = cast("Any", self.venv).step_wait()
        return self._read(observations), rewards, dones, infos

    def action_masks(self) -> Masks:
        """Actions each slot may choose now, [num_envs, actions]."""
        return np.asarray([self._face.mask(choice) for choice in self._choices], dtype=np.bool_)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: int | Iterable[int] | None = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Only `action_masks` can be called on slots."""
        if method_name != "action_masks":
            inner = cast("Any", self.venv)
            answers: list[Any] = inner.env_method(method_name, *method_args, indices=indices, **method_kwargs)
            return answers
        masks = self.action_masks()
        return [masks[index] for index in self._get_indices(indices)]

    def _read(self, observations: Observations) -> Observations:
        self._choices = [self._reader.read(row) for row in observations]
        return observations
