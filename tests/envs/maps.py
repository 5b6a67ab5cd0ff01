"""The maps the environment tests run on, and drivers that choose at random what is allowed."""

from __future__ import annotations

import hashlib
import random

import pytest

from stopline_envs.network import NetworkRun
from stopline_envs.scenario import Scenario, load_scenario
from stopline_signals.errors import ScenarioError

RESCO = (
    "cologne1",
    "cologne3",
    "cologne8",
    "ingolstadt1",
    "ingolstadt7",
    "ingolstadt21",
    "grid4x4",
    "arterial4x4",
)
WHEEL = ("fkk_in", "rilsa1", "rilsa2", "rilsa3", "rilsa4")
OWN = ("single", "arterial")


def scenario_or_skip(name: str, seconds: int | None = None) -> Scenario:
    """A built-in scenario, cut to its first seconds; skips the test where its wheel is not installed."""
    try:
        scenario = load_scenario(name)
    except ScenarioError as error:
        pytest.skip(str(error))
    return scenario if seconds is None else scenario.between(end=scenario.begin + seconds)


def bits(mask: int) -> list[int]:
    """The stages of a mask."""
    return [stage for stage in range(mask.bit_length()) if mask >> stage & 1]


def drive(run: NetworkRun, seed: int, seconds: int = 5) -> str:
    """Run a scenario to its end under random allowed stages; a hash of everything seen on the way."""
    rng = random.Random(seed)
    views = run.reset(seed)
    seen = hashlib.sha256()
    while not run.done:
        seen.update(repr([(view.state, view.readings) for view in views]).encode())
        run.advance([rng.choice(bits(view.allowed)) for view in views], seconds)
        views = run.views()
    seen.update(repr(run.traffic).encode())
    return seen.hexdigest()


def short_arterial() -> Scenario:
    scenario = load_scenario("arterial")
    return scenario.between(end=scenario.begin + 60)


def changing_length(seed: int) -> Scenario:
    """A source: another length for every seed."""
    scenario = load_scenario("single")
    return scenario.between(end=scenario.begin + 30 + 10 * (seed % 3))


def broken_source(seed: int) -> Scenario:
    raise ValueError(f"no network for seed {seed}")
