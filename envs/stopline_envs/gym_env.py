"""Gymnasium face: `Stopline/Junction-v0`, one signal of any network.

>>> import gymnasium
>>> env = gymnasium.make("stopline_envs.gym_env:Stopline/Junction-v0", scenario="single")  # doctest: +SKIP
>>> observation, info = env.reset(seed=1)  # doctest: +SKIP
>>> stage = env.action_space.sample(info["action_mask"])  # doctest: +SKIP
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from stopline_envs.actions import ActionFace, NextStage, action_face
from stopline_envs.env_core import RENDER_MODES, RGB_ARRAY, EnvCore, rendered
from stopline_envs.episodes import ScenarioSource
from stopline_envs.neighbours import observation_size
from stopline_envs.picture.map import Picture
from stopline_envs.slots import MOST, SlotSettings
from stopline_signals.observation import ObservationLayout

ENV_ID = "Stopline/Junction-v0"
SEEDS = 2**31 - 1


class JunctionEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """One signal: the observation of the shared encoder in, a stage out, every `decision_interval` seconds.

    A stage that may not be chosen now is replaced by the guard; `info["action_mask"]` (int8) and
    `action_masks()` (bool) say which may. Other signals of the network keep its own programs. The episode is
    truncated at the scenario's end and never terminates.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 5}  # noqa: RUF012 (Gymnasium's)

    def __init__(
        self,
        scenario: ScenarioSource | str = "single",
        *,
        signal: str | None = None,
        settings: SlotSettings | None = None,
        render_mode: str | None = None,
    ) -> None:
        """`signal` defaults to the network's first; nothing starts before `reset`.

        `render_mode` "rgb_array" draws the surroundings of the signal at each `render()`, "human" opens a
        window of sumo-gui.
        """
        settings = rendered(settings or SlotSettings(), render_mode)
        self.settings = settings
        self.layout = ObservationLayout(settings.max_groups, settings.max_stages)
        self._core = EnvCore(scenario, settings)
        self.signal = signal or self._core.signals()[0]
        self._core.settings = replace(settings, signals=(self.signal,))
        self.render_mode = render_mode
        self.observation_space = spaces.Box(0.0, MOST, (observation_size(settings),), np.float32)
        self.action_space = spaces.Discrete(settings.max_stages)
        self._mask = np.ones(settings.max_stages, dtype=np.bool_)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode; without a seed the next one of the sequence the last seed began."""
        super().reset(seed=seed)
        observations, masks = self._core.reset(int(self.np_random.integers(SEEDS)))
        self._mask = masks[0]
        return observations[0], self._info()

    def step(self, action: np.int64 | int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Ask for a stage and run one decision interval."""
        rewards, observations, masks, done, summary = self._core.step([int(action)])
        self._mask = masks[0]
        return observations[0], float(rewards[0]), False, done, {**self._info(), **summary}

    def action_masks(self) -> NDArray[np.bool_]:
        """Stages that may be chosen now, as MaskablePPO asks for them."""
        return self._mask

    def render(self) -> Picture | None:
        """The road around the signal, uint8 [height, width, 3]; None unless the mode is rgb_array."""
        return self._core.picture(around=self.signal) if self.render_mode == RGB_ARRAY else None

    def close(self) -> None:
        """Stop the simulation."""
        self._core.close()

    def _info(self) -> dict[str, Any]:
        return {"action_mask": self._mask.astype(np.int8)}


def junction_env(
    scenario: ScenarioSource | str = "single",
    *,
    signal: str | None = None,
    actions: ActionFace | str = "stage",
    settings: SlotSettings | None = None,
    render_mode: str | None = None,
) -> gymnasium.Env[NDArray[np.float32], Any]:
    """What `gymnasium.make` calls: one signal of a network, acted on through one of the action faces.

    `actions` is "stage" (masked), "keep-or-switch", "splits", or an `ActionFace` such as
    `SplitsPerCycle(cycle=120)`.
    """
    from stopline_envs.action_wrappers import JunctionActions

    face = action_face(actions)
    env = JunctionEnv(scenario, signal=signal, settings=settings, render_mode=render_mode)
    return env if face.name == NextStage().name else JunctionActions(env, face)


if ENV_ID not in gymnasium.registry:
    gymnasium.register(  # pyright: ignore[reportUnknownMemberType]  gymnasium leaves a dict unparametrised
        id=ENV_ID, entry_point="stopline_envs.gym_env:junction_env"
    )
