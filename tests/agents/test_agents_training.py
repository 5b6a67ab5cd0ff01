"""Imitation, PPO, checkpoints, resume after a kill, export: the chain on real small networks."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stopline_agents.network import NetworkShape, StageScorer
from stopline_agents.queues import QueueConfig, QueueVecEnv
from stopline_agents.torch_policy import TorchPolicy
from stopline_agents.training.config import TrainConfig, load_config
from stopline_agents.training.imitation import collect_lessons, imitate
from stopline_agents.training.learner import actor_of, make_learner
from stopline_agents.training.networks import with_dead_detectors
from stopline_agents.training.provenance import export_run
from stopline_agents.training.start import start_from
from stopline_agents.training.train import read_run, train
from stopline_envs.scenario import load_scenario
from stopline_policy import BundlePolicy, check_policy, read_bundle
from stopline_policy.signing import load_or_create_key
from stopline_signals.errors import PolicyError
from stopline_signals.observation import ObservationLayout

SMALL: dict[str, object] = {
    "decisions": 512,
    "workers": 1,
    "slots": 3,
    "episode_s": 120,
    "imitation_runs": 1,
    "imitation_epochs": 1,
    "n_steps": 32,
    "batch_size": 48,
    "critic_warmup": 1,
    "validation_networks": 1,
    "validation_every": 256,
    "checkpoint_every": 96,
    "crossings": 0.0,
}


def write_toml(path: Path, table: dict[str, object]) -> Path:
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items()))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run, trained to its end."""
    folder = tmp_path_factory.mktemp("run")
    config = load_config(write_toml(folder / "config.toml", SMALL))
    train(config, folder / "run")
    return folder / "run"


def test_episodes_have_the_share_of_dead_detectors_that_their_seed_draws() -> None:
    street = load_scenario("single")
    config = TrainConfig(dead=(0.1, 0.3), dead_episodes=0.4)
    drawn = [with_dead_detectors(street, seed, config) for seed in range(300)]
    shares = [scenario.faults.dead_share for scenario in drawn if scenario.faults is not None]
    assert 0.3 < len(shares) / len(drawn) < 0.5
    assert all(0.1 <= share <= 0.3 for share in shares)
    assert max(shares) - min(shares) > 0.15
    assert drawn[7] == with_dead_detectors(street, 7, config)


def test_no_detector_is_dead_unless_asked_for() -> None:
    street = load_scenario("single")
    assert all(with_dead_detectors(street, seed, TrainConfig()) is street for seed in range(50))


def test_a_run_leaves_everything_needed_to_judge_and_repeat_it(finished: Path) -> None:
    recorded = json.loads((finished / "config.json").read_text())
    assert recorded["seed"] == 1 and recorded["decisions"] == 512
    with (finished / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["decisions"]) for row in rows] == sorted(int(row["decisions"]) for row in rows)
    validated = [float(row["validation_score"]) for row in rows if row["validation_score"]]
    assert len(validated) >= 3
    best = json.loads((finished / "best.json").read_text())
    assert best["score"] == pytest.approx(min(validated))
    assert list((finished / "tb").glob("events*"))


def test_a_run_exports_to_a_bundle_that_decides_like_its_network(finished: Path, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    parity = export_run(finished, tmp_path / "b", key, command="stopline export")
    assert parity.observations > 50 and parity.worst <= 1e-5 and parity.other_choices == 0
    bundle = read_bundle(tmp_path / "b", [key.public_key()])
    assert bundle.manifest.training["config"]["seed"] == 1
    assert bundle.manifest.training["wall_s"] > 0
    assert b"stack_trace" not in bundle.model and b"network.py" not in bundle.model
    check_policy(BundlePolicy(bundle))


def test_training_goes_on_from_a_run_or_from_a_bundle(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    export_run(finished, tmp_path / "b", load_or_create_key())
    _, trained = read_run(finished)
    for source in (finished, tmp_path / "b"):
        network = StageScorer(ObservationLayout(20, 8))
        start_from(str(source), network)
        for name, value in network.state_dict().items():
            torch.testing.assert_close(value, trained.state_dict()[name])
    other = StageScorer(ObservationLayout(20, 8), NetworkShape(row=16))
    with pytest.raises(PolicyError, match="another shape"):
        start_from(str(tmp_path / "b"), other)


def test_a_folder_without_a_network_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="holds no trained network"):
        read_run(tmp_path)


def test_a_killed_run_resumes_from_its_checkpoint(tmp_path: Path) -> None:
    table = {**SMALL, "decisions": 100_000, "validation_networks": 0, "teacher": ""}
    config = write_toml(tmp_path / "config.toml", table)
    folder = tmp_path / "run"
    code = (
        "import sys; from pathlib import Path\n"
        "from stopline_agents.training.config import load_config\n"
        "from stopline_agents.training.train import train\n"
        "if __name__ == '__main__': train(load_config(Path(sys.argv[1])), Path(sys.argv[2]))"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, str(script), str(config), str(folder)], env=environment)
    try:
        _wait_for(folder / "state.json", process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = json.loads((folder / "state.json").read_text())
    assert 96 <= before["decisions"] < 100_000
    train(load_config(config, decisions=before["decisions"] + 96), folder, resume=True)
    after = json.loads((folder / "state.json").read_text())
    assert before["decisions"] + 96 <= after["decisions"] < before["decisions"] + 96 + 3 * 32
    assert after["restarts"] == 1
    assert after["wall_s"] > before["wall_s"]


def test_a_fresh_start_forgets_the_folder_s_earlier_run(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder, ignore=shutil.ignore_patterns("networks", "lessons", "tb"))
    train(load_config(None, **(SMALL | {"decisions": 0, "teacher": ""})), folder)
    assert not (folder / "curve.csv").exists()
    with pytest.raises(PolicyError, match="holds no trained network"):
        read_run(folder)


def test_imitation_learns_the_teacher(tmp_path: Path) -> None:
    config = TrainConfig(
        slots=3, episode_s=400, imitation_runs=3, imitation_epochs=120, teacher="greedy", decision_interval=5
    )
    lessons = collect_lessons(config, tmp_path)
    open_ = lessons.observations[:, ObservationLayout(20, 8).mask].sum(1)
    assert (open_ > 1).all(), "moments without a choice teach nothing"
    agreement = imitate(StageScorer(ObservationLayout(20, 8)), lessons, config)
    assert agreement[-1] > agreement[0] + 0.05


def test_ppo_learns_on_the_street_without_sumo() -> None:
    config = TrainConfig(
        max_groups=12, max_stages=6, n_steps=32, batch_size=256, learning_rate=3e-3, entropy=0.0, gamma=0.9
    )
    street = QueueVecEnv(QueueConfig(flow=(0.02, 0.08), episode_s=300), slots=16)
    learner = make_learner(config, street)
    untrained = _reward(actor_of(learner), street)
    learner.learn(16 * 32 * 16)
    assert _reward(actor_of(learner), street) > untrained * 0.85


@pytest.mark.parametrize(
    ("table", "message"),
    [({"sead": 1}, "unknown field 'sead'"), ({"seed": "one"}, "seed"), ({"gamma": "high"}, "gamma")],
)
def test_a_wrong_configuration_is_explained(tmp_path: Path, table: dict[str, object], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        load_config(write_toml(tmp_path / "config.toml", table))


def test_options_win_over_the_file(tmp_path: Path) -> None:
    path = write_toml(tmp_path / "config.toml", {"seed": 3, "gamma": 1, "fullness": [0.1, 0.2]})
    config = load_config(path, seed=9, decisions=None)
    assert (config.seed, config.gamma, config.fullness) == (9, 1.0, (0.1, 0.2))


def test_a_network_in_training_keeps_the_contract() -> None:
    check_policy(TorchPolicy(StageScorer(ObservationLayout(12, 6)), 2.0))


def _reward(actor: StageScorer, street: QueueVecEnv) -> float:
    """Mean reward of the best-scored stages over one episode, the same traffic each time."""
    fresh = QueueVecEnv(street.config, slots=16)
    observations = fresh.reset()
    total = 0.0
    for _ in range(street.config.episode_s // street.config.decision_interval):
        with torch.inference_mode():
            actions = actor(torch.as_tensor(np.asarray(observations))).argmax(1).numpy()
        fresh.step_async(actions)
        observations, rewards, _, _ = fresh.step_wait()
        total += float(rewards.mean())
    return total


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 50
    while not path.is_file():
        assert process.poll() is None, "training ended before its first checkpoint"
        assert time.monotonic() < deadline, "no checkpoint in time"
        time.sleep(0.1)
