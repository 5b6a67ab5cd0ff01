"""Decisions in process: bytes to bytes beside the bare model, and at the cadence of control."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from statistics import median
from typing import Any

import numpy as np

from benchmarks._city import city, run
from benchmarks._rpc import requests, settle
from stopline.v1 import decision_pb2
from stopline_controller.loop import WARM_S, keep_warm
from stopline_controller.services.decisions import DecisionServicer
from stopline_hil.example import crossroads
from stopline_policy import BundlePolicy, JunctionView, read_bundle
from stopline_policy.bundle import SHIPPED
from stopline_policy.runtime import ort
from stopline_signals.detectors import DetectorReading
from stopline_signals.engine import KEEP, Engine
from stopline_signals.guard import Guard

CALLS = 400
ROUNDS = 9
TICKS = {"cold": 150, "warmed": 600}
"""Decisions at the cadence of control."""
PERIOD_S = 0.10037
"""No multiple of the kernel's own tick, which a run at 100 ms meets at the same point of every decision."""
BEHIND = 16
"""Decisions back to back behind each one, the last of which is its comparison."""


def bytes_to_bytes() -> dict[str, float]:
    """Request bytes to response bytes over the bare `run` of the same model: medians over rounds."""
    controller, _ = city(1, 5.0)
    run(controller, 0.5, 0.5)
    servicer = DecisionServicer(controller.decider, controller.statistics, controller.clock)
    bundle = read_bundle(SHIPPED)
    observation = np.random.default_rng(1).random((1, bundle.manifest.observation_size), np.float32)
    session, feed = _session(bundle.model), {"observation": observation}

    def bare() -> object:
        return session.run(None, feed)

    found: dict[str, float] = {}
    for name, raw in requests().items():
        request = decision_pb2.DecideRequest.FromString(raw)
        request.junction_id = "J0"
        packed = request.SerializeToString()

        def whole(packed: bytes = packed) -> object:
            return servicer.decide(decision_pb2.DecideRequest.FromString(packed)).SerializeToString()

        found[name] = median(_hot(whole) / _hot(bare) for _ in range(ROUNDS))
    found["bare_us"] = _hot(bare)
    return found


def _session(model: bytes) -> Any:
    """The model without anything of ours, on one thread as well."""
    runtime: Any = ort
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def cadence() -> dict[str, float]:
    """A decision from readings to stage every 100 ms over the same one back to back, made right behind it.

    Each percentile is over that of the decisions back to back: what other programs and machines do to the
    core at that moment slows both.
    """
    policy = BundlePolicy(read_bundle(SHIPPED))
    engine = Engine(crossroads())
    # Every decision of the loop is about a state of its own.
    views = cycle((_view(engine, 600), _view(engine, 605)))
    policy.reset([engine.plan])

    def decide() -> object:
        return policy.decide([next(views)])

    def warm() -> None:
        policy.warm([next(views)])

    _hot(decide)
    found: dict[str, float] = {}
    for name, ready in (("cold", None), ("warmed", warm)):
        paced, behind = np.percentile(_paced(decide, ready, TICKS[name]), (50, 99), axis=1).T
        found |= {name: paced[0] / behind[0], f"{name}_p99": paced[1] / behind[1]}
        found |= {f"{name}_p99_over_p50": paced[1] / behind[0], f"{name}_behind": behind[1] / behind[0]}
    return found


def _paced(decide: Callable[[], object], warm: Callable[[], object] | None, ticks: int) -> list[list[float]]:
    """Microseconds of each decision at the cadence, and of one back to back behind each."""
    times: list[list[float]] = [[], []]
    due = time.monotonic() + PERIOD_S
    for _ in range(ticks):
        time.sleep(max(due - WARM_S - time.monotonic(), 0))
        if warm is not None:
            keep_warm(warm, time.monotonic, due)
        while time.monotonic() < due:
            pass
        times[0].append(_timed(decide))
        times[1].append([_timed(decide) for _ in range(BEHIND)][-1])
        due += PERIOD_S
    return times


def _view(engine: Engine, until: int = 600) -> JunctionView:
    state = engine.advance(engine.start(0), KEEP, 0, until).state
    readings = tuple(DetectorReading(3, 1) for _ in engine.plan.detectors)
    return JunctionView(engine.plan, state, readings, Guard(engine).allowed(state), until / 10)


def _hot(work: Callable[[], object]) -> float:
    for _ in range(CALLS // 4):
        work()
    return median(_timed(work) for _ in range(CALLS))


def _timed(work: Callable[[], object]) -> float:
    """Microseconds of one call."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", type=int, default=1)
    options = parser.parse_args(arguments)
    settle(options.core)
    print(json.dumps({"bytes": bytes_to_bytes(), "cadence": cadence()}))


if __name__ == "__main__":
    main()
