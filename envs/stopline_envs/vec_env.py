"""Stable-Baselines3 VecEnv in which every signal of every SUMO process is one slot of one shared policy.

Each worker process runs one network at a time and owns its libsumo. All slots of a worker begin and end their
episodes together; a new episode may be a new network, as long as it has as many signals as the worker has
slots.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from stopline_envs.episodes import Episodes, ScenarioSource, Stepped
from stopline_envs.helper import Helper
from stopline_envs.neighbours import observation_size
from stopline_envs.slots import MOST, Masks, Observations, SlotSettings
from stopline_signals.errors import ScenarioError

__all__ = ["ScenarioSource", "SlotSettings", "SlotVecEnv"]


class SlotVecEnv(VecEnv):
    """`workers` SUMO processes of `slots` signals each, as workers * slots environments.

    Slot w * slots + k is signal k of worker w. Episode seeds follow from `seed`, worker and episode number,
    so a run repeats exactly whatever the number of cores. `env_method("action_masks")` gives the stages each
    slot may choose, as MaskablePPO expects.
    """

    def __init__(
        self,
        source: ScenarioSource,
        *,
        workers: int = 1,
        slots: int,
        settings: SlotSettings | None = None,
        seed: int = 0,
    ) -> None:
        """Start the workers; their simulations start in `reset`."""
        if workers < 1 or slots < 1:
            raise ScenarioError(f"{workers} workers of {slots} slots: both must be at least 1")
        self.settings = settings or SlotSettings()
        self.slots = slots
        self.render_mode = None
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  SB3 leaves its spaces unparametrised
            workers * slots,
            spaces.Box(0.0, MOST, (observation_size(self.settings),), np.float32),
            spaces.Discrete(self.settings.max_stages),
        )
        self._masks: Masks = np.ones((workers * slots, self.settings.max_stages), dtype=np.bool_)
        self._workers = [
            Helper(f"worker {number}", Episodes, source, slots, self.settings, seed, number)
            for number in range(workers)
        ]

    def reset(self) -> Observations:
        """Start a new episode in every worker."""
        for worker, seeds in zip(self._workers, self._per_worker(self._seeds), strict=True):
            worker.send("reset", next((seed for seed in seeds if seed is not None), None))
        answers: list[tuple[Observations, Masks]] = [worker.receive() for worker in self._workers]
        self._reset_seeds()
        self._reset_options()
        self.reset_infos = [{} for _ in range(self.num_envs)]
        self._masks = np.concatenate([masks for _, masks in answers])
        return np.concatenate([observations for observations, _ in answers])

    def step_async(self, actions: NDArray[Any]) -> None:
        """Send each slot its stage."""
        for worker, stages in zip(self._workers, self._per_worker(actions), strict=True):
            worker.send("step", [int(stage) for stage in stages])

    def step_wait(self) -> tuple[Observations, NDArray[np.float32], Masks, list[dict[str, Any]]]:
        """One decision of every slot; at an episode's end the observation is the next episode's first."""
        answers: list[Stepped] = [worker.receive() for worker in self._workers]
        self._masks = np.concatenate([answer.masks for answer in answers])
        return (
            np.concatenate([answer.observations for answer in answers]),
            np.concatenate([answer.rewards for answer in answers]),
            np.concatenate([answer.dones for answer in answers]),
            [info for answer in answers for info in answer.infos],
        )

    def action_masks(self) -> Masks:
        """Stages each slot may choose now, [num_envs, max_stages]."""
        return self._masks

    @property
    def worker_pids(self) -> list[int]:
        """Process ids of the workers."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    def close(self) -> None:
        """Stop all workers; harmless twice."""
        for worker in self._workers:
            worker.close()

    def get_attr(self, attr_name: str, indices: int | Iterable[int] | None = None) -> list[Any]:
        """Attribute of the slots: `action_masks`, `render_mode`, or one of this object's own."""
        value = getattr(self, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: int | Iterable[int] | None = None) -> None:
        """Slots have no attributes of their own to set."""
        raise AttributeError(
            f"slots of SlotVecEnv have no attribute {attr_name!r} to set; give it to SlotSettings"
        )

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: int | Iterable[int] | None = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Only `action_masks` can be called on slots."""
        if method_name != "action_masks":
            raise AttributeError(f"slots of SlotVecEnv have no method {method_name!r}; there is action_masks")
        return [self._masks[index] for index in self._get_indices(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[Any], indices: int | Iterable[int] | None = None
    ) -> list[bool]:
        """Slots are never wrapped one by one."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Slots draw nothing."""
        return [None] * self.num_envs

    def _per_worker(self, values: Any) -> list[Any]:
        return [values[first : first + self.slots] for first in range(0, self.num_envs, self.slots)]
