"""The network does not care how many groups and stages there are, nor in which order they come."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from stopline_agents.export import OPSET, check_parity, to_onnx, widened
from stopline_agents.network import StageScorer, ValueHead, resized
from stopline_agents.queues import QueueConfig, QueueVecEnv
from stopline_agents.training.buffer import centred
from stopline_policy.inference import MASKED_SCORE, Floats
from stopline_signals.errors import BundleError
from stopline_signals.observation import ROW_FEATURES, STAGE_FEATURES, ObservationLayout

SMALL = ObservationLayout(12, 6)
FULL = ObservationLayout()


@pytest.fixture(scope="module")
def observations() -> Floats:
    """What the street without SUMO showed in some minutes of random decisions."""
    street = QueueVecEnv(QueueConfig(), slots=8)
    street.reset()
    rng = np.random.default_rng(2)
    rows: list[Floats] = []
    for _ in range(60):
        actions = [
            int(rng.choice([s for s in range(6) if view.allowed >> s & 1]))
            for view in street.env_method("view")
        ]
        street.step_async(np.asarray(actions))
        rows.append(np.asarray(street.step_wait()[0], np.float32))
    return np.concatenate(rows)


@pytest.fixture
def scorer() -> StageScorer:
    torch.manual_seed(4)
    return StageScorer(SMALL).eval()


def scores(scorer: StageScorer, observations: Floats) -> Floats:
    with torch.inference_mode():
        return np.asarray(scorer(torch.as_tensor(observations)).numpy(), np.float32)


def test_a_larger_layout_gives_the_same_scores(scorer: StageScorer, observations: Floats) -> None:
    small = scores(scorer, observations)
    large = scores(resized(scorer, FULL), widened(observations, SMALL, FULL))
    np.testing.assert_allclose(large[:, :6], small, rtol=1e-5, atol=1e-5)
    assert (large[:, 6:] == np.float32(MASKED_SCORE)).all()


def test_masked_stages_never_win(scorer: StageScorer, observations: Floats) -> None:
    found = scores(scorer, observations)
    mask = observations[:, SMALL.mask] > 0.5
    assert (found[~mask] == np.float32(MASKED_SCORE)).all()
    assert (found[mask] > -1e6).all()
    assert mask[np.arange(len(found)), found.argmax(1)].all()


def test_the_order_of_groups_and_stages_does_not_matter(scorer: StageScorer, observations: Floats) -> None:
    rng = np.random.default_rng(3)
    groups, stages = rng.permutation(12), rng.permutation(6)
    count = len(observations)
    shuffled = observations.copy()
    rows = observations[:, SMALL.rows].reshape(count, 12, len(ROW_FEATURES))
    members = observations[:, SMALL.membership].reshape(count, 6, 12)
    figures = observations[:, SMALL.stages].reshape(count, 6, len(STAGE_FEATURES))
    shuffled[:, SMALL.rows] = rows[:, groups].reshape(count, -1)
    shuffled[:, SMALL.membership] = members[:, stages][:, :, groups].reshape(count, -1)
    shuffled[:, SMALL.stages] = figures[:, stages].reshape(count, -1)
    shuffled[:, SMALL.mask] = observations[:, SMALL.mask][:, stages]
    before, after = scores(scorer, observations), scores(scorer, shuffled)
    np.testing.assert_allclose(after, before[:, stages], rtol=1e-4, atol=1e-4)


def test_the_value_does_not_see_the_padding(observations: Floats) -> None:
    torch.manual_seed(5)
    small, large = ValueHead(SMALL), ValueHead(FULL)
    large.load_state_dict(small.state_dict())
    with torch.inference_mode():
        own = small(torch.as_tensor(observations))
        padded = large(torch.as_tensor(widened(observations, SMALL, FULL)))
    torch.testing.assert_close(own, padded)


def test_the_exported_model_is_the_network(scorer: StageScorer, observations: Floats) -> None:
    full = resized(scorer, FULL)
    model = to_onnx(full)
    wide = widened(observations, SMALL, FULL)
    parity = check_parity(full, model, wide)
    assert parity.observations == len(observations)
    assert parity.worst <= 1e-5 and parity.other_choices == 0
    found = onnx.load_from_string(model)
    assert [entry.version for entry in found.opset_import if entry.domain in ("", "ai.onnx")] == [OPSET]
    assert found.graph.input[0].type.tensor_type.shape.dim[0].dim_param, "the batch must be dynamic"
    with torch.no_grad():
        full.score.bias.add_(0.01)
    with pytest.raises(BundleError, match="differs from the network"):
        check_parity(full, model, wide)


def test_advantages_are_judged_per_junction() -> None:
    rng = np.random.default_rng(6)
    choice = rng.random((200, 3)) < 0.5
    raw = rng.normal(size=(200, 3)) * [1.0, 10.0, 0.01] + [0.0, 50.0, -3.0]
    found = centred(raw, choice)
    assert (found[~choice] == 0).all()
    for junction in (0, 1, 2):
        assert abs(found[choice[:, junction], junction].mean()) < 1e-5
    assert found[choice[:, 1], 1].std() == pytest.approx(1.0, abs=1e-3)
    assert found[choice[:, 2], 2].std() < 0.05, "a quiet junction must stay quiet"
    assert np.isfinite(centred(raw, np.zeros_like(choice))).all()
