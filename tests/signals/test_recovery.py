"""After an emergency: the longest wait is served first, and then everything is as it was before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stopline_signals.plan import Preempt, SignalPlan
from stopline_signals.preemption import PreemptControl, PreemptStatus
from stopline_signals.priority import PrioritySettings, Urgency
from stopline_signals.recovery import LONGEST_S
from tests.signals.plans_for_tests import EAST, LEFT, NORTH, four_groups
from tests.signals.priority_course import Course

NORTH_STAGE, EAST_STAGE, LEFT_STAGE = range(3)
REPAYS = PrioritySettings(recovery=True)


def three_streets() -> SignalPlan:
    """The left turn only by itself."""
    plan = four_groups()
    return replace(plan, stages=(replace(plan.stages[NORTH_STAGE], permissive=()), *plan.stages[1:]))


def after_an_ambulance(first: int, second: int, settings: PrioritySettings = REPAYS) -> Course:
    """An ambulance had the north road for a while; meanwhile somebody called, and later somebody else."""
    one = Course(three_streets(), settings)
    one.policy = NORTH_STAGE
    for second_now in range(25):
        one.report("amb", "north", 2.0)
        one.calls = 1 << first | (1 << second if second_now > 10 else 0)
        one.run(10)
    assert one.state.stage == NORTH_STAGE
    one.gone("amb")
    return one


@pytest.mark.parametrize(("first", "second"), [(EAST, LEFT), (LEFT, EAST)])
def test_who_has_waited_longest_is_served_first_and_then_the_policy_decides(first: int, second: int) -> None:
    stage_of = {EAST: EAST_STAGE, LEFT: LEFT_STAGE}
    one = after_an_ambulance(first, second)
    one.tick()
    assert one.stage_wished(Urgency.RECOVERY) == stage_of[first]
    stages = [one.state.stage]
    for _ in range(600):
        one.tick()
        if one.state.stage != stages[-1]:
            stages.append(one.state.stage)
    assert stages[-2:] == [stage_of[first], NORTH_STAGE] and len(stages) <= 3
    assert one.wishes == [] and one.checker.problems == []


def test_without_it_the_policy_decides_at_once() -> None:
    """What the published table was made with."""
    one = after_an_ambulance(EAST, LEFT, PrioritySettings())
    one.run(50)
    assert one.wishes == [] and one.state.stage == NORTH_STAGE


def test_nobody_who_waits_is_made_up_for() -> None:
    one = Course(four_groups(), REPAYS)
    one.report("amb", "north", 2.0)
    one.run(20)
    one.gone("amb")
    one.run(1)
    assert one.wishes == [] and not one.requests.waiting("test")


def test_one_that_asked_for_nothing_yet_leaves_no_debt() -> None:
    one = Course(four_groups(), REPAYS)
    one.calls = 1 << EAST
    one.report("amb", "north", 300.0)
    one.run(20)
    one.gone("amb")
    assert not one.requests.waiting("test")


def test_the_next_emergency_comes_before_the_debt() -> None:
    one = after_an_ambulance(EAST, LEFT)
    one.report("next", "north", 2.0)
    one.run(1)
    assert [wish.urgency for wish in one.wishes] == [Urgency.EMERGENCY]
    one.gone("next")
    one.run(1)
    assert one.stage_wished(Urgency.RECOVERY) == EAST_STAGE, "and then it is paid"


def test_one_that_never_leaves_is_made_up_for_once_its_time_is_over() -> None:
    one = Course(three_streets(), PrioritySettings(recovery=True, max_presence=20.0))
    one.policy, one.calls = NORTH_STAGE, 1 << EAST
    stages: list[int] = []
    for _ in range(60):
        one.report("amb", "north", 2.0)
        one.run(10)
        if not stages or one.state.stage != stages[-1]:
            stages.append(one.state.stage)
    assert stages == [NORTH_STAGE, EAST_STAGE, NORTH_STAGE]
    one.gone("amb")
    one.run(1)
    assert one.wishes == [], "only once"


def test_a_debt_that_cannot_be_paid_is_dropped() -> None:
    one = after_an_ambulance(EAST, LEFT)
    here, clock = one.here, one.clock
    assert one.requests.wishes("test", here, clock)
    # The cabinet does not follow, for whatever reason.
    assert one.requests.wishes("test", here, clock + LONGEST_S - 1)
    assert one.requests.wishes("test", here, clock + LONGEST_S + 1) == []
    assert not one.requests.waiting("test")


@pytest.mark.parametrize("group", ["north", "east", "left"])
@pytest.mark.parametrize("begins", range(0, 900, 150))
def test_the_program_is_in_step_again_within_two_cycles(group: str, begins: int) -> None:
    """From then on every lamp is what it would be had nobody come."""
    undisturbed, one = (Course(four_groups(), REPAYS) for _ in range(2))
    for each in (undisturbed, one):
        each.coordinated = True
        each.calls = 1 << NORTH | 1 << EAST | 1 << LEFT
        each.run(begins)
    for _ in range(40):
        one.report("amb", group, 2.0)
        one.run(10)
    one.gone("amb")
    cycle = one.plan.program.cycle if one.plan.program else 0
    one.run(2 * cycle)
    undisturbed.run(400 + 2 * cycle)
    for _ in range(cycle):
        one.tick()
        undisturbed.tick()
        assert (one.state.stage, one.state.aspects) == (undisturbed.state.stage, undisturbed.state.aspects)
    assert one.checker.problems == []


def test_a_preempts_exit_is_the_stage_that_waited_longest() -> None:
    """Of its exit stages if it names any, of all others if not; the first of equals."""
    plan = replace(three_streets(), preempts=(Preempt(name="fire", dwell=EAST_STAGE, min_duration=10),))
    for waits, exits, wanted in (
        ({NORTH: 200, LEFT: 300}, (), LEFT_STAGE),
        ({NORTH: 300, LEFT: 200}, (), NORTH_STAGE),
        ({NORTH: 300, LEFT: 300}, (), NORTH_STAGE),
        ({NORTH: 200, LEFT: 300}, (NORTH_STAGE,), NORTH_STAGE),
    ):
        named = replace(plan, preempts=(replace(plan.preempts[0], exit_stages=exits),))
        one, control = Course(named, stage=EAST_STAGE), PreemptControl(named)
        waiting = tuple(one.state.now - waits[g] if g in waits else -1 for g in range(len(plan.groups)))
        state = one.state._replace(waiting_since=waiting)
        memory = control.start(0)._replace(status=(PreemptStatus.EXIT_STARTED,))
        assert control.decide(memory, state, 0).stage == wanted, (waits, exits)
