"""The bundle as a policy: batches, masks, scores that are not finite, and a light import."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stopline_policy import ABSTAIN, BundlePolicy, JunctionView, check_policy, read_bundle
from stopline_policy.inference import Scorer
from stopline_policy.sample_plans import sample_plans
from stopline_signals.detectors import NOTHING, DetectorReading
from stopline_signals.engine import Engine
from stopline_signals.errors import BundleError
from stopline_signals.guard import Guard
from stopline_signals.observation import MAX_STAGES
from stopline_signals.plan import SignalPlan
from tests.policy.conftest import MakeBundle
from tests.policy.tiny_bundle import LAYOUT, greedy_weights, linear_model


@pytest.fixture
def policy(make_bundle: MakeBundle, key: Ed25519PrivateKey) -> BundlePolicy:
    return BundlePolicy(read_bundle(make_bundle(), [key.public_key()]))


def settled_view(plan: SignalPlan, vehicles: dict[int, int], allowed: int | None = None) -> JunctionView:
    """A junction long after its last change, with vehicles in the near zones of some groups."""
    engine = Engine(plan)
    state = engine.advance(engine.start(0), -1, 0, 1000).state
    readings = tuple(
        DetectorReading(vehicles.get(d.group, 0)) if d.kind == "near_zone" else NOTHING
        for d in plan.detectors
    )
    mask = Guard(engine).allowed(state) if allowed is None else allowed
    return JunctionView(plan, state, readings, mask, 100.0)


def test_it_keeps_the_contract_of_the_seam(policy: BundlePolicy) -> None:
    check_policy(policy)


def test_it_takes_the_best_scored_stage(policy: BundlePolicy) -> None:
    plan = sample_plans()[1]
    policy.reset([plan])
    assert policy.decide([settled_view(plan, {3: 9, 1: 2})]) == [3]
    assert policy.decide([settled_view(plan, {3: 9, 1: 2}, allowed=0b0011)]) == [1]


def test_it_decides_more_junctions_than_a_batch_holds(
    make_bundle: MakeBundle, key: Ed25519PrivateKey
) -> None:
    policy = BundlePolicy(read_bundle(make_bundle(), [key.public_key()]), batch=4)
    plans = [replace(sample_plans()[1], junction=f"j{i}") for i in range(11)]
    policy.reset(plans)
    views = [settled_view(plan, {i % 4: 5}) for i, plan in enumerate(plans)]
    assert policy.decide(views) == [i % 4 for i in range(11)]
    assert policy.decide(views[::-1]) == [i % 4 for i in range(11)][::-1]


def test_a_junction_with_scores_not_finite_abstains_alone(
    make_bundle: MakeBundle, key: Ed25519PrivateKey
) -> None:
    model = linear_model(greedy_weights(), logarithm=True)
    policy = BundlePolicy(read_bundle(make_bundle(model=model), [key.public_key()]))
    plan = sample_plans()[1]
    other = replace(plan, junction="other")
    policy.reset([plan, other])
    everywhere = settled_view(plan, {0: 1, 1: 2, 2: 3, 3: 4})
    nothing_waits = settled_view(other, {0: 1})
    assert policy.decide([everywhere, nothing_waits]) == [3, ABSTAIN]
    assert policy.faults == 1


def test_reset_refuses_junctions_it_cannot_feed(policy: BundlePolicy) -> None:
    plan = sample_plans()[0]
    with pytest.raises(BundleError, match=plan.junction):
        policy.reset([replace(plan, detectors=())])


def test_a_changed_plan_gets_its_own_encoder(policy: BundlePolicy) -> None:
    plan = sample_plans()[1]
    policy.reset([plan])
    swapped = replace(plan, stages=plan.stages[:2], program=None)
    assert policy.decide([settled_view(swapped, {1: 9})]) == [1]


def test_a_row_scores_the_same_in_any_batch() -> None:
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(LAYOUT.size, MAX_STAGES))
    scorer = Scorer(linear_model(weights), LAYOUT.size, MAX_STAGES, capacity=64)
    scorer.observations[:] = rng.random(scorer.observations.shape)
    together = scorer.run(64).copy()
    for row in (0, 17, 63):
        observation = scorer.observations[row].copy()
        scorer.observations[0] = observation
        np.testing.assert_allclose(scorer.run(1)[0], together[row], rtol=1e-5)


def test_scores_are_written_in_place() -> None:
    scorer = Scorer(linear_model(greedy_weights()), LAYOUT.size, MAX_STAGES, capacity=8)
    first = scorer.run(3)
    assert scorer.run(3).base is first.base
    with pytest.raises(ValueError, match=r"1\.\.8"):
        scorer.run(9)


@pytest.mark.parametrize(
    ("model", "message"),
    [(b"not a model", "cannot load"), (linear_model(np.zeros((LAYOUT.size, 3))), "export it again")],
)
def test_a_model_of_another_kind_is_refused(model: bytes, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        Scorer(model, LAYOUT.size, MAX_STAGES)


def test_the_kerb_stays_light() -> None:
    heavy = ("torch", "libsumo", "gymnasium", "matplotlib")
    code = f"import sys, stopline_policy; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_path()
    )
    assert done.stdout.strip() == "[]"


def _path() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
