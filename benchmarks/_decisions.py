"""Decisions in process: bytes to bytes beside the bare model, at the cadence of control, and their pauses."""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from statistics import median
from typing import Any

import numpy as np
import onnxruntime as ort

from benchmarks._city import city, run
from benchmarks._rpc import requests, settle
from stopline.v1 import decision_pb2
from stopline_controller.garbage import GarbageKeeper
from stopline_controller.loop import WARM_S, keep_warm
from stopline_controller.services.decisions import DecisionServicer
from stopline_controller.statistics import Latency
from stopline_hil.example import crossroads
from stopline_policy import BundlePolicy, JunctionView, read_bundle
from stopline_policy.bundle import SHIPPED
from stopline_signals.detectors import DetectorReading
from stopline_signals.engine import KEEP, Engine, EngineState
from stopline_signals.guard import Guard

CALLS = 400
ROUNDS = 9
JUNCTIONS = 10_000
DECISIONS = 40_000
BATCH = 100
TICKS = 150
"""Decisions at the cadence of control."""


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
    """A decision from readings to stage every 100 ms over the same one back to back."""
    policy = BundlePolicy(read_bundle(SHIPPED))
    engine = Engine(crossroads())
    # Every decision of the loop is about a state of its own.
    views = cycle((_view(engine, 600), _view(engine, 605)))
    policy.reset([engine.plan])

    def decide() -> object:
        return policy.decide([next(views)])

    hot = median(_hot(decide) for _ in range(ROUNDS))
    found: dict[str, float] = {"hot_us": hot}
    for name, warm in (("cold", False), ("warmed", True)):
        times: list[float] = []
        due = time.monotonic() + 0.1
        for _ in range(TICKS):
            time.sleep(max(due - WARM_S - time.monotonic(), 0))
            if warm:
                keep_warm(partial(policy.warm, [next(views)]), time.monotonic, due)
            while time.monotonic() < due:
                pass
            times.append(_timed(decide))
            due += 0.1
        found[name] = median(times) / hot
        found[f"{name}_p99"] = float(np.percentile(times, 99)) / hot
    return found


def pauses() -> dict[str, float]:
    """The worst pause by garbage collection in 40,000 decisions with the state of 10,000 junctions alive."""
    found: dict[str, float] = {}
    for name in ("by_default", "kept"):
        seen = _Pauses()
        keeper = GarbageKeeper(Latency())
        world = _World()
        if name == "kept":
            keeper.settle()
        try:
            gc.callbacks.append(seen)
            for first in range(0, DECISIONS, BATCH):
                world.step(first % JUNCTIONS)
                if name == "kept":
                    keeper.step()
        finally:
            gc.callbacks.remove(seen)
            keeper.resume()
        found[f"{name}_ms"], found[f"{name}_collections"] = seen.worst_ms, seen.count
    return found


class _World:
    """10,000 junctions' state, advanced and decided about in batches."""

    def __init__(self) -> None:
        engine = Engine(crossroads())
        self._engine, self._guard = engine, Guard(engine)
        start = _view(engine).state
        self._states: list[EngineState] = [EngineState(*start) for _ in range(JUNCTIONS)]
        self._readings = [
            tuple(DetectorReading(number % 5, number % 3) for _ in engine.plan.detectors)
            for number in range(JUNCTIONS)
        ]
        self._policy = BundlePolicy(read_bundle(SHIPPED))
        self._policy.reset([engine.plan])

    def step(self, first: int) -> None:
        """Decide about one batch and take its decisions up."""
        views: list[JunctionView] = []
        for number in range(first, first + BATCH):
            state = self._states[number]
            readings = tuple(reading._replace(queued=state.now % 3) for reading in self._readings[number])
            self._readings[number] = readings
            allowed = self._guard.allowed(state)
            views.append(JunctionView(self._engine.plan, state, readings, allowed, state.now / 10))
        for number, stage in enumerate(self._policy.decide(views), first):
            state = self._states[number]
            asked = self._guard.decide(state, stage).stage
            self._states[number] = self._engine.advance(state, asked, 0b11111, state.now + 50).state


class _Pauses:
    """Called by the interpreter around every collection."""

    def __init__(self) -> None:
        self.worst_ms = 0.0
        self.count = 0
        self._began = 0.0

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.count += 1
            self.worst_ms = max(self.worst_ms, (time.perf_counter() - self._began) * 1000)


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
    print(json.dumps({"bytes": bytes_to_bytes(), "cadence": cadence(), "pauses": pauses()}))


if __name__ == "__main__":
    main()
