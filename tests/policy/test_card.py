"""The model card says what the signed manifest says."""

from __future__ import annotations

from dataclasses import replace

from stopline_policy.bundle import SHIPPED, read_bundle
from stopline_policy.card import card

TRAINING = {
    "command": "stopline train --config c.toml --out run",
    "config": {"seed": 4, "fullness": [0.3, 0.9], "reward": "delay", "scenario": "mine"},
    "best": {"decisions": 12345, "score": 43.21},
    "wall_s": 600.0,
    "votes": [{"config": {"seed": 5}, "wall_s": 300.0}, {"config": {"seed": 6}, "wall_s": 1200.0}],
}
EVALUATION = {
    "cologne8": {
        "seeds": 5,
        "controllers": {
            "greedy": {"delay_s": 21.2, "ci95": [21.0, 21.4]},
            "bundle": {"delay_s": 18.2, "ci95": [17.9, 18.4]},
        },
    },
    "odd": {"seeds": 2, "controllers": {"greedy": {"delay_s": 9.0, "ci95": [8.0, 10.0]}}},
}


def test_the_card_states_needs_training_figures_and_limits() -> None:
    shipped = read_bundle(SHIPPED)
    stated = replace(shipped, manifest=replace(shipped.manifest, training=TRAINING, evaluation=EVALUATION))
    text = card(stated)
    assert shipped.sha256 in text and shipped.signed_by in text
    assert "far zone, 50 to 120 m" in text and "button" in text
    assert "12345" in text and "43.2" in text and "10 min" in text
    assert "| cologne8 | 5 | 21.2 (21.0 to 21.4) | 18.2 (17.9 to 18.4) |" in text
    assert "| odd | 2 | 9.0 (8.0 to 10.0) |  |" in text
    assert "decides together with: 2 further runs: training seed 5, 5 min; training seed 6, 20 min" in text
    assert "0.3 to 0.9" in text and "Trained further on mine" in text


def test_a_bundle_without_figures_says_so() -> None:
    shipped = read_bundle(SHIPPED)
    bare = replace(shipped, manifest=replace(shipped.manifest, training={}, evaluation={}))
    assert "None stated" in card(bare)


def card_of(training: dict[str, object]) -> str:
    shipped = read_bundle(SHIPPED)
    return card(replace(shipped, manifest=replace(shipped.manifest, training=training)))


def test_the_time_of_training_counts_all_parts_and_no_notes() -> None:
    text = card_of({"history": [{"wall_s": 1800.0}, {"again": "no time told"}], "wall_s": 600.0})
    assert "wall time: 40 min, 10 of them in its last part" in text
    assert "goes on from: 1 earlier part, see" in text


def test_a_network_from_one_run_goes_on_from_nothing() -> None:
    text = card_of({"wall_s": 600.0, "history": [{"again": "a note"}]})
    assert "wall time: 10 min\n" in text and "goes on from" not in text


def test_another_interval_than_in_training_is_told() -> None:
    interval = read_bundle(SHIPPED).manifest.decision_interval
    assert "decided in training: every 7 s" in card_of({"config": {"decision_interval": 7}})
    assert "decided in training" not in card_of({"config": {"decision_interval": interval}})
