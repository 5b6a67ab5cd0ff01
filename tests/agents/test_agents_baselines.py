"""Every rule keeps the contract of the seam, and does what its name says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stopline_agents.baselines import Actuated, FixedTime, Greedy, MaxPressure, RateIndex
from stopline_agents.controllers import RULES, make_controller
from stopline_policy import JunctionView, Policy, check_policy
from stopline_policy.sample_plans import sample_plans
from stopline_signals.detectors import NOTHING, DetectorReading, calls_from
from stopline_signals.engine import Engine, EngineState
from stopline_signals.errors import PolicyError
from stopline_signals.guard import Guard
from stopline_signals.plan import DetectorKind, SignalPlan

CROSSING, FOUR_STAGES = (plan.rounded_up(10) for plan in sample_plans())


class Street:
    """One junction with constant traffic per group."""

    def __init__(self, plan: SignalPlan, near: dict[int, int], far: dict[int, int] | None = None) -> None:
        self.plan = plan
        self.engine = Engine(plan)
        self.guard = Guard(self.engine)
        self.state: EngineState = self.engine.start(0)
        self.near, self.far = near, far or {}

    @property
    def readings(self) -> tuple[DetectorReading, ...]:
        zones = {
            DetectorKind.NEAR_ZONE: self.near,
            DetectorKind.FAR_ZONE: self.far,
            DetectorKind.BUTTON: self.near,
        }
        return tuple(
            DetectorReading(n, n) if (n := zones[d.kind].get(d.group, 0)) else NOTHING
            for d in self.plan.detectors
        )

    def view(self) -> JunctionView:
        return JunctionView(
            self.plan, self.state, self.readings, self.guard.allowed(self.state), self.state.now / 10
        )

    def step(self, policy: Policy) -> int:
        """One decision; returns the stage in force afterwards."""
        stage = policy.decide([self.view()])[0]
        calls = calls_from(self.plan, self.readings)
        until = self.state.now + round(policy.decision_interval * 10)
        self.state = self.engine.advance(self.state, stage, calls, until).state
        return self.state.stage

    def stages(self, policy: Policy, seconds: float) -> list[int]:
        """The stage in force after every decision."""
        policy.reset([self.plan])
        return [self.step(policy) for _ in range(int(seconds / policy.decision_interval))]


def order_of(stages: list[int]) -> list[int]:
    return [stage for i, stage in enumerate(stages) if i == 0 or stages[i - 1] != stage]


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_keeps_the_contract(name: str) -> None:
    policy = make_controller(name)
    assert policy.name == name
    check_policy(policy, seconds=900)


def test_fixed_keeps_cycle_and_offset() -> None:
    street = Street(FOUR_STAGES, {})
    policy = FixedTime()
    policy.reset([FOUR_STAGES])
    starts: dict[int, list[int]] = {}
    green: tuple[int, ...] = ()
    for _ in range(5 * 90):
        street.step(policy)
        now_green = tuple(g for g, aspect in enumerate(street.state.aspects) if aspect >= 2)
        if now_green != green and now_green and street.state.now >= street.state.settled_at:
            starts.setdefault(street.state.stage, []).append(street.state.now)
            green = now_green
    program = FOUR_STAGES.program
    assert program is not None
    for step in program.steps:
        # The first cycle is cut by the start-up; seen in whole seconds, so up to one late.
        assert len(starts[step.stage]) >= 4
        for start in starts[step.stage][2:]:
            assert 0 <= (start - program.offset - step.green_at) % program.cycle <= 10


def test_fixed_needs_a_program() -> None:
    with pytest.raises(PolicyError, match="check-crossing"):
        FixedTime().reset([replace(CROSSING, program=None)])


def test_actuated_rests_without_other_calls_and_skips_what_nobody_calls() -> None:
    assert order_of(Street(FOUR_STAGES, {0: 3}).stages(Actuated(), 200)) == [0]
    assert set(Street(FOUR_STAGES, {0: 3, 6: 2}).stages(Actuated(), 400)) == {0, 2}


def test_actuated_gaps_out_at_once_and_ends_at_its_maximum_under_load() -> None:
    lengths: dict[bool, int] = {}
    for loaded in (False, True):
        street = Street(FOUR_STAGES, {0: 3 if loaded else 0, 2: 1})
        stages = street.stages(Actuated(max_green_factor=1.2), 120)
        lengths[loaded] = stages.index(2)
    assert lengths[False] < 15
    assert FOUR_STAGES.program is not None
    split = FOUR_STAGES.program.steps[1].green_at / 10
    assert 1.0 * split <= lengths[True] <= 1.2 * split + 15


def test_actuated_serves_a_pedestrian_call() -> None:
    assert 1 in Street(CROSSING, {0: 4, 2: 1}).stages(Actuated(), 200)


def test_greedy_goes_where_most_vehicles_are() -> None:
    street = Street(FOUR_STAGES, {0: 2, 2: 5, 7: 3})
    assert street.stages(Greedy(), 60)[-1] == 2
    far = Street(FOUR_STAGES, {0: 2, 2: 1}, {3: 9})
    assert far.stages(Greedy(), 60)[-1] == 3
    assert Street(FOUR_STAGES, {0: 2, 2: 1}, {3: 9}).stages(Greedy(far=False), 60)[-1] == 0


def test_max_pressure_counts_lanes() -> None:
    street = Street(FOUR_STAGES, {0: 3, 1: 4})
    assert street.stages(MaxPressure(), 60)[-1] == 0, "3 on two lanes weigh more than 4 on one"


def test_rate_index_does_not_switch_for_little() -> None:
    street = Street(FOUR_STAGES, {0: 6, 2: 2})
    assert order_of(street.stages(RateIndex(), 60)) == [0]
    street = Street(FOUR_STAGES, {0: 1, 2: 8, 6: 8})
    assert 2 in street.stages(RateIndex(), 60)


@pytest.mark.parametrize("name", sorted(RULES))
def test_no_rule_lets_a_call_wait_past_max_red(name: str) -> None:
    street = Street(CROSSING, {0: 9, 1: 1, 2: 1})
    longest = 0
    policy = make_controller(name)
    policy.reset([CROSSING])
    for _ in range(int(1200 / policy.decision_interval)):
        street.step(policy)
        waits = [street.state.now - since for since in street.state.waiting_since if since >= 0]
        longest = max(longest, *waits, 0)
    assert longest <= max(group.max_red for group in CROSSING.groups)


def test_unknown_controllers_are_explained() -> None:
    with pytest.raises(PolicyError, match="max-pressure"):
        make_controller("clever")
    with pytest.raises(PolicyError, match="MODULE:CLASS"):
        make_controller("python:no_such_module:Thing")
    with pytest.raises(PolicyError, match="lacks"):
        make_controller("python:collections:OrderedDict")


def test_a_third_party_class_is_a_controller() -> None:
    policy = make_controller("python:stopline_agents.baselines:Greedy")
    assert isinstance(policy, Greedy)
