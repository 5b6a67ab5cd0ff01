"""How demand may vary, and one drawing of it: a factor for every time, origin and destination."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from stopline_signals.errors import ScenarioError

SURGE_S = 300
SURGE_FACTOR = (1.5, 2.5)
INCIDENT_S = (180, 480)
_PEAK_WIDTH = 0.25  # of the episode


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandVariation:
    """What differs between episodes; every default but `scale` and `turns` is a mild one.

    Attributes:
        scale: least and most that all demand is multiplied by.
        turns: how much the shares of the destinations of an origin vary: the standard deviation of the
            logarithm of a factor, each origin's total being kept.
        peaks: how far demand falls away from one or two peaks, 0 (flat) to 1 (to nothing).
        surges: surges expected in an episode: one origin sends 1.5 to 2.5 times as much for five minutes.
        incidents: incidents expected: a vehicle stands in a lane for three to eight minutes.
        emergency: emergency vehicles expected, with SUMO's right of way: others make room, and a red light is
            passed with care. Leave at 0 where priority by signals is what is measured.
    """

    scale: tuple[float, float] = (0.7, 1.2)
    turns: float = 0.3
    peaks: float = 0.4
    surges: float = 0.5
    incidents: float = 0.2
    emergency: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.scale
        if not 0.0 < low <= high <= 5.0:
            raise ScenarioError(f"demand: scale must be two rising factors up to 5, not {low:g} to {high:g}")
        if not 0.0 <= self.turns <= 2.0:
            raise ScenarioError(f"demand: turns must be 0 to 2, not {self.turns:g}")
        if not 0.0 <= self.peaks <= 1.0:
            raise ScenarioError(f"demand: peaks must be 0 to 1, not {self.peaks:g}")
        for name in ("surges", "incidents", "emergency"):
            if not 0.0 <= getattr(self, name) <= 20.0:
                raise ScenarioError(f"demand: {name} must be 0 to 20 an episode, not {getattr(self, name):g}")


class Surge(NamedTuple):
    """One origin sends `factor` times as much from `begin` to `end` (s)."""

    origin: str
    begin: int
    end: int
    factor: float


@dataclass(slots=True)
class DrawnDemand:
    """One drawing over an episode from `begin` to `end` (s); origins and destinations are edges."""

    scale: float
    peaks: tuple[float, ...]
    depth: float
    surges: tuple[Surge, ...]
    begin: int
    end: int
    turns: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])

    def factor(self, time: float, origin: str, destination: str) -> float:
        """What the demand from an origin to a destination is multiplied by at a time (s)."""
        surge = math.prod(s.factor for s in self.surges if s.origin == origin and s.begin <= time < s.end)
        return self.scale * self.level(time) * surge * self.turns.get((origin, destination), 1.0)

    def level(self, time: float) -> float:
        """The profile over time, 1 at a peak."""
        if not self.peaks:
            return 1.0
        place = (time - self.begin) / (self.end - self.begin)
        away = min(abs(place - peak) for peak in self.peaks) / _PEAK_WIDTH
        return 1.0 - self.depth * min(1.0, away)


def draw(
    variation: DemandVariation,
    volumes: dict[tuple[str, str], float],
    begin: int,
    end: int,
    rng: random.Random,
) -> DrawnDemand:
    """Draw one demand; `volumes` are the vehicles of each origin and destination."""
    scale = rng.uniform(*variation.scale)
    peaks: Sequence[float] = rng.choice(((), (rng.uniform(0.2, 0.8),), (0.2, 0.8))) if variation.peaks else ()
    depth = variation.peaks * rng.uniform(0.5, 1.0)
    origins = sorted({origin for origin, _ in volumes})
    surges = [
        _surge(rng.choice(origins), begin, end, rng)
        for _ in range(poisson(variation.surges, rng) if origins else 0)
    ]
    drawn = DrawnDemand(scale, tuple(peaks), depth, tuple(surges), begin, end)
    for origin in origins:
        drawn.turns.update(_turns(origin, volumes, variation.turns, rng))
    return drawn


def poisson(mean: float, rng: random.Random) -> int:
    """A number of events with this mean."""
    count, product, limit = 0, rng.random(), math.exp(-mean)
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def _surge(origin: str, begin: int, end: int, rng: random.Random) -> Surge:
    start = rng.randint(begin, max(begin, end - SURGE_S))
    return Surge(origin, start, start + SURGE_S, rng.uniform(*SURGE_FACTOR))


def _turns(
    origin: str, volumes: dict[tuple[str, str], float], spread: float, rng: random.Random
) -> dict[tuple[str, str], float]:
    """Factors of an origin's destinations whose mean over its vehicles is 1."""
    own = {pair: volume for pair, volume in sorted(volumes.items()) if pair[0] == origin and volume > 0}
    factors = {pair: math.exp(rng.gauss(0.0, spread)) for pair in own}
    whole = sum(own.values())
    mean = sum(factors[pair] * volume for pair, volume in own.items()) / whole if whole else 1.0
    return {pair: factor / mean for pair, factor in factors.items()}
