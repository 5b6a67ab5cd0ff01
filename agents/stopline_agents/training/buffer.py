"""PPO's rollout buffer for many unequal junctions: each junction is judged against itself."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, cast

import numpy as np
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.type_aliases import RolloutBufferSamples

FLOOR = 0.2
"""Least spread of a junction's advantages, as a share of the mean spread: quiet junctions stay quiet."""
FORCED_SHARE = 0.25
"""Share kept of the moments without a choice: the actor has nothing to learn there, the critic has."""


class JunctionBuffer(RolloutBuffer):
    """Centres and scales advantages per junction, over the moments that offered a choice.

    A critic that cannot see a queue beyond the detectors errs the same way all along one junction's rollout.
    Centred over all junctions together, that error would praise or blame everything done there, and the
    busiest junctions would drown the rest.
    """

    mask: slice
    """Where the mask of stages lies in an observation; set by the learner."""

    def compute_returns_and_advantage(self, last_values: Any, dones: Any) -> None:
        """Returns as ever; advantages per junction."""
        super().compute_returns_and_advantage(last_values, dones)
        self._choice = self.observations[:, :, self.mask].sum(2) > 1.5
        self.advantages = centred(self.advantages, self._choice)

    def get(self, batch_size: int | None = None) -> Generator[RolloutBufferSamples, None, None]:
        """Shuffled batches without most of the moments that offered no choice."""
        self._flatten()
        forced = np.random.random(self._flat_choice.shape) < FORCED_SHARE
        kept = np.flatnonzero(self._flat_choice | forced)
        np.random.shuffle(kept)
        size = batch_size or len(kept)
        for start in range(0, len(kept), size):
            yield cast(Any, self)._get_samples(kept[start : start + size])

    def _flatten(self) -> None:
        if not self.generator_ready:
            own = cast(Any, self)
            for name in ("observations", "actions", "values", "log_probs", "advantages", "returns"):
                setattr(self, name, own.swap_and_flatten(getattr(self, name)))
            self._flat_choice = cast(np.ndarray[Any, Any], own.swap_and_flatten(self._choice)).ravel()
            self.generator_ready = True


def centred(
    advantages: np.ndarray[Any, Any], choice: np.ndarray[Any, Any]
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Advantages [steps, junctions], centred and scaled per junction over its choices; 0 elsewhere."""
    count = np.maximum(choice.sum(0), 1)
    mean = np.where(choice, advantages, 0.0).sum(0) / count
    deviation = np.where(choice, advantages - mean, 0.0)
    spread = np.sqrt((deviation**2).sum(0) / count)
    spread = np.maximum(spread, FLOOR * spread.mean())
    return np.asarray(deviation / (spread + 1e-8), np.float32)
