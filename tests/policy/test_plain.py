"""Small models computed by numpy: the same scores as ONNX Runtime's, from the same bytes, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from stopline_policy.bundle import SHIPPED, read_bundle
from stopline_policy.inference import Scorer
from stopline_policy.onnx_graph import UnreadModelError, read_graph
from stopline_policy.plain import TOLERANCE, first_scores

SIZE, HIDDEN, STAGES, CUT = 40, 24, 8, 30
RANDOM = np.random.default_rng(3)
CONSTANTS = {
    "first": RANDOM.normal(size=(CUT, HIDDEN)).astype(np.float32),
    "whole": RANDOM.normal(size=(SIZE, STAGES)).astype(np.float32),
    "second": RANDOM.normal(size=(STAGES, HIDDEN)).astype(np.float32),
    "bias": RANDOM.normal(size=HIDDEN).astype(np.float32),
    "last_bias": RANDOM.normal(size=STAGES).astype(np.float32),
    "from": np.array([-SIZE]),
    "to": np.array([CUT]),
    "axis": np.array([1]),
}
MLP = [
    helper.make_node("Slice", ["observation", "from", "to", "axis"], ["cut"]),
    helper.make_node("MatMul", ["cut", "first"], ["a"]),
    helper.make_node("Add", ["bias", "a"], ["b"]),
    helper.make_node("Relu", ["b"], ["c"]),
    helper.make_node("Tanh", ["c"], ["d"]),
    helper.make_node("Gemm", ["d", "second", "last_bias"], ["scores"], transB=1),
]
LINEAR = [helper.make_node("MatMul", ["observation", "whole"], ["scores"])]
NOT_PLAIN: dict[str, list[NodeProto]] = {
    "an operation that is not known": [
        helper.make_node("Softmax", ["observation"], ["p"]),
        helper.make_node("MatMul", ["p", "whole"], ["scores"]),
    ],
    "a branch": [
        helper.make_node("MatMul", ["observation", "whole"], ["left"]),
        helper.make_node("MatMul", ["observation", "whole"], ["right"]),
        helper.make_node("Add", ["left", "right"], ["scores"]),
    ],
    "a factor that is not 1": [
        helper.make_node("Gemm", ["observation", "whole", "last_bias"], ["scores"], alpha=0.5)
    ],
}


def model(nodes: Sequence[NodeProto], *, in_lists: bool = False) -> bytes:
    """A model of these nodes; its constants as raw bytes, or as lists of numbers."""
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
        for name, width in (("observation", SIZE), ("scores", STAGES))
    ]
    tensors = [
        helper.make_tensor(
            name, TensorProto.FLOAT if v.dtype == np.float32 else TensorProto.INT64, v.shape, v.ravel()
        )
        if in_lists
        else numpy_helper.from_array(v, name)
        for name, v in CONSTANTS.items()
    ]
    graph = helper.make_graph(nodes, "test", values[:1], values[1:], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    made.ir_version = 10
    return bytes(made.SerializeToString())


def scorer(content: bytes) -> Scorer:
    return Scorer(content, SIZE, STAGES, capacity=1)


@pytest.mark.parametrize("nodes", [MLP, LINEAR], ids=["layers", "linear"])
@pytest.mark.parametrize("in_lists", [False, True], ids=["raw", "lists"])
def test_layers_one_after_another_score_and_choose_as_onnx_runtime_does(
    nodes: list[NodeProto], in_lists: bool
) -> None:
    content = model(nodes, in_lists=in_lists)
    runtime = scorer(content)
    plain = first_scores(content, runtime)
    assert plain != runtime.run_first
    for _ in range(500):
        runtime.observations[0] = RANDOM.normal(size=SIZE) * 3
        found, wanted = plain(), runtime.run_first()
        assert np.allclose(found, wanted, rtol=0, atol=TOLERANCE * max(map(abs, wanted)))
        assert np.argmax(found) == np.argmax(wanted)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_so(value: float) -> None:
    runtime = scorer(model(LINEAR))
    plain = first_scores(model(LINEAR), runtime)
    runtime.observations[0, 7] = value
    assert not np.isfinite(plain()).any()
    runtime.observations[0] = value
    runtime.observations[0, ::2] = 0.0
    assert not np.isfinite(plain()).any(), "without a warning of numpy's as well"


@pytest.mark.parametrize("why", NOT_PLAIN)
def test_any_other_model_runs_in_onnx_runtime(why: str) -> None:
    content = model(NOT_PLAIN[why])
    runtime = scorer(content)
    assert first_scores(content, runtime) == runtime.run_first


def test_the_shipped_model_runs_in_onnx_runtime() -> None:
    bundle = read_bundle(SHIPPED)
    runtime = Scorer(bundle.model, bundle.manifest.observation_size, bundle.manifest.max_stages, capacity=1)
    assert first_scores(bundle.model, runtime) == runtime.run_first


def test_weights_that_do_not_give_the_scores_of_onnx_runtime_are_not_used() -> None:
    other = dict(CONSTANTS)
    CONSTANTS["whole"] = CONSTANTS["whole"] + np.float32(1e-3)
    try:
        changed = model(LINEAR)
    finally:
        CONSTANTS.update(other)
    runtime = scorer(model(LINEAR))
    assert first_scores(changed, runtime) == runtime.run_first


def test_the_observation_is_left_at_zero_for_who_fills_only_part_of_it() -> None:
    runtime = scorer(model(MLP))
    first_scores(model(MLP), runtime)
    assert not runtime.observations.any()


def test_damaged_bytes_are_not_read() -> None:
    whole = model(MLP)
    for size in range(0, len(whole) - 16, 7):  # the last bytes are not the graph's
        with pytest.raises(UnreadModelError):
            read_graph(whole[:size])
