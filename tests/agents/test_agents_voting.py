"""A vote of networks is one network: the mean of their scores, exported and served like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from stopline_agents.export import check_parity, to_onnx
from stopline_agents.network import NetworkShape, StageScorer, resized, scorer_of, shape_of
from stopline_agents.training.averaging import weights_of
from stopline_agents.training.config import TrainConfig
from stopline_agents.training.journal import Journal
from stopline_agents.training.provenance import export_run
from stopline_agents.voting import voting
from stopline_policy.bundle import read_bundle
from stopline_policy.signing import load_or_create_key
from stopline_signals.errors import PolicyError
from stopline_signals.observation import ObservationLayout

SMALL = ObservationLayout(12, 6)
SHAPES = (NetworkShape(), NetworkShape(row=16, stage=20, score=8), NetworkShape(row=8))


def members(count: int) -> list[StageScorer]:
    made: list[StageScorer] = []
    for number, shape in enumerate(SHAPES[:count]):
        torch.manual_seed(number)
        made.append(StageScorer(SMALL, shape).eval())
    return made


def some(layout: ObservationLayout) -> torch.Tensor:
    rows = torch.rand(64, layout.size, generator=torch.Generator().manual_seed(3))
    rows[:, layout.mask] = (rows[:, layout.mask] > 0.3).to(rows.dtype)
    rows[:, layout.mask.start] = 1.0
    return rows


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_vote_scores_the_mean_of_its_members(count: int) -> None:
    voters, rows = members(count), some(SMALL)
    with torch.inference_mode():
        joint = voting(voters)(rows)
        apart = torch.stack([voter(rows) for voter in voters]).mean(0)
    open_ = rows[:, SMALL.mask] > 0.5
    torch.testing.assert_close(joint[open_], apart[open_], rtol=1e-5, atol=1e-5)
    assert (joint[~open_] < -1e8).all()


def test_a_vote_differs_from_each_of_its_members() -> None:
    voters, rows = members(2), some(SMALL)
    with torch.inference_mode():
        joint = voting(voters)(rows).argmax(1)
        assert all((joint != voter(rows).argmax(1)).any() for voter in voters)


def test_networks_of_different_layouts_do_not_vote() -> None:
    with pytest.raises(ValueError, match="one layout"):
        voting([members(1)[0], StageScorer(ObservationLayout(10, 6))])
    with pytest.raises(ValueError, match="one layout"):
        voting([])


def test_a_vote_is_exported_and_its_widths_are_told_by_its_weights() -> None:
    joint = voting(members(2))
    again = scorer_of(joint.state_dict(), SMALL)
    assert shape_of(joint.state_dict()) == joint.shape == again.shape == NetworkShape(48, 68, 40)
    full = resized(joint, ObservationLayout()).eval()
    rows = np.asarray(some(full.layout).numpy(), np.float32)
    assert check_parity(full, to_onnx(full), rows).other_choices == 0


def run_folder(path: Path, seed: int, interval: int = 2) -> Path:
    """A run's folder with a network nobody trained."""
    config = TrainConfig(seed=seed, max_groups=12, max_stages=6, decision_interval=interval)
    journal = Journal(path)
    journal.write("config.json", config.to_table())
    torch.manual_seed(seed)
    journal.replace(journal.best.name, weights_of(StageScorer(SMALL)))
    np.savez(journal.observations, observations=some(SMALL).numpy())
    return path


def test_a_bundle_of_two_runs_names_both(tmp_path: Path) -> None:
    key = load_or_create_key(tmp_path / "key.pem")
    first, second = run_folder(tmp_path / "a", 1), run_folder(tmp_path / "b", 2)
    export_run(first, tmp_path / "out", key, votes=[second])
    bundle = read_bundle(tmp_path / "out", [key.public_key()])
    training = bundle.manifest.training
    assert training["config"]["seed"] == 1
    assert [vote["config"]["seed"] for vote in training["votes"]] == [2]


def test_runs_that_decide_at_other_intervals_do_not_vote(tmp_path: Path) -> None:
    first = run_folder(tmp_path / "a", 1)
    second = run_folder(tmp_path / "b", 2, interval=5)
    with pytest.raises(PolicyError, match="decision_interval 5"):
        export_run(first, tmp_path / "out", load_or_create_key(tmp_path / "key.pem"), votes=[second])


def test_a_policy_may_decide_at_another_interval_than_it_was_trained_at(tmp_path: Path) -> None:
    key = load_or_create_key(tmp_path / "key.pem")
    export_run(run_folder(tmp_path / "a", 1), tmp_path / "out", key, interval=1)
    manifest = read_bundle(tmp_path / "out", [key.public_key()]).manifest
    assert manifest.decision_interval == 1.0
    assert manifest.training["config"]["decision_interval"] == 2
