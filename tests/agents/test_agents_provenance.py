"""What a bundle tells about its making reaches back to the first run."""

from __future__ import annotations

from pathlib import Path

from stopline_agents.training.config import TrainConfig
from stopline_agents.training.journal import Journal
from stopline_agents.training.provenance import provenance


def run_at(folder: Path, *, seed: int, wall_s: float, start: str = "") -> Journal:
    journal = Journal(folder)
    journal.write("config.json", TrainConfig(seed=seed, start=start).to_table())
    journal.point({"decisions": 1, "wall_s": wall_s})
    return journal


def test_a_run_from_nothing_has_no_history(tmp_path: Path) -> None:
    assert "history" not in provenance(run_at(tmp_path / "a", seed=1, wall_s=60.0), "")


def test_a_run_tells_all_it_goes_on_from_oldest_first(tmp_path: Path) -> None:
    run_at(tmp_path / "a", seed=1, wall_s=60.0)
    run_at(tmp_path / "b", seed=2, wall_s=120.0, start=str(tmp_path / "a"))
    last = run_at(tmp_path / "c", seed=3, wall_s=30.0, start=str(tmp_path / "b"))
    told = provenance(last, "")
    assert [part["config"]["seed"] for part in told["history"]] == [1, 2]
    assert [part["wall_s"] for part in told["history"]] == [60.0, 120.0]
    assert told["wall_s"] == 30.0


def test_a_start_that_is_a_bundle_is_no_run(tmp_path: Path) -> None:
    assert "history" not in provenance(run_at(tmp_path / "a", seed=1, wall_s=1.0, start="bundle"), "")
