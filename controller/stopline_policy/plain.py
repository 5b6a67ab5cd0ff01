"""A small model computed by numpy, one observation at a time: a fraction of ONNX Runtime's code is touched.

Between two requests TLS and HTTP/2 evict code and data from the caches, and ONNX Runtime needs much of both
again: measured in a served request a linear policy costs 50 us by it and 4 us by numpy. This covers networks
of layers one after another (an MLP with or without its input cut); all other models run in ONNX Runtime. The
weights are read from the very bytes whose signature was verified, and the result is compared with ONNX
Runtime's when the model is loaded. Decisions that act and are audited are ONNX Runtime's alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import copy_context
from functools import partial
from typing import Any, TypeAlias, cast

import numpy as np

from stopline_policy.inference import Floats, Scorer
from stopline_policy.onnx_graph import Array, Node, UnreadModelError, read_graph

TOLERANCE = 1e-5
"""Largest difference to ONNX Runtime, as a share of the largest score (or of 1)."""
PROBES = 16
MOST_STEPS = 16
"""Above this many calls of numpy, ONNX Runtime is no slower."""

Scores: TypeAlias = Callable[[], list[float]]
_Constants: TypeAlias = Mapping[str, Array]
_Step: TypeAlias = Callable[[], Any]


def first_scores(model: bytes, scorer: Scorer) -> Scores:
    """What scores ``scorer.observations[0]``: plain numpy where that gives the same, else ONNX Runtime."""
    try:
        plain = _chain(model, scorer.observations[0])
    except UnreadModelError:
        return scorer.run_first
    return plain if _agrees(plain, scorer) else scorer.run_first


def _chain(model: bytes, observation: Floats) -> Scores:
    """The model as calls one after another, each bound to the arrays it works on."""
    graph = read_graph(model)
    value, name = observation, "observation"
    steps: list[_Step] = []
    for node in graph.nodes:
        if name not in node.inputs or len(steps) > MOST_STEPS:
            raise UnreadModelError(f"{node.operator} does not follow {name}, or too many nodes")
        value, added = _layer(node, name, value, graph.constants)
        steps += added
        name = node.output
    if name != "scores" or not steps or not value.flags.c_contiguous:
        raise UnreadModelError("no layer makes the scores")
    return _runner(steps, cast("Callable[[], list[float]]", value.data.tolist))


def _runner(steps: list[_Step], read: Scores) -> Scores:
    """All steps, then the scores; for one thread at a time, as the arrays are anyway."""

    def run() -> list[float]:
        for step in steps:
            step()
        return read()

    # Figures that are not finite are refused by who reads the scores; numpy would warn of them on stderr. A
    # context where it does not is entered in a third of the time that np.errstate takes.
    quiet = copy_context()
    quiet.run(np.seterr, invalid="ignore", over="ignore")
    return partial(quiet.run, run)


def _layer(node: Node, name: str, value: Floats, constants: _Constants) -> tuple[Floats, list[_Step]]:
    """Where the node's result lies, and the calls that put it there."""
    layer = _LAYERS.get(node.operator)
    # Each constant once, in the node's order; what is computed comes first unless it does not matter.
    at = node.inputs.index(name)
    others = [constants.get(other) for other in node.inputs if other != name]
    if layer is None or any(other is None for other in others) or (at and node.operator != "Add"):
        raise UnreadModelError(f"{node.operator} of {node.inputs}")
    return layer(value, cast("list[Array]", others), node.attributes)


def _slice(value: Floats, others: list[Array], attributes: Mapping[str, float]) -> tuple[Floats, list[_Step]]:
    if len(others) not in (3, 4) or any(other.shape != (1,) for other in others):
        raise UnreadModelError("a cut along more than one axis")
    start, end, axis, step = (int(other[0]) for other in (*others, np.ones(1))[:4])
    if axis not in (1, -1) or step != 1:
        raise UnreadModelError(f"a cut along axis {axis} by {step}")
    return value[start:end], []


def _product(
    value: Floats, others: list[Array], attributes: Mapping[str, float]
) -> tuple[Floats, list[_Step]]:
    (weights,) = others
    if weights.ndim != 2 or weights.dtype != np.float32 or len(weights) != len(value):
        raise UnreadModelError(f"weights {weights.dtype} {weights.shape}")
    out = np.zeros(weights.shape[1], np.float32)
    return out, [partial(np.dot, np.ascontiguousarray(weights.T), value, out=out)]


def _gemm(value: Floats, others: list[Array], attributes: Mapping[str, float]) -> tuple[Floats, list[_Step]]:
    ordinary = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}
    found = {**ordinary, **attributes}
    turned = bool(found.pop("transB"))
    if any(found[key] != ordinary[key] for key in found) or len(others) not in (1, 2):
        raise UnreadModelError(f"Gemm with {attributes}")
    out, steps = _product(value, [others[0].T if turned else others[0]], {})
    if not others[1:]:
        return out, steps
    total, added = _sum(out, others[1:], {})
    return total, steps + added


def _sum(value: Floats, others: list[Array], attributes: Mapping[str, float]) -> tuple[Floats, list[_Step]]:
    (bias,) = others
    if bias.dtype != np.float32 or bias.size != value.size or bias.shape[-1] != value.size:
        raise UnreadModelError(f"bias {bias.dtype} {bias.shape}")
    return _own(value, partial(np.add, value, bias.reshape(-1)))


def _rectified(
    value: Floats, others: list[Array], attributes: Mapping[str, float]
) -> tuple[Floats, list[_Step]]:
    return _own(value, partial(np.maximum, value, np.float32(0)))


def _tanh(value: Floats, others: list[Array], attributes: Mapping[str, float]) -> tuple[Floats, list[_Step]]:
    return _own(value, partial(np.tanh, value))


def _own(value: Floats, call: Callable[..., Any]) -> tuple[Floats, list[_Step]]:
    """The result in an array of its own: the value may be the observation itself."""
    out = np.zeros(value.shape, np.float32)
    return out, [partial(call, out=out)]


_LAYERS = {
    "Slice": _slice,
    "MatMul": _product,
    "Gemm": _gemm,
    "Add": _sum,
    "Relu": _rectified,
    "Tanh": _tanh,
}


def _agrees(plain: Scores, scorer: Scorer) -> bool:
    """Whether scores and choice are ONNX Runtime's for some observations; leaves the observation at 0."""
    row, random = scorer.observations[0], np.random.default_rng(0)
    agrees = True
    for _ in range(PROBES):
        row[:] = random.random(len(row), np.float32) * random.integers(0, 2, len(row))
        agrees = agrees and _same(plain(), scorer.run_first())
    row[:] = 0.0
    return agrees


def _same(found: list[float], wanted: list[float]) -> bool:
    scale = max(1.0, *map(abs, wanted))
    near = len(found) == len(wanted) and np.allclose(found, wanted, rtol=0.0, atol=TOLERANCE * scale)
    return near and found.index(max(found)) == wanted.index(max(wanted))
