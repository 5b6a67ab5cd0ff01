"""What one decision of the shipped policy costs on one thread."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks._table import Figure, main
from stopline_policy import BundlePolicy, JunctionView, read_bundle
from stopline_policy.bundle import SHIPPED
from stopline_policy.inference import Scorer
from stopline_policy.sample_plans import sample_plans
from stopline_signals.detectors import DetectorReading
from stopline_signals.engine import Engine
from stopline_signals.guard import Guard
from stopline_signals.plan import SignalPlan

SINGLE_US = 60.0
ROW_US = 20.0
LARGE = 130
CASE = "shipped bundle, one thread"


def measure() -> Sequence[Figure]:
    """Time the shipped bundle's model at batch 1 and 130, and a whole decision from detectors to stage."""
    bundle = read_bundle(SHIPPED)
    size, stages = bundle.manifest.observation_size, bundle.manifest.max_stages
    scorer = Scorer(bundle.model, size, stages, capacity=LARGE)
    scorer.observations[:] = np.random.default_rng(1).random(scorer.observations.shape)
    policy = BundlePolicy(bundle)
    views = [_view(plan) for plan in sample_plans()]
    policy.reset([view.plan for view in views])
    return [
        Figure(CASE, "model at batch 1, us (median)", _median_us(lambda: scorer.run(1)), SINGLE_US),
        Figure(
            CASE,
            f"model at batch {LARGE}, us per row (median)",
            _median_us(lambda: scorer.run(LARGE)) / LARGE,
            ROW_US,
        ),
        Figure(
            CASE, "detectors to stage, us per junction (median)", _median_us(lambda: policy.decide(views)) / 2
        ),
    ]


def _median_us(work: Callable[[], object], seconds: float = 2.0) -> float:
    for _ in range(20):
        work()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return float(np.median(times)) * 1e6


def _view(plan: SignalPlan) -> JunctionView:
    engine = Engine(plan)
    state = engine.advance(engine.start(0), -1, 0, 600).state
    readings = tuple(DetectorReading(3, 1) for _ in plan.detectors)
    return JunctionView(plan, state, readings, Guard(engine).allowed(state), 60.0)


if __name__ == "__main__":
    sys.exit(main(measure))
