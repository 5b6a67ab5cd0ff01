"""Honest figures from few seeds: bootstrap intervals and paired comparisons."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
MOST_EXACT = 14
_SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class Estimate:
    """Mean over seeds with its 95 % interval."""

    mean: float
    low: float
    high: float
    per_seed: tuple[float, ...]

    def to_table(self) -> dict[str, Any]:
        """The form of ``evaluation.json``."""
        return {"mean": self.mean, "ci95": [self.low, self.high], "per_seed": list(self.per_seed)}


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and bootstrap interval (percentile, fixed resampling seed) of one value per seed."""
    found = np.asarray(values, float)
    if found.size == 0:
        raise ValueError("an estimate needs at least one value")
    draws = np.random.default_rng(_SEED).integers(0, found.size, (RESAMPLES, found.size))
    low, high = np.percentile(found[draws].mean(1), (2.5, 97.5))
    return Estimate(float(found.mean()), float(low), float(high), tuple(float(value) for value in found))


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> Estimate:
    """Sum of parts over sum of wholes, with its bootstrap interval; 0 where the wholes come to nothing."""
    if len(parts) != len(wholes) or not parts:
        raise ValueError(f"a ratio needs paired values, found {len(parts)} and {len(wholes)}")
    above, below = np.asarray(parts, float), np.asarray(wholes, float)
    draws = np.random.default_rng(_SEED).integers(0, above.size, (RESAMPLES, above.size))
    sums = above[draws].sum(1), below[draws].sum(1)
    low, high = np.percentile(np.divide(*sums, out=np.zeros(RESAMPLES), where=sums[1] != 0), (2.5, 97.5))
    mean = float(above.sum() / below.sum()) if below.sum() else 0.0
    per_seed = np.divide(above, below, out=np.zeros(above.size), where=below != 0)
    return Estimate(mean, float(low), float(high), tuple(float(value) for value in per_seed))


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Mean of ``first - second`` over paired seeds, with its interval."""
    if len(first) != len(second):
        raise ValueError(f"paired values must have the same seeds, found {len(first)} and {len(second)}")
    return estimate([a - b for a, b in zip(first, second, strict=True)])


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided exact p of a mean difference of 0, over all ways to exchange the two of each pair.

    With n pairs it cannot be below 2 / 2**n: five seeds give 0.0625 at best. More than `MOST_EXACT` pairs are
    sampled.
    """
    found = np.asarray(differences, float)
    if found.size == 0:
        raise ValueError("a test needs at least one pair")
    signs = _all_signs(found.size) if found.size <= MOST_EXACT else _some_signs(found.size)
    means = np.abs((signs * found).mean(1))
    return float((means >= abs(found.mean()) - 1e-12).mean())


def _all_signs(pairs: int) -> npt.NDArray[np.int64]:
    return np.asarray(list(itertools.product((1, -1), repeat=pairs)), np.int64)


def _some_signs(pairs: int) -> npt.NDArray[np.int64]:
    return 2 * np.random.default_rng(_SEED).integers(0, 2, (RESAMPLES, pairs)) - 1
