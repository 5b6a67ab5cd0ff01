"""Which checkpoint is best: exact delay on generated networks that training never sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stopline_agents.running import run_policy
from stopline_envs.scenario import Scenario
from stopline_policy.seam import Policy

SEED = 42
"""Traffic seed of the first network; each further one has the next."""


@dataclass(frozen=True, slots=True)
class Validation:
    """Delay per network, s."""

    delays: tuple[float, ...]

    @property
    def mean_s(self) -> float:
        """Plain mean, s."""
        return sum(self.delays) / len(self.delays)

    @property
    def score(self) -> float:
        """Geometric mean, s: a busy network does not drown a quiet one. Lower is better."""
        return math.exp(sum(math.log(max(delay, 0.1)) for delay in self.delays) / len(self.delays))


def validate(policy: Policy, networks: Sequence[Scenario]) -> Validation:
    """Run the policy once on each network, the same traffic every time."""
    runs = (run_policy(network, policy, SEED + number) for number, network in enumerate(networks))
    return Validation(tuple(run.metrics.delay_s for run in runs))
