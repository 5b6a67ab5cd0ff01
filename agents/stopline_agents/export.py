"""From a trained network to a signed bundle: ONNX export, parity proof, provenance."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stopline_agents.network import StageScorer, resized
from stopline_policy.bundle import write_bundle
from stopline_policy.inference import Floats, Scorer
from stopline_policy.manifest import MODEL_FILE, DetectorNeed, Manifest
from stopline_signals.errors import BundleError
from stopline_signals.observation import ENCODER_VERSION, ObservationLayout
from stopline_signals.plan import DetectorKind, GroupKind

OPSET = 18
WEIGHTS_FILE = "weights.npz"
"""The network's parameters by name: what further training starts from. The controller never reads it."""
PARITY_LIMIT = 1e-5
"""Largest difference allowed between torch and ONNX scores, relative to the largest score of the row."""

ON_WHEELS = (GroupKind.VEHICLE, GroupKind.CYCLIST, GroupKind.TRANSIT)
DETECTORS = (
    DetectorNeed(kind=DetectorKind.NEAR_ZONE, groups=ON_WHEELS, start_m=0.0, end_m=50.0),
    DetectorNeed(kind=DetectorKind.FAR_ZONE, groups=ON_WHEELS, start_m=50.0, end_m=120.0),
    DetectorNeed(kind=DetectorKind.BUTTON, groups=(GroupKind.PEDESTRIAN,)),
)
"""What the policy is trained with, and so needs at the kerb."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How well the exported model equals the network it came from."""

    observations: int
    worst: float
    """Largest score difference, relative to the largest score of its row (at least 1)."""
    other_choices: int
    """Observations whose best stage differs."""


def export_bundle(
    scorer: StageScorer,
    out: Path,
    key: Ed25519PrivateKey,
    *,
    name: str,
    decision_interval: float,
    observations: Floats,
    training: Mapping[str, Any] | None = None,
    evaluation: Mapping[str, Any] | None = None,
) -> Parity:
    """Export a trained scorer at the full layout and write a signed bundle.

    Args:
        scorer: The trained network, of any layout.
        out: Directory of the bundle, or a path ending in ``.zip``.
        key: Signs ``bundle.json``.
        name: Of the policy.
        decision_interval: Seconds between decisions, as trained.
        observations: Recorded ones [n, size] of the scorer's layout; the parity is proven on them.
        training: Provenance: command, configuration, seeds, time.
        evaluation: Figures to state.

    Raises:
        BundleError: The ONNX model does not equal the network.
    """
    layout = ObservationLayout()
    full = resized(scorer, layout).eval()
    model = to_onnx(full)
    parity = check_parity(full, model, widened(observations, scorer.layout, layout))
    manifest = Manifest(
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        encoder_version=ENCODER_VERSION,
        max_groups=layout.max_groups,
        max_stages=layout.max_stages,
        observation_size=layout.size,
        decision_interval=decision_interval,
        detectors=DETECTORS,
        files={},
        training={**(training or {}), "parity": _parity_table(parity)},
        evaluation=dict(evaluation or {}),
    )
    write_bundle(out, manifest, {MODEL_FILE: model, WEIGHTS_FILE: _weights(scorer)}, key)
    return parity


def to_onnx(scorer: StageScorer) -> bytes:
    """The scorer as an ONNX model with input ``observation`` [n, size] and output ``scores`` [n, stages]."""
    example = torch.zeros(2, scorer.layout.size)
    # The exporter narrates, logs and warns about its own internals; none of it helps the user.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = cast(Any, torch.onnx).export(
            scorer,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["observation"],
            output_names=["scores"],
            dynamic_shapes=({0: torch.export.Dim("n", min=1, max=65536)},),
            verbose=False,
        )
    assert program is not None
    return _bare(program.model_proto)


def _bare(model: Any) -> bytes:
    """The model without the exporter's notes: stack traces name folders of the machine it was made on."""
    for node in model.graph.node:
        del node.metadata_props[:]
    del model.graph.metadata_props[:]
    return cast(bytes, model.SerializeToString())


def check_parity(scorer: StageScorer, model: bytes, observations: Floats) -> Parity:
    """Compare torch and ONNX on observations [n, size]; BundleError when they differ."""
    onnx = _onnx_scores(model, observations, scorer.layout)
    with torch.inference_mode():
        own = scorer(torch.as_tensor(observations)).numpy()
    open_ = observations[:, scorer.layout.mask] > 0.5
    scale = np.maximum(np.where(open_, np.abs(own), 0.0).max(1, keepdims=True), 1.0)
    worst = float(np.where(open_, np.abs(own - onnx) / scale, 0.0).max())
    choices = int((own.argmax(1) != onnx.argmax(1)).sum())
    masked = bool((onnx[~open_] < -1e8).all())
    if worst > PARITY_LIMIT or choices or not masked:
        raise BundleError(
            f"the exported model differs from the network: scores by {worst:.1e} (limit {PARITY_LIMIT:.0e}), "
            f"{choices} of {len(own)} choices, masks kept: {masked}; use the pinned torch and onnxscript"
        )
    return Parity(observations=len(own), worst=worst, other_choices=choices)


def widened(observations: Floats, source: ObservationLayout, target: ObservationLayout) -> Floats:
    """Observations [n, size] of a small layout, padded to a larger one."""
    count = len(observations)
    out: Floats = np.zeros((count, target.size), np.float32)
    groups, stages = source.max_groups, source.max_stages
    out[:, target.rows].reshape(count, target.max_groups, -1)[:, :groups] = observations[
        :, source.rows
    ].reshape(count, groups, -1)
    out[:, target.membership].reshape(count, target.max_stages, target.max_groups)[:, :stages, :groups] = (
        observations[:, source.membership].reshape(count, stages, groups)
    )
    out[:, target.stages].reshape(count, target.max_stages, -1)[:, :stages] = observations[
        :, source.stages
    ].reshape(count, stages, -1)
    out[:, target.mask][:, :stages] = observations[:, source.mask]
    return out


def _onnx_scores(model: bytes, observations: Floats, layout: ObservationLayout) -> Floats:
    runner = Scorer(model, layout.size, layout.max_stages, capacity=256, where="exported model")
    parts: list[Floats] = []
    for start in range(0, len(observations), runner.capacity):
        part = observations[start : start + runner.capacity]
        runner.observations[: len(part)] = part
        parts.append(runner.run(len(part)).copy())
    return np.concatenate(parts)


def _weights(scorer: StageScorer) -> bytes:
    buffer = io.BytesIO()
    # A plain NpzFile: nothing in it can run code when it is read.
    np.savez(buffer, **{name: value.numpy() for name, value in scorer.state_dict().items()})
    return buffer.getvalue()


def _parity_table(parity: Parity) -> dict[str, Any]:
    return {
        "observations": parity.observations,
        "worst": parity.worst,
        "other_choices": parity.other_choices,
    }
