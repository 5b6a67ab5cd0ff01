"""Where training traffic comes from: networks generated from seeds, one per episode."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from stopline_agents.training.config import TrainConfig
from stopline_envs.generate import generate_network
from stopline_envs.network import plans_of
from stopline_envs.scenario import Scenario
from stopline_signals.errors import PolicyError

VALIDATION_SEED = 910_000
"""First seed of the validation networks; training seeds are drawn from elsewhere."""
KEPT = 4
"""Generated networks a worker keeps on disk: the one that runs, and a few to look at after a failure."""
ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class GeneratedNetworks:
    """A picklable source of scenarios for `SlotVecEnv`: the seed of an episode gives its network."""

    config: TrainConfig
    folder: Path

    def __call__(self, seed: int) -> Scenario:
        """Generate the network of a seed; one too large for the layout is drawn again."""
        # Each worker process has a folder of its own: they tidy up independently.
        own = self.folder / str(os.getpid())
        _tidy(own)
        for attempt in range(ATTEMPTS):
            scenario = make_network(seed + 7919 * attempt, self.config, own / str(seed))
            if fits(scenario, self.config):
                return scenario
        raise PolicyError(
            f"no generated network fits {self.config.max_groups} groups and {self.config.max_stages} stages "
            f"after {ATTEMPTS} attempts: raise max_groups or max_stages"
        )


def make_network(seed: int, config: TrainConfig, folder: Path) -> Scenario:
    """The network of a seed under this configuration."""
    chance = random.Random(f"network {seed}")
    return generate_network(
        seed,
        folder,
        kind=chance.choice(config.kinds) if config.kinds else None,
        signals=config.slots,
        fullness=chance.uniform(*config.fullness),
        duration=config.episode_s,
        crossings=chance.random() < config.crossings,
    )


def fits(scenario: Scenario, config: TrainConfig) -> bool:
    """Whether every junction fits the training layout."""
    plans = plans_of(scenario).plans.values()
    return all(
        len(plan.groups) <= config.max_groups and len(plan.stages) <= config.max_stages for plan in plans
    )


def validation_networks(config: TrainConfig, folder: Path) -> list[Scenario]:
    """The networks on which checkpoints are compared: the same for every training seed."""
    found: list[Scenario] = []
    seed = VALIDATION_SEED
    while len(found) < config.validation_networks:
        scenario = make_network(seed, config, folder / str(seed))
        if fits(scenario, config):
            found.append(scenario)
        seed += 1
    return found


def _tidy(folder: Path) -> None:
    if folder.is_dir():
        old = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in old[:-KEPT]:
            shutil.rmtree(path, ignore_errors=True)
