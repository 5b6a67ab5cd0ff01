"""What a bundle tells about its making reaches back to the first run, and to every map."""

from __future__ import annotations

from pathlib import Path

import pytest

from stopline_agents.network import StageScorer
from stopline_agents.training.averaging import weights_of
from stopline_agents.training.config import TrainConfig
from stopline_agents.training.history import HISTORY, history_of
from stopline_agents.training.journal import Journal
from stopline_agents.training.provenance import provenance
from stopline_agents.training.start import SHIPPED_NAME
from stopline_signals.errors import StoplineError
from stopline_signals.observation import ObservationLayout


def run_at(folder: Path, *, seed: int, wall_s: float, start: str = "", scenario: str = "") -> Journal:
    """A run's folder as `train` begins and leaves it, with a network nobody trained."""
    history = history_of(start, folder)
    journal = Journal(folder)
    journal.write(HISTORY, {"parts": history})
    journal.write("config.json", TrainConfig(seed=seed, start=start, scenario=scenario).to_table())
    journal.replace(journal.best.name, weights_of(StageScorer(ObservationLayout(12, 6))))
    journal.point({"decisions": 1, "wall_s": wall_s})
    return journal


def test_a_run_from_nothing_has_no_history(tmp_path: Path) -> None:
    assert "history" not in provenance(run_at(tmp_path / "a", seed=1, wall_s=60.0), "")


def test_a_run_tells_all_it_goes_on_from_oldest_first(tmp_path: Path) -> None:
    run_at(tmp_path / "a", seed=1, wall_s=60.0)
    run_at(tmp_path / "b", seed=2, wall_s=120.0, start=str(tmp_path / "a"))
    last = run_at(tmp_path / "c", seed=3, wall_s=30.0, start=str(tmp_path / "b"))
    run_at(tmp_path / "a", seed=99, wall_s=1.0)  # trained anew since
    told = provenance(last, "")
    assert [part["config"]["seed"] for part in told["history"]] == [1, 2]
    assert [part["wall_s"] for part in told["history"]] == [60.0, 120.0]
    assert told["wall_s"] == 30.0
    assert "no public map was trained on" in told["networks"]


def test_a_map_of_any_part_or_voter_is_not_unseen(tmp_path: Path) -> None:
    run_at(tmp_path / "a", seed=1, wall_s=60.0, scenario="cologne8")
    further = run_at(tmp_path / "b", seed=2, wall_s=60.0, start=str(tmp_path / "a"))
    assert "cologne8: not unseen" in provenance(further, "")["networks"]
    apart = run_at(tmp_path / "c", seed=3, wall_s=60.0)
    voted = provenance(apart, "", [further.folder])
    assert "cologne8: not unseen" in voted["networks"]
    assert [vote["config"]["seed"] for vote in voted["votes"]] == [2]


def test_a_bundle_to_start_from_tells_its_own_making(tmp_path: Path) -> None:
    last = run_at(tmp_path / "a", seed=5, wall_s=1.0, start=SHIPPED_NAME)
    history = provenance(last, "")["history"]
    assert history[-1]["config"]["seed"] != 5 and history[-1]["wall_s"] > 60


@pytest.mark.parametrize("start", ["", "nowhere"])
def test_a_run_cannot_start_from_itself_or_from_nowhere(tmp_path: Path, start: str) -> None:
    folder = tmp_path / "run"
    journal = run_at(folder, seed=1, wall_s=60.0)
    with pytest.raises(StoplineError, match=r"own folder|nowhere"):
        history_of(start or str(folder), folder)
    assert journal.best.is_file()
