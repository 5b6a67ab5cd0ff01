"""Training the shipped policy further on one network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stopline_agents.network import StageScorer
from stopline_agents.statistics import estimate
from stopline_agents.training.averaging import weights_of
from stopline_agents.training.config import TrainConfig
from stopline_agents.training.confirming import REJECTED, Confirmation, confirm
from stopline_agents.training.finetune import finetune_config, interval_of, write_scenario
from stopline_agents.training.journal import Journal
from stopline_agents.training.networks import GeneratedNetworks, validation_networks
from stopline_agents.training.provenance import provenance
from stopline_agents.training.start import shape_at, start_from, temper
from stopline_agents.training.train import train
from stopline_envs.scenario import load_scenario
from stopline_signals.errors import BundleError, PolicyError
from stopline_signals.observation import ObservationLayout


@pytest.fixture
def earlier(tmp_path: Path) -> str:
    """The folder of an earlier run."""
    journal = Journal(tmp_path / "earlier")
    journal.write("config.json", TrainConfig(decision_interval=3).to_table())
    journal.replace(journal.best.name, weights_of(StageScorer(ObservationLayout(20, 8))))
    return str(journal.folder)


def test_settings_fit_the_network(earlier: str) -> None:
    one, many = finetune_config("single"), finetune_config("arterial")
    assert (one.slots, many.slots) == (1, 9)
    assert one.workers * one.slots * one.n_steps <= 2 * many.workers * many.slots * many.n_steps
    assert one.interval == many.interval == interval_of("bundle") == 1
    assert one.decision_interval == many.decision_interval == interval_of("bundle", training=True) == 2
    assert finetune_config("single", start=earlier).decision_interval == 3
    with pytest.raises(BundleError):
        finetune_config("single", start="no/such/bundle")


def test_episodes_are_windows_of_the_scenario_and_validation_is_all_of_it() -> None:
    config = replace(finetune_config("single"), episode_s=600)
    windows = [GeneratedNetworks(config, Path("unused"))(seed) for seed in range(20)]
    whole = load_scenario("single")
    assert {window.duration for window in windows} == {600}
    assert len({window.begin for window in windows}) > 5
    assert validation_networks(config, Path("unused")) == [whole] * 4


def test_a_run_starts_from_a_policy_keeps_the_best_and_says_so(tmp_path: Path, earlier: str) -> None:
    single = load_scenario("single")
    write_scenario(single.net, list(single.routes), 0, 240, tmp_path / "mine.toml")
    config = replace(
        finetune_config(str(tmp_path / "mine.toml"), start=earlier, patience=1),
        workers=1,
        n_steps=64,
        episode_s=120,
        critic_warmup=0,
        validation_every=64,
        validation_networks=1,
        decisions=2_000,
    )
    train(config, tmp_path / "run")
    journal = Journal(tmp_path / "run")
    points = journal.validated()
    assert len(points) >= 2
    assert journal.start.read_bytes() == Journal(Path(earlier)).best.read_bytes()
    assert journal.read("best.json")["score"] == pytest.approx(min(points)), "never worse than the start"
    assert "not unseen" in provenance(journal, "")["networks"]


def test_time_ends_a_run(tmp_path: Path, earlier: str) -> None:
    config = replace(
        finetune_config("single", start=earlier),
        minutes=0.001,
        workers=1,
        n_steps=64,
        episode_s=120,
        validation_networks=0,
        teacher="",
    )
    train(config, tmp_path / "run")
    journal = Journal(tmp_path / "run")
    assert journal.read("state.json")["decisions"] < 64
    before, after = (torch.load(path, weights_only=True) for path in (journal.start, journal.best))
    for name in ("score.weight", "score.bias"):
        assert torch.allclose(after[name] * config.temperature, before[name])


def test_a_warmer_network_decides_alike_and_is_less_sure() -> None:
    torch.manual_seed(3)
    layout = ObservationLayout(4, 4)
    network = StageScorer(layout)
    observations = torch.rand(50, layout.size)
    with torch.inference_mode():
        cold = network(observations)
        temper(network, 4)
        warm = network(observations)
    assert torch.equal(cold.argmax(1), warm.argmax(1))
    allowed = (observations[:, layout.mask] > 0.5).sum(1) > 1
    assert (torch.softmax(warm, 1).amax(1) < torch.softmax(cold, 1).amax(1))[allowed].all()


@pytest.fixture
def run(tmp_path: Path) -> Journal:
    """A run on four minutes of `single` from a network nobody trained to the shipped one."""
    single = load_scenario("single")
    write_scenario(single.net, list(single.routes), 0, 240, tmp_path / "mine.toml")
    journal = Journal(tmp_path / "run")
    journal.write("config.json", finetune_config(str(tmp_path / "mine.toml")).to_table())
    torch.manual_seed(0)
    trained = StageScorer(ObservationLayout(20, 8), shape_at("bundle"))
    journal.replace(journal.start.name, weights_of(trained))
    start_from("bundle", trained)
    journal.replace(journal.best.name, weights_of(trained))
    journal.write("best.json", {"decisions": 7})
    return journal


def test_a_network_that_is_better_on_other_traffic_is_kept(run: Journal) -> None:
    trained = run.best.read_bytes()
    told: list[int] = []
    found = confirm(run.folder, seeds=(5, 6, 7), report=lambda progress: told.append(progress.done))
    assert found.better
    assert found.trained.mean < found.start.mean
    assert found.jams == (0, 0)
    assert len(found.trained.per_seed) == 3
    assert (run.best.read_bytes(), told) == (trained, [1, 2, 3, 4, 5, 6])
    best = run.read("best.json")
    assert (best["decisions"], best["confirmation"]["better"]) == (7, True)
    assert provenance(run, "")["best"]["confirmation"]["seeds"] == [5, 6, 7]


def test_one_that_is_not_goes_and_stays_away(run: Journal) -> None:
    worse = run.start.read_bytes()
    run.replace(run.start.name, run.best.read_bytes())
    run.replace(run.best.name, worse)
    found = confirm(run.folder, seeds=(5, 6))
    assert not found.better
    assert run.best.read_bytes() == run.start.read_bytes()
    assert (run.folder / REJECTED).read_bytes() == worse
    best = run.read("best.json")
    assert (best["decisions"], best["refused"]["decisions"]) == (0, 7), "it tells of what is there"
    run.replace(run.best.name, worse)  # as a kill between the two writes leaves it
    assert confirm(run.folder, seeds=(5, 6)) == found, "compared once: what is there now is the start"
    assert run.best.read_bytes() == run.start.read_bytes()
    confirm(run.folder, seeds=(7, 8))
    assert (run.folder / REJECTED).read_bytes() == worse, (
        "the start, compared with itself, does not replace it"
    )
    assert run.read("best.json")["refused"] == {"decisions": 7}


def test_nothing_is_better_than_itself(run: Journal) -> None:
    run.replace(run.start.name, run.best.read_bytes())
    found = confirm(run.folder, seeds=(5, 6, 7))
    assert found.calm_difference is not None
    assert (found.calm_difference.mean, found.better) == (0, False)


@pytest.mark.parametrize(
    ("start", "trained", "better", "why"),
    [
        ((30, 31, 32, 33), (28, 29, 29, 31), True, "it is"),
        ((30, 31, 32, 33), (28, 29, 29, 80), False, "it jams, and the start does not"),
        ((30, 31, 90, 32, 33), (28, 29, 29, 31, 80), True, "both jam once"),
        ((30, 31, 500, 32, 33), (31, 30, 33, 31, 34), False, "one jam less is all there is to it"),
        ((30, 31, 32, 33), (20, 31, 32, 34), False, "it may be chance"),
        ((30, 90, 80, 31), (20, 21, 79, 90), False, "nearly all of it jams"),
    ],
)
def test_what_is_rare_does_not_hide_what_is_frequent(
    start: tuple[float, ...], trained: tuple[float, ...], better: bool, why: str
) -> None:
    assert Confirmation(start=estimate(start), trained=estimate(trained)).better is better, why


def test_a_run_without_a_start_has_nothing_to_be_compared_with(run: Journal) -> None:
    run.start.unlink()
    with pytest.raises(PolicyError, match="not begun from earlier weights"):
        confirm(run.folder)
