"""Tiny real ONNX models and a manifest for them, made without torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stopline_policy.manifest import DetectorNeed, Manifest
from stopline_signals.observation import ENCODER_VERSION, MAX_GROUPS, MAX_STAGES, ObservationLayout
from stopline_signals.plan import DetectorKind, GroupKind

LAYOUT = ObservationLayout()


def linear_model(weights: np.ndarray, *, logarithm: bool = False) -> bytes:
    """scores = observation @ weights, or its logarithm (not finite where nothing waits)."""
    nodes = [helper.make_node("MatMul", ["observation", "weights"], ["product" if logarithm else "scores"])]
    if logarithm:
        nodes.append(helper.make_node("Log", ["product"], ["scores"]))
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("observation", TensorProto.FLOAT, ["n", LAYOUT.size])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", weights.shape[1]])],
        [numpy_helper.from_array(weights.astype(np.float32), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.checker.check_model(model)
    return model.SerializeToString()


def greedy_weights() -> np.ndarray:
    """Score of stage s: vehicles of group s in the near zone (good enough to tell stages apart)."""
    weights = np.zeros((LAYOUT.size, MAX_STAGES))
    width = LAYOUT.rows.stop // MAX_GROUPS
    for stage in range(MAX_STAGES):
        weights[stage * width + 4, stage] = 1.0
    return weights


def manifest(**changes: object) -> Manifest:
    base = Manifest(
        name="tiny",
        created="2026-01-01T00:00:00+00:00",
        encoder_version=ENCODER_VERSION,
        max_groups=MAX_GROUPS,
        max_stages=MAX_STAGES,
        observation_size=LAYOUT.size,
        decision_interval=5.0,
        detectors=(
            DetectorNeed(
                kind=DetectorKind.NEAR_ZONE,
                groups=(GroupKind.VEHICLE, GroupKind.TRANSIT),
                start_m=0,
                end_m=50,
            ),
            DetectorNeed(kind=DetectorKind.BUTTON, groups=(GroupKind.PEDESTRIAN,)),
        ),
        files={},
        training={"seeds": [1]},
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # names and types are the test's business
