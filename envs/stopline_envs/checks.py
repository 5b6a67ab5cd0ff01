"""Public checks for vectorised environments: Stable-Baselines3 has none of its own.

Any VecEnv with `action_masks` may be tried; each check raises EnvCheckError with what it found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from stopline_signals.errors import StoplineError

VecEnvFactory = Callable[[], VecEnv]


class EnvCheckError(StoplineError):
    """A vectorised environment that breaks its contract."""


def check_vec_env(make: VecEnvFactory, *, steps: int = 60, seed: int = 1) -> None:
    """Run a vectorised environment against its contract: shapes, spaces, masks, episode ends, seeds, closing.

    `make` must give a new, equal environment at every call; some episode should end within `steps` decisions,
    or the checks of episode ends have nothing to look at.

    Raises:
        EnvCheckError: what is wrong and where.
    """
    first = _trajectory(make, steps, seed)
    again = _trajectory(make, steps, seed)
    other = _trajectory(make, steps, seed + 1)
    _require(first == again, "two runs with the same seed and the same choices differ")
    _require(first != other, "runs with different seeds are the same: the seed is not used")


def _trajectory(make: VecEnvFactory, steps: int, seed: int) -> list[bytes]:
    """One run with random allowed choices, checked at every decision; what it saw, for comparison."""
    env: Any = make()  # SB3 leaves its spaces and infos unparametrised
    try:
        rng = np.random.default_rng(0)
        env.seed(seed)
        observations = _checked_observations(env, env.reset(), "reset")
        seen = [observations.tobytes()]
        for step in range(steps):
            masks = _checked_masks(env)
            actions = np.asarray([rng.choice(np.flatnonzero(mask)) for mask in masks])
            seen += _checked_step(env, actions, f"step {step}")
        return seen
    finally:
        env.close()
        env.close()  # closing twice must be harmless


def _checked_step(env: Any, actions: NDArray[Any], where: str) -> list[bytes]:
    result: tuple[Any, Any, Any, list[dict[str, Any]]] = env.step(actions)
    observations, rewards, dones, infos = result
    observations = _checked_observations(env, observations, where)
    _require(rewards.shape == (env.num_envs,), f"{where}: rewards have shape {rewards.shape}")
    _require(bool(np.isfinite(rewards).all()), f"{where}: a reward is not finite")
    _require(
        dones.shape == (env.num_envs,) and dones.dtype == np.bool_, f"{where}: dones must be bool per slot"
    )
    _require(len(infos) == env.num_envs, f"{where}: {len(infos)} infos for {env.num_envs} slots")
    for slot, (done, info) in enumerate(zip(dones, infos, strict=True)):
        _check_end(env, bool(done), info, f"{where}, slot {slot}")
    return [observations.tobytes(), rewards.tobytes(), dones.tobytes()]


def _check_end(env: Any, done: bool, info: dict[str, Any], where: str) -> None:
    terminal = info.get("terminal_observation")
    _require(done == (terminal is not None), f"{where}: terminal_observation must come exactly when done")
    if done:
        _require(
            env.observation_space.contains(terminal), f"{where}: terminal_observation is not in the space"
        )
        _require("TimeLimit.truncated" in info, f"{where}: info lacks TimeLimit.truncated")


def _checked_observations(env: Any, observations: Any, where: str) -> NDArray[Any]:
    _require(isinstance(observations, np.ndarray), f"{where}: observations are {type(observations).__name__}")
    array: NDArray[Any] = np.asarray(observations)
    shape = (env.num_envs, *(env.observation_space.shape or ()))
    _require(array.shape == shape, f"{where}: observations have shape {array.shape}, not {shape}")
    _require(array.dtype == env.observation_space.dtype, f"{where}: observations are {array.dtype}")
    _require(bool(np.isfinite(array).all()), f"{where}: an observation is not finite")
    return array


def _checked_masks(env: Any) -> NDArray[np.bool_]:
    masks = np.stack(env.env_method("action_masks"))
    _require(
        masks.dtype == np.bool_ and len(masks) == env.num_envs, "action masks must be one bool row per slot"
    )
    _require(bool(masks.any(axis=1).all()), "a slot has no stage it may choose")
    return masks


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise EnvCheckError(message)
