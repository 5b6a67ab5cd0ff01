"""The training environment: generated networks behind the vectorised interface, rewards scaled."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs

from stopline_agents.training.config import TrainConfig
from stopline_agents.training.networks import GeneratedNetworks
from stopline_envs.slots import SlotSettings
from stopline_envs.vec_env import SlotVecEnv

Array = npt.NDArray[Any]


class ScaledRewards(VecEnvWrapper):
    """Multiplies rewards by a constant.

    PPO clips the gradients of actor and critic together: with returns far over 1 the critic's gradient would
    leave nothing of the actor's.
    """

    def __init__(self, inner: VecEnv, scale: float) -> None:
        """Wrap an environment; episode returns in the infos stay as they are."""
        cast(Any, super()).__init__(inner)
        self._scale = scale

    def reset(self) -> VecEnvObs:
        """Reset the wrapped environment."""
        return self.venv.reset()

    def step_wait(self) -> tuple[VecEnvObs, Array, Array, list[dict[str, Any]]]:
        """The wrapped step with scaled rewards."""
        observations, rewards, dones, infos = cast(Any, self.venv).step_wait()
        return observations, np.asarray(rewards * self._scale, np.float32), dones, infos


def make_env(config: TrainConfig, folder: Path, restarts: int) -> VecEnv:
    """The environment of a run; a resumed run meets new networks, not again the ones it began with."""
    settings = SlotSettings(
        decision_interval=config.decision_interval,
        reward=config.reward,
        max_groups=config.max_groups,
        max_stages=config.max_stages,
    )
    source = GeneratedNetworks(config, folder / "networks")
    seed = config.seed + 1_000_003 * restarts
    inner = SlotVecEnv(source, workers=config.workers, slots=config.slots, settings=settings, seed=seed)
    return ScaledRewards(inner, config.reward_scale)
