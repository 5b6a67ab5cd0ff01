"""Honest figures from few seeds: bootstrap intervals and paired comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

RESAMPLES = 10_000
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


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Mean of ``first - second`` over paired seeds, with its interval."""
    if len(first) != len(second):
        raise ValueError(f"paired values must have the same seeds, found {len(first)} and {len(second)}")
    return estimate([a - b for a, b in zip(first, second, strict=True)])
