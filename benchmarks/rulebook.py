"""What the rule book costs: engine and guard per tick, and their share of a simulated hour."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np

from benchmarks._engine_share import hour
from benchmarks._table import Figure, main
from stopline_agents.baselines import Greedy
from stopline_signals import Detector, DetectorKind, DetectorReading, Encoder, Engine, Guard, calls_from
from stopline_signals.engine import KEEP, EngineState
from stopline_signals.plan import SignalPlan
from stopline_signals.ring_barrier import dual_ring

STEADY_US = 5.0
TRANSITION_US = 40.0
SHARE = 0.05
INTERVALS_S = (5.0, 1.0)
"""Seconds between decisions: the rules' own, and the shipped policy's."""
BATCH = 500
ROUNDS = 41
CASE = "dual ring, 8 groups"


def measure() -> Sequence[Figure]:
    """Time engine and guard on an 8-phase junction, then in an hour of cologne8 and of grid4x4."""
    ticks = _ticks(_watched(dual_ring("bench").plan()))
    costs = _medians_us([[lambda: None], *(work for _, _, work in ticks)])
    figures = [Figure(CASE, "empty Python call, us", costs[0])]
    for (name, limit, _), cost in zip(ticks, costs[1:], strict=True):
        figures += [
            Figure(CASE, f"{name}, us", cost, limit),
            Figure(CASE, f"{name}, empty calls", cost / costs[0]),
        ]
    for scenario in ("cologne8", "grid4x4"):
        for interval in INTERVALS_S:
            took = hour(scenario, Greedy(decision_interval=interval))
            case = f"{scenario}, greedy every {interval:g} s"
            figures += [
                Figure(case, "CPU of engine and guard / CPU of SUMO", took.rules / took.sumo, SHARE),
                Figure(case, "CPU of SUMO, s", took.sumo),
                Figure(case, "calls to engine and guard", took.calls),
                Figure(case, "transitions", took.transitions),
                Figure(case, "engine and guard, us per call", took.rules / took.calls * 1e6),
            ]
    return figures


Work = Callable[[], object]


def _ticks(plan: SignalPlan) -> list[tuple[str, float | None, list[Work]]]:
    """What is timed: name, limit, and the pieces of work whose median counts."""
    engine = Engine(plan)
    guard, encoder = Guard(engine), Encoder(engine)
    readings = tuple(DetectorReading(index % 3, 0) for index in range(len(plan.detectors)))
    calls = calls_from(plan, readings)
    settled = [_settled(engine, stage, calls) for stage in range(len(plan.stages))]
    vector = np.empty(encoder.layout.size, np.float32)
    state = settled[0]

    def tick(state: EngineState, request: int, until: int) -> Work:
        return lambda: engine.advance(state, guard.decide(state, request).stage, calls, until)

    ways = [(settled[a], b) for a, b in permutations(range(len(plan.stages)), 2)]
    return [
        ("steady tick, guard and engine", STEADY_US, [tick(s, KEEP, s.now + 1) for s in settled]),
        (
            "tick that begins a transition, guard and engine",
            TRANSITION_US,
            [tick(s, stage, s.now + 1) for s, stage in ways],
        ),
        ("whole transition in one advance", None, [tick(s, stage, s.now + 200) for s, stage in ways]),
        ("mask of allowed stages", None, [lambda: guard.allowed(state)]),
        ("calls from 16 zones", None, [lambda: calls_from(plan, readings)]),
        ("read-back, nothing changed", None, [lambda: _read_back(engine, state, calls)]),
        ("encode one observation", None, [lambda: encoder.encode(state, readings, 255, vector)]),
    ]


def _read_back(engine: Engine, state: EngineState, calls: int) -> EngineState:
    return engine.observed(
        state.now + 1, state.stage, state.aspects, previous=state, in_transition=False, calls=calls
    )


def _watched(plan: SignalPlan) -> SignalPlan:
    zones = ((DetectorKind.NEAR_ZONE, 0.0, 50.0), (DetectorKind.FAR_ZONE, 50.0, 120.0))
    detectors = [
        Detector(f"{kind}:{group.name}", kind, index, start, end, 7.0)
        for index, group in enumerate(plan.groups)
        for kind, start, end in zones
    ]
    return replace(plan, detectors=tuple(detectors))


def _settled(engine: Engine, stage: int, calls: int) -> EngineState:
    """The stage in force, its minima over, with calls waiting but none too long."""
    state = engine.advance(engine.start(0, stage), KEEP, 0, 500).state
    return engine.advance(state, KEEP, calls, 600).state


def _medians_us(pieces: Sequence[Sequence[Work]]) -> list[float]:
    """Median cost of each piece, whose members are run in turn; all pieces are timed in every round.

    CPU time, so that a round in which the machine does something else is not longer.
    """
    rounds: list[list[float]] = []
    for _ in range(ROUNDS):
        costs: list[float] = []
        for works in pieces:
            count = -(-BATCH // len(works))
            began = time.process_time()
            for work in works:
                for _ in range(count):
                    work()
            costs.append((time.process_time() - began) / (count * len(works)))
        rounds.append(costs)
    return [statistics.median(column) * 1e6 for column in zip(*rounds[1:], strict=True)]


if __name__ == "__main__":
    sys.exit(main(measure))
