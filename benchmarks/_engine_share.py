"""What engine and guard cost in a simulated hour, beside what SUMO costs in the very same traffic."""

from __future__ import annotations

import gc
import statistics
import time
from typing import NamedTuple

from stopline_envs.junction import SimJunction
from stopline_envs.monitor import LampWatch
from stopline_envs.network import NetworkRun, watch_of
from stopline_envs.plans import Program
from stopline_envs.scenario import load_scenario
from stopline_envs.simulation import SumoSimulation
from stopline_policy.seam import Policy
from stopline_signals.engine import KEEP, Advanced, Engine, EngineState, Run
from stopline_signals.guard import Guard, Verdict
from stopline_signals.plan import SignalPlan

SEED = 1
REPLAYS = 5

ADVANCE, RUN, SENSE, ALLOWED, DECIDE = range(5)

Calls = list[tuple[int, int, int, int]]
"""What one junction asked, in order: which of the above, and the request, calls and until it came with."""
Lamps = dict[int, list[tuple[str, str]]]
"""Second -> what is shown from then on: signal and letters."""


class Hour(NamedTuple):
    """CPU seconds of one scenario under one rule; `calls` are those to engine and guard."""

    sumo: float
    rules: float
    calls: int
    transitions: int


class Recording(NamedTuple):
    """What a run left behind: per junction its plan, first state and calls, and all lamps."""

    junctions: list[tuple[SignalPlan, EngineState, Calls]]
    lamps: Lamps


def hour(scenario: str, policy: Policy | None) -> Hour:
    """Run a scenario under a rule (None: the fixed programs), then time its two halves apart.

    SUMO alone is shown the same lamps at the same seconds again; engine and guard are asked the same again,
    each junction going on from its own state, and what going through the record takes is not theirs. Both are
    the median of several runs.
    """
    recording = record(scenario, policy)
    return Hour(
        sumo=statistics.median(_sumo_alone(scenario, recording.lamps) for _ in range(REPLAYS)),
        rules=statistics.median(_rules_alone(recording) for _ in range(REPLAYS)),
        calls=sum(len(calls) for _, _, calls in recording.junctions),
        transitions=sum(request != KEEP for _, _, calls in recording.junctions for _, request, _, _ in calls),
    )


def record(scenario: str, policy: Policy | None) -> Recording:
    """Run a whole scenario and write down what engine and guard were asked and what was shown."""
    run = NetworkRun(load_scenario(scenario))
    lamps: Lamps = {}
    for index, name in enumerate(run.names):
        plan, program = run.plan_set.plans[name], run.plan_set.programs[name]
        run.replace_junction(index, _Recorded(plan, program, watch_of(run.plan_set, name), lamps))
    interval = 1 if policy is None else round(policy.decision_interval)
    if policy is not None:
        policy.reset(run.plans)
    try:
        run.reset(SEED)
        begun = [(junction.plan, junction.state) for junction in run.junctions]
        calls = [junction.record() for junction in run.junctions if isinstance(junction, _Recorded)]
        while not run.done:
            run.advance(run.program_stages() if policy is None else policy.decide(run.views()), interval)
    finally:
        run.close()
    return Recording([(*first, asked) for first, asked in zip(begun, calls, strict=True)], lamps)


def _sumo_alone(scenario: str, lamps: Lamps) -> float:
    loaded = load_scenario(scenario)
    simulation = SumoSimulation(loaded, SEED)
    simulation.start()
    began = time.process_time()
    try:
        while simulation.now < loaded.end:
            for name, letters in lamps.get(simulation.now, ()):
                simulation.set_lamps(name, letters)
            simulation.step()
        return time.process_time() - began
    finally:
        simulation.close()


def _rules_alone(recording: Recording) -> float:
    ready = [(Engine(plan), state, calls) for plan, state, calls in recording.junctions]
    gc.collect()
    gc.freeze()  # the recording is not theirs to walk through
    began = time.process_time()
    for engine, state, calls in ready:
        _again(engine, state, calls)
    asked = time.process_time()
    for _, _, calls in ready:
        _only_read(calls)
    read = time.process_time()
    gc.unfreeze()
    return (asked - began) - (read - asked)


def _again(engine: Engine, state: EngineState, calls: Calls) -> None:
    advance, run, sense = engine.advance, engine.run, engine.sense
    allowed, decide = (guard := Guard(engine)).allowed, guard.decide
    for kind, request, called, until in calls:
        if kind == SENSE:
            state = sense(state, called, until)
        elif kind == ALLOWED:
            allowed(state)
        elif kind == RUN:
            state = run(state, until, request).state
        elif kind == ADVANCE:
            state = advance(state, request, called, until).state
        else:
            decide(state, request)


def _only_read(calls: Calls) -> None:
    """What `_again` does besides asking, or a little less."""
    for kind, _request, _called, _until in calls:
        if kind == SENSE:
            continue
        if kind == ALLOWED:
            continue
        if kind == RUN:
            continue


class _Recorded(SimJunction):
    """A junction that writes down what its engine and guard are asked, and every change of its lamps."""

    def __init__(self, plan: SignalPlan, program: Program, watch: LampWatch, lamps: Lamps) -> None:
        super().__init__(plan, program, watch)
        self._shown_lamps = lamps

    def record(self) -> Calls:
        """Begin now; returns the list that is written."""
        calls: Calls = []
        self.engine, self.guard = _Engine(self.plan, calls), _Guard(self.engine, calls)
        return calls

    def run(self, now: int, end: int) -> list[tuple[int, str]]:
        changes = super().run(now, end)
        for second, letters in changes:
            self._shown_lamps.setdefault(second, []).append((self.plan.junction, letters))
        return changes


class _Engine(Engine):
    """Writes down what it is asked, but not what it asks itself."""

    def __init__(self, plan: SignalPlan, calls: Calls) -> None:
        super().__init__(plan)
        self._plain, self._calls = Engine(plan), calls

    def advance(self, state: EngineState, request: int, calls: int, until: int) -> Advanced:
        self._calls.append((ADVANCE, request, calls, until))
        return self._plain.advance(state, request, calls, until)

    def run(self, state: EngineState, until: int, request: int = KEEP) -> Run:
        self._calls.append((RUN, request, 0, until))
        return self._plain.run(state, until, request)

    def sense(self, state: EngineState, calls: int, until: int) -> EngineState:
        self._calls.append((SENSE, KEEP, calls, until))
        return self._plain.sense(state, calls, until)


class _Guard(Guard):
    def __init__(self, engine: Engine, calls: Calls) -> None:
        super().__init__(engine)
        self._plain, self._calls = Guard(engine), calls

    def allowed(self, state: EngineState, grace: int = 0) -> int:
        self._calls.append((ALLOWED, KEEP, 0, 0))
        return self._plain.allowed(state, grace)

    def decide(self, state: EngineState, request: int, grace: int = 0) -> Verdict:
        self._calls.append((DECIDE, request, 0, 0))
        return self._plain.decide(state, request, grace)
