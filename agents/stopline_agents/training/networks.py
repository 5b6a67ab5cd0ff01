"""Where training traffic comes from: networks generated from seeds."""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from stopline_agents.training.config import TrainConfig
from stopline_envs.generate import generate_network
from stopline_envs.network import plans_of
from stopline_envs.scenario import Scenario, load_scenario
from stopline_envs.sensor_profiles import SensorFaults
from stopline_signals.errors import PolicyError, ScenarioError

VALIDATION_SEED = 910_000_000
"""First seed of the validation networks; training seeds are drawn from elsewhere."""
ATTEMPTS = 20
LIGHT = (0.04, 0.2)
"""Range of the critical flow ratio of networks in light traffic."""


@dataclass(frozen=True, slots=True)
class GeneratedNetworks:
    """A picklable source of scenarios for `SlotVecEnv`: the seed of an episode picks one of the networks.

    Networks are made when first needed and kept; the seed itself still changes the traffic on them.
    """

    config: TrainConfig
    folder: Path

    def __call__(self, seed: int) -> Scenario:
        """The network for an episode, its detectors as dead as the seed says."""
        return with_dead_detectors(self._network(seed), seed, self.config)

    def _network(self, seed: int) -> Scenario:
        if self.config.scenario:
            return a_window(load_scenario(self.config.scenario), seed, self.config)
        if random.Random(f"own {seed}").random() < self.config.own_share:
            return own_network(seed, self.config)
        number = seed % self.config.networks
        place = self.folder / str(number)
        if not place.is_dir():
            self._make(number, place)
        return load_scenario(place / "scenario.toml")

    def _make(self, number: int, place: Path) -> None:
        """Generate a network that fits the layout, then put it in its place in one step."""
        self.folder.mkdir(parents=True, exist_ok=True)
        first = self.config.seed * 100_000 + number
        for attempt in range(ATTEMPTS):
            work = Path(tempfile.mkdtemp(dir=self.folder, prefix="making-"))
            if _fitting(first + 10_000 * attempt, self.config, work):
                # Another worker may have put the same network there meanwhile.
                with contextlib.suppress(OSError):
                    work.rename(place)
                shutil.rmtree(work, ignore_errors=True)
                return
            shutil.rmtree(work)
        raise _none_fits(self.config)


def _none_fits(config: TrainConfig) -> PolicyError:
    return PolicyError(
        f"no network could be generated that fits {config.max_groups} groups and {config.max_stages} stages "
        f"({ATTEMPTS} attempts): raise max_groups or max_stages"
    )


def with_dead_detectors(scenario: Scenario, seed: int, config: TrainConfig) -> Scenario:
    """The scenario with the share of dead detectors that the seed draws, none in the other episodes."""
    chance = random.Random(f"dead {seed}")
    if config.dead[1] <= 0.0 or chance.random() >= config.dead_episodes:
        return scenario
    return replace(scenario, faults=SensorFaults(dead_share=chance.uniform(*config.dead), seed=seed))


def own_network(seed: int, config: TrainConfig) -> Scenario:
    """One of the project's own scenarios, over a window of an episode's length drawn from the seed."""
    return a_window(load_scenario(random.Random(f"which {seed}").choice(config.own)), seed, config)


def a_window(scenario: Scenario, seed: int, config: TrainConfig) -> Scenario:
    """A part of a scenario, an episode long, that begins where the seed says."""
    chance = random.Random(f"window {seed}")
    begin = chance.randint(scenario.begin, max(scenario.begin, scenario.end - config.episode_s))
    return scenario.between(begin, min(begin + config.episode_s, scenario.end))


def make_network(seed: int, config: TrainConfig, folder: Path) -> Scenario:
    """The network of a seed under this configuration."""
    chance = random.Random(f"network {seed}")
    kind = chance.choice(config.kinds) if config.kinds else None
    full = chance.uniform(*config.fullness)
    # What is new is drawn last: the networks of earlier configurations stay what they were.
    names = ("crossings", "all_stages", "shared_lefts", "fans", "rights", "light")
    drawn = {name: chance.random() < getattr(config, name) for name in names}
    return generate_network(
        seed,
        folder,
        kind=kind,
        signals=config.slots,
        fullness=chance.uniform(*LIGHT) if drawn.pop("light") else full,
        duration=config.episode_s,
        **drawn,
    )


def _fitting(seed: int, config: TrainConfig, folder: Path) -> bool:
    """Make the network of a seed; False when it does not fit, or nothing can be made of the seed."""
    try:
        return fits(make_network(seed, config, folder), config)
    except ScenarioError:
        return False


def fits(scenario: Scenario, config: TrainConfig) -> bool:
    """Whether every junction fits the training layout."""
    plans = plans_of(scenario).plans.values()
    return all(
        len(plan.groups) <= config.max_groups and len(plan.stages) <= config.max_stages for plan in plans
    )


def validation_networks(config: TrainConfig, folder: Path) -> list[Scenario]:
    """The networks on which checkpoints are compared: the same for every training seed.

    A run on one scenario is compared on the whole of it, with traffic seeds of its own.
    """
    if config.scenario:
        return [load_scenario(config.scenario)] * config.validation_networks
    seeds = range(VALIDATION_SEED, VALIDATION_SEED + ATTEMPTS * config.validation_networks)
    fitting = (seed for seed in seeds if _fitting(seed, config, folder / str(seed)))
    found = list(islice(fitting, config.validation_networks))
    if len(found) < config.validation_networks:
        raise _none_fits(config)
    return [
        with_dead_detectors(load_scenario(folder / str(seed) / "scenario.toml"), seed, config)
        for seed in found
    ]
