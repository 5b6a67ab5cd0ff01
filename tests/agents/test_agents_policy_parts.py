"""The parts that the shipped policy's training is made of can be read, and follow from one another."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from stopline_agents.training.config import TrainConfig, load_config


def parts(root: Path) -> list[TrainConfig]:
    return [load_config(path) for path in sorted((root / "agents/policy").glob("*.toml"))]


def test_every_part_can_be_read_and_learns_a_hundred_minutes_in_all_at_most(root: Path) -> None:
    configs = parts(root)
    assert len(configs) == 3
    assert all(config.minutes > 0 for config in configs)
    assert sum(config.minutes for config in configs) <= 100
    assert not any(config.scenario or config.own for config in configs), "no map of any city, nor one of ours"


def test_the_layout_stays_the_same_so_that_weights_fit(root: Path) -> None:
    assert len({(config.max_groups, config.max_stages) for config in parts(root)}) == 1


@pytest.fixture
def town(root: Path, tmp_path: Path) -> Path:
    """A copy of script and parts, with a stopline that writes down how it is called."""
    for name in ("scripts", "agents/policy"):
        (tmp_path / name).mkdir(parents=True)
    script = tmp_path / "scripts/train-policy"
    script.write_bytes((root / "scripts/train-policy").read_bytes())
    script.chmod(0o755)
    fake = tmp_path / ".venv/bin/stopline"
    fake.parent.mkdir(parents=True)
    fake.write_text('#!/bin/sh\necho "$@" >>calls\n[ "$2 $5" != "--config ${FAIL:-}" ]\n')
    fake.chmod(0o755)
    return tmp_path


def calls_of(town: Path, seed: str) -> list[str]:
    return [line for line in (town / "calls").read_text().splitlines() if f"--seed {seed} " in line]


def test_the_script_trains_each_seed_in_order_and_has_them_vote(town: Path) -> None:
    subprocess.run([town / "scripts/train-policy"], check=True, timeout=30)
    for seed in "12":
        names = [call.split("agents/policy/")[1].split(".toml")[0] for call in calls_of(town, seed)]
        assert names == ["1-broad", "2-fans", "3-rights"]
        starts = [call.partition("--start ")[2] for call in calls_of(town, seed)]
        assert starts == ["", f"runs/policy/1-broad-{seed}", f"runs/policy/2-fans-{seed}"]
    last = (town / "calls").read_text().splitlines()[-1]
    assert last.startswith("export runs/policy/3-rights-1 --vote runs/policy/3-rights-2")


@pytest.mark.parametrize("seed", ["1", "2"])
def test_a_seed_that_fails_fails_the_script_and_nothing_is_exported(town: Path, seed: str) -> None:
    done = subprocess.run(
        [town / "scripts/train-policy"], check=False, timeout=30, env={"FAIL": seed, "PATH": "/usr/bin:/bin"}
    )
    assert done.returncode != 0
    assert "export" not in (town / "calls").read_text()
