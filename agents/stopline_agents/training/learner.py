"""stable-baselines3's PPO behind a few typed functions: the only place that knows its attributes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv

from stopline_agents.network import StageScorer
from stopline_agents.ppo_policy import StagePolicy
from stopline_agents.training.buffer import JunctionBuffer
from stopline_agents.training.config import TrainConfig
from stopline_agents.training.start import shape_at
from stopline_signals.observation import ObservationLayout

LEAST_RATE = 0.05
"""The learning rate falls linearly to this share of its start."""


def make_learner(config: TrainConfig, env: VecEnv) -> PPO:
    """A fresh learner."""
    learner = PPO(
        StagePolicy,
        env,
        n_steps=config.n_steps,
        batch_size=config.batch_size,
        n_epochs=config.epochs,
        learning_rate=_schedule(config),
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
        clip_range=config.clip,
        ent_coef=config.entropy,
        seed=config.seed,
        device="cpu",
        rollout_buffer_class=JunctionBuffer,
        policy_kwargs={
            "max_groups": config.max_groups,
            "max_stages": config.max_stages,
            "shape": shape_at(config.start) if config.start else None,
        },
        # Advantages are normalised per junction already.
        normalize_advantage=False,
    )
    return _with_mask(learner, config)


def load_learner(path: Path, config: TrainConfig, env: VecEnv) -> PPO:
    """The learner of a checkpoint, with its optimiser's state."""
    loaded = cast(Any, PPO).load(
        path, env=env, device="cpu", custom_objects={"learning_rate": _schedule(config)}
    )
    return _with_mask(cast(PPO, loaded), config)


def save_learner(learner: PPO) -> bytes:
    """A checkpoint."""
    buffer = io.BytesIO()
    learner.save(buffer)
    return buffer.getvalue()


def learn(learner: PPO, decisions: int, callback: BaseCallback, folder: Path) -> None:
    """Learn for that many more decisions; TensorBoard events go to the folder."""
    learner.set_logger(configure(str(folder), ["tensorboard"]))
    cast(Any, learner).learn(decisions, callback=callback, reset_num_timesteps=False)


def decisions_of(learner: PPO) -> int:
    """Decisions learned from so far."""
    return int(cast(Any, learner).num_timesteps)


def actor_of(learner: PPO) -> StageScorer:
    """The network that decides."""
    policy = learner.policy
    assert isinstance(policy, StagePolicy)
    return policy.actor


def mean_reward(learner: PPO) -> float | None:
    """Mean return of the last episodes, None before the first has ended."""
    episodes: list[dict[str, Any]] = list(cast(Any, learner).ep_info_buffer or ())
    return float(np.mean([episode["r"] for episode in episodes])) if episodes else None


def logged(learner: PPO, name: str) -> float | None:
    """A figure of the last update."""
    values: dict[str, Any] = cast(Any, learner).logger.name_to_value
    return float(values[name]) if name in values else None


def _with_mask(learner: PPO, config: TrainConfig) -> PPO:
    buffer = learner.rollout_buffer
    assert isinstance(buffer, JunctionBuffer)
    buffer.mask = ObservationLayout(config.max_groups, config.max_stages).mask
    return learner


def _schedule(config: TrainConfig) -> Callable[[float], float]:
    def rate(left: float) -> float:
        return config.learning_rate * max(left, LEAST_RATE)

    return rate
