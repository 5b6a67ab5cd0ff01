"""The bundle that comes with Stopline can be trusted, runs, and says how it was made."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from stopline_agents.export import check_parity
from stopline_agents.network import StageScorer
from stopline_agents.training.start import shape_at, start_from
from stopline_policy import BundlePolicy, check_policy, read_bundle
from stopline_policy.bundle import SHIPPED, Bundle
from stopline_policy.card import card
from stopline_policy.inference import Floats, Scorer
from stopline_policy.sample_plans import sample_plans
from stopline_policy.signing import PROJECT_KEYS, load_public_key
from stopline_signals.observation import ObservationLayout


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    keys = [load_public_key(path) for path in PROJECT_KEYS.glob("*.pub.pem")]
    return read_bundle(SHIPPED, keys)


def test_it_is_signed_with_a_key_of_the_project_alone(bundle: Bundle) -> None:
    assert bundle.manifest.name == "universal"
    for plan in sample_plans():
        bundle.check_feeds(plan)


def test_it_keeps_the_contract_of_the_seam(bundle: Bundle) -> None:
    check_policy(BundlePolicy(bundle), seconds=600)


def test_it_says_how_it_was_made(bundle: Bundle) -> None:
    training = bundle.manifest.training
    assert training["config"]["seed"] >= 0
    assert training["wall_s"] > 0
    assert training["parity"]["other_choices"] == 0
    assert "no public map" in training["networks"]


def test_it_is_small_and_fast(bundle: Bundle) -> None:
    assert len(bundle.model) < 1_000_000
    size, stages = bundle.manifest.observation_size, bundle.manifest.max_stages
    scorer = Scorer(bundle.model, size, stages)
    scorer.observations[:] = np.random.default_rng(1).random(scorer.observations.shape)
    times = []
    for _ in range(200):
        began = time.perf_counter()
        scorer.run(1)
        times.append(time.perf_counter() - began)
    # A generous limit for a busy machine: the benchmark holds the real one.
    assert sorted(times)[100] < 0.002


def test_verify_accepts_it() -> None:
    from stopline_cli.main import app

    done = CliRunner().invoke(app, ["bundle", "verify", "--json"])
    assert done.exit_code == 0, done.output


def test_it_can_be_trained_further() -> None:
    scorer = StageScorer(ObservationLayout(), shape_at("bundle"))
    start_from("bundle", scorer)
    bundle = read_bundle(SHIPPED)
    seen: Floats = np.random.default_rng(1).random((64, bundle.manifest.observation_size), np.float32)
    assert check_parity(scorer.eval(), bundle.model, seen).other_choices == 0


def test_its_model_names_no_folder_of_any_machine(bundle: Bundle) -> None:
    assert re.findall(rb"(?:/[\w.-]+){2,}", bundle.model) == []


def test_its_card_states_the_table_of_the_readme(bundle: Bundle, root: Path) -> None:
    table = json.loads((root / "benchmarks" / "results" / "policies.json").read_text())
    assert table["bundle"]["policy.onnx"] == bundle.manifest.files["policy.onnx"].sha256
    text = card(bundle)
    for name, row in table["maps"].items():
        found = row["bundle"]["delay_s"]
        low, high = found["ci95"]
        assert f"{found['mean']:.1f} ({low:.1f} to {high:.1f})" in text, name
