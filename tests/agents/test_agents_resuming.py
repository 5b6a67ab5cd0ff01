"""A run goes on only as it was begun, does nothing when it is spent, and bad settings cost it nothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from stopline_agents.training.config import TrainConfig, config_from_table
from stopline_agents.training.journal import Journal
from stopline_agents.training.limits import BOUNDS, PAIRS
from stopline_agents.training.resuming import check_same_run, is_spent
from stopline_agents.training.train import OF_A_RUN, train
from stopline_signals.errors import PolicyError, StoplineError


def folder_of(path: Path, **told: Any) -> Journal:
    journal = Journal(path)
    journal.write("config.json", TrainConfig().to_table())
    journal.write("state.json", {"decisions": 1000, "wall_s": 90.0, **told})
    journal.replace("best.pt", b"a network")
    journal.replace("checkpoint.zip", b"a learner")
    return journal


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("config", "spent"),
    [
        (TrainConfig(decisions=1001), False),
        (TrainConfig(decisions=1000), True),
        (TrainConfig(decisions=5000, minutes=1.5), True),
        (TrainConfig(decisions=5000, minutes=1.6), False),
    ],
)
def test_a_run_is_spent_by_decisions_or_by_time(tmp_path: Path, config: TrainConfig, spent: bool) -> None:
    journal = folder_of(tmp_path)
    assert is_spent(config, journal) == spent
    if spent:
        before = files_of(tmp_path)
        assert train(config, tmp_path, resume=True) == journal.best
        assert files_of(tmp_path) == before
    journal.best.unlink()
    assert not is_spent(config, journal)


def test_a_run_does_not_go_on_with_other_settings(tmp_path: Path) -> None:
    journal = folder_of(tmp_path)
    check_same_run(TrainConfig(decisions=7, minutes=3.0, workers=1, learning_rate=1e-4), journal)
    before = files_of(tmp_path)
    with pytest.raises(PolicyError, match=r"n_steps \(was 128, is 32\), gamma \(was 0.985, is 0.5\)"):
        train(TrainConfig(n_steps=32, gamma=0.5), tmp_path, resume=True)
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("start", ["itself", "nowhere"])
def test_a_start_that_is_none_leaves_the_folder_as_it_was(tmp_path: Path, start: str) -> None:
    folder_of(tmp_path)
    before = files_of(tmp_path)
    with pytest.raises(StoplineError, match=r"own folder|nowhere"):
        train(TrainConfig(start=str(tmp_path) if start == "itself" else start), tmp_path)
    assert files_of(tmp_path) == before


def test_a_fresh_run_keeps_nothing_of_the_last_one(tmp_path: Path) -> None:
    folder_of(tmp_path)
    for name in ("networks", "lessons", "validation"):
        (tmp_path / name / "0").mkdir(parents=True)
    small = TrainConfig(decisions=0, teacher="", validation_networks=0, slots=3, workers=1, episode_s=120)
    train(small, tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert not left & {"networks", "lessons", "validation", *OF_A_RUN} - {"history.json"}


@pytest.mark.parametrize("name", BOUNDS)
def test_a_number_out_of_bounds_is_named(name: str) -> None:
    least, most = BOUNDS[name]
    whole = isinstance(getattr(TrainConfig(), name), int)
    for value in (least - 1, *(() if math.isinf(most) else (most + 1,)), *(() if whole else (math.nan,))):
        with pytest.raises(PolicyError, match=f"here: {name} must be"):
            config_from_table({name: int(value) if whole else float(value)}, "here")


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("value", [[0.5], [0.1, 0.2, 0.3], [0.7, 0.3], [0.1, 3.0], ["a", "b"], [[0.1], 0.2]])
def test_a_range_that_is_none_is_named(name: str, value: list[object]) -> None:
    with pytest.raises(PolicyError, match=f"here: {name} must be two numbers"):
        config_from_table({name: value}, "here")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kinds": ["moon"]}, "kinds may hold grid, town"),
        ({"kinds": [1]}, "kinds may hold"),
        ({"teacher": "nobody"}, "teacher must be one of fixed"),
        ({"reward": "money"}, "reward: .*money"),
        ({"own_share": 0.5}, "own_share needs scenarios"),
        ({"slots": 0, "workers": 0}, "workers must be .*; slots must be"),
    ],
)
def test_every_fault_is_told_at_once_and_by_name(table: dict[str, object], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        config_from_table(table, "here")
