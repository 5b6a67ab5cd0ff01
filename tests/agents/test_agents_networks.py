"""Which networks a training run draws."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from stopline_agents.training import networks
from stopline_agents.training.config import TrainConfig
from stopline_agents.training.networks import LIGHT, make_network, validation_networks
from stopline_signals.errors import PolicyError

CONFIG = TrainConfig(slots=3, episode_s=120, fullness=(0.6, 0.9), crossings=0.0, max_groups=20, max_stages=8)


def critical_flow(folder: Path) -> float:
    found = re.search(r"critical flow ratio ([0-9.]+)", (folder / "scenario.toml").read_text())
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize(("light", "bounds"), [(0.0, CONFIG.fullness), (1.0, LIGHT)])
def test_streets_at_night_are_as_empty_as_they_should_be(
    tmp_path: Path, light: float, bounds: tuple[float, float]
) -> None:
    for seed in range(2):
        make_network(seed, replace(CONFIG, light=light), tmp_path / str(seed))
        assert bounds[0] - 0.05 <= critical_flow(tmp_path / str(seed)) <= bounds[1] + 0.05


def test_what_was_drawn_before_stays_when_new_kinds_of_street_are_not_asked_for(tmp_path: Path) -> None:
    shape = replace(CONFIG, shared_lefts=0.5, all_stages=0.5)
    nets = [
        make_network(4, config, tmp_path / str(number)).net.read_bytes()
        for number, config in enumerate((shape, replace(shape, light=1e-9), replace(shape, rights=1.0)))
    ]
    assert nets[0] == nets[1] != nets[2]


def test_validation_that_finds_no_network_ends_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "ATTEMPTS", 2)
    with pytest.raises(PolicyError, match="raise max_groups or max_stages"):
        validation_networks(replace(CONFIG, max_groups=1, validation_networks=1), tmp_path)
