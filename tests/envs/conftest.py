"""Fixtures of the environment tests."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stopline_envs.network import NetworkRun


@pytest.fixture
def running() -> Iterator[Callable[[NetworkRun], NetworkRun]]:
    """Registers runs to close when the test is over, also when it failed."""
    runs: list[NetworkRun] = []

    def register(run: NetworkRun) -> NetworkRun:
        runs.append(run)
        return run

    yield register
    for run in runs:
        run.close()


@pytest.fixture(scope="session")
def game() -> Path:
    """The SUMO wheel's own small networks."""
    spec = importlib.util.find_spec("sumo")
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "tools" / "game"
