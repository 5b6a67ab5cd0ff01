"""The public conformance check of the policy seam: run it on your own policy before you plug it in."""

from __future__ import annotations

import random
from collections.abc import Sequence

from stopline_policy.sample_plans import sample_plans
from stopline_policy.seam import ABSTAIN, JunctionView, Policy
from stopline_signals.detectors import DetectorReading, calls_from
from stopline_signals.engine import Engine, EngineState
from stopline_signals.errors import PolicyError
from stopline_signals.guard import Guard
from stopline_signals.plan import DetectorKind, SignalPlan


def check_policy(
    policy: Policy, plans: Sequence[SignalPlan] | None = None, *, seconds: float = 300.0, seed: int = 7
) -> None:
    """Drive a policy through random traffic under the rule book; PolicyError says what it broke.

    Checked: name and interval; one decision per view, in order; only allowed stages or ABSTAIN; the same
    decisions after ``reset``; any number of junctions; junctions decided one by one as well as together.

    Args:
        policy: The policy under test; it is reset.
        plans: Junctions to serve; by default a crossing with pedestrians and a four-stage junction.
        seconds: Simulated time of each run.
        seed: Of the random traffic.
    """
    plans = sample_plans() if plans is None else tuple(plans)
    if not policy.name or policy.decision_interval <= 0:
        raise PolicyError(f"{policy!r}: needs a name and a decision_interval over 0 s")
    first = _drive(policy, plans, seconds, seed)
    _require(
        policy, _drive(policy, plans, seconds, seed) == first, "decides otherwise after reset: it kept state"
    )
    for index, plan in enumerate(plans):
        alone = _drive(policy, [plan], seconds, seed)
        together = [row[index] for row in first]
        _require(
            policy,
            [row[0] for row in alone] == together,
            f"decides otherwise when junction {plan.junction} is alone",
        )
    policy.reset([])
    _require(policy, policy.decide([]) == [], "must answer no views with no decisions")


class _Junction:
    """Engine, guard and random demand of one junction."""

    def __init__(self, plan: SignalPlan, seed: int) -> None:
        self.plan = plan
        self.engine = Engine(plan)
        self.guard = Guard(self.engine)
        self.state: EngineState = self.engine.start(0)
        self._random = random.Random(f"{seed} {plan.junction}")
        self.readings = self._new_readings()

    def view(self) -> JunctionView:
        return JunctionView(
            self.plan, self.state, self.readings, self.guard.allowed(self.state), self.state.now / 10
        )

    def advance(self, request: int, tenths: int) -> None:
        calls = calls_from(self.plan, self.readings)
        self.state = self.engine.advance(self.state, request, calls, self.state.now + tenths).state
        self.readings = self._new_readings()

    def _new_readings(self) -> tuple[DetectorReading, ...]:
        return tuple(self._reading(detector.kind) for detector in self.plan.detectors)

    def _reading(self, kind: DetectorKind) -> DetectorReading:
        healthy = self._random.random() > 0.02
        if kind is DetectorKind.BUTTON:
            return DetectorReading(int(self._random.random() < 0.2), 0, healthy)
        vehicles = max(0, self._random.randint(-4, 8))
        return DetectorReading(vehicles, self._random.randint(0, vehicles), healthy)


def _drive(policy: Policy, plans: Sequence[SignalPlan], seconds: float, seed: int) -> list[list[int]]:
    policy.reset(plans)
    junctions = [_Junction(plan, seed) for plan in plans]
    step = max(1, round(policy.decision_interval * 10))
    decisions: list[list[int]] = []
    for _ in range(max(1, round(seconds * 10) // step)):
        views = [junction.view() for junction in junctions]
        stages = policy.decide(views)
        _check_decisions(policy, views, stages)
        decisions.append(list(stages))
        for junction, stage in zip(junctions, stages, strict=True):
            junction.advance(stage, step)
    return decisions


def _check_decisions(policy: Policy, views: Sequence[JunctionView], stages: Sequence[int]) -> None:
    _require(policy, len(stages) == len(views), f"gave {len(stages)} decisions for {len(views)} junctions")
    for view, stage in zip(views, stages, strict=True):
        place = f"junction {view.plan.junction} at {view.time_s:g} s"
        _require(policy, type(stage) is int, f"{place}: a decision must be an int, found {stage!r}")
        permitted = stage == ABSTAIN or (stage >= 0 and view.allowed >> stage & 1)
        _require(policy, bool(permitted), f"{place}: chose stage {stage}, allowed mask {view.allowed:b}")


def _require(policy: Policy, holds: bool, message: str) -> None:
    if not holds:
        raise PolicyError(f"policy {policy.name}: {message}")
