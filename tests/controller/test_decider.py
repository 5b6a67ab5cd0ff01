"""Decisions on request: the policy's choice behind the guard, the same as in the loop, and every refusal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stopline_controller.decider import Decider, DecisionProblem
from stopline_controller.snapshots import Hub
from stopline_policy.bundle import Bundle, read_bundle, write_bundle
from stopline_policy.bundle_policy import BundlePolicy
from stopline_policy.manifest import MODEL_FILE
from stopline_signals.detectors import DetectorReading
from stopline_signals.observation import ROW_FEATURES
from stopline_signals.view import JunctionView
from tests.controller.town import PLAN, SIDE, Town, rest
from tests.policy.tiny_bundle import LAYOUT, greedy_weights, linear_model, manifest


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Scores each stage by the vehicles near the stop line of the group of the same number."""
    path, key = tmp_path_factory.mktemp("bundle") / "greedy.bundle", Ed25519PrivateKey.generate()
    write_bundle(path, manifest(), {MODEL_FILE: linear_model(greedy_weights())}, key)
    return read_bundle(path, [key.public_key()])


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Town(tmp_path, policy=rest) as made:
        yield made


@pytest.fixture
def decider(town: Town, bundle: Bundle) -> Decider:
    return Decider(bundle, {"A": town.control}, town.hub)


def to_the_side(allowed: int, present: int) -> int:
    return SIDE if allowed >> SIDE & 1 else present


def wanting(stage: int, value: float = 1.0) -> bytes:
    """An observation that the policy answers with this stage."""
    observation = np.zeros(LAYOUT.size, np.float32)
    observation[stage * len(ROW_FEATURES) + ROW_FEATURES.index("near_total")] = value
    return observation.tobytes()


def test_what_the_guard_does_not_allow_is_changed_and_said_so(town: Town, decider: Decider) -> None:
    assert decider.from_observation("A", wanting(SIDE)).verdict == (SIDE, None), "long after the minimum"
    town.policy = to_the_side
    town.until(lambda: town.seen.in_transition, 20)
    decision = decider.from_observation("A", wanting(0))
    assert decision.policy_stage == 0 and not decision.allowed & 1
    assert decision.verdict.stage == SIDE and decision.verdict.reason is not None


def test_readings_give_the_choice_of_the_loop(town: Town, decider: Decider, bundle: Bundle) -> None:
    policy, random = BundlePolicy(bundle), np.random.default_rng(5)
    policy.reset([PLAN])
    now = town.state.now
    assert now is not None
    allowed, chosen = town.control.guard.allowed(now.state), set[int]()
    for _ in range(200):
        pairs = random.integers(0, 9, (len(PLAN.detectors), 2))
        pairs[random.random(len(pairs)) < 0.1, 0] = 255
        readings = tuple(DetectorReading(int(v), int(q), v != 255) for v, q in pairs)
        (wanted,) = policy.decide([JunctionView(PLAN, now.state, readings, allowed, 0.0)])
        found = decider.from_readings("A", pairs.astype(np.uint8).tobytes())
        assert (found.policy_stage, found.allowed) == (wanted, allowed)
        chosen.add(wanted)
    assert len(chosen) > 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_scores_that_are_not_finite_are_no_decision(decider: Decider, value: float) -> None:
    with pytest.raises(DecisionProblem, match="not finite") as refused:
        decider.from_observation("A", wanting(1, value))
    assert refused.value.kind == "input"
    assert decider.from_observation("A", wanting(SIDE)).policy_stage == SIDE, "and nothing is left of it"


def test_what_cannot_be_decided_is_refused_with_its_kind(
    town: Town, decider: Decider, bundle: Bundle
) -> None:
    cases = [
        (decider, "B", wanting(0), "unknown"),
        (decider, "A", wanting(0)[:-4], "input"),
        (Decider(None, {"A": town.control}, town.hub), "A", wanting(0), "state"),
        (Decider(bundle, {"A": town.control}, Hub()), "A", wanting(0), "state"),
    ]
    for asked, junction, observation, kind in cases:
        with pytest.raises(DecisionProblem) as refused:
            asked.from_observation(junction, observation)
        assert refused.value.kind == kind, kind
    with pytest.raises(DecisionProblem, match="bytes"):
        decider.from_readings("A", b"\x01")
