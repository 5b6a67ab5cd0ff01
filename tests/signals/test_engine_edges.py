"""The engine at the edges: strange calls, strange read-backs, the first tenths of a day, who is told what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stopline_signals import (
    KEEP,
    NO_CONFLICT,
    Aspect,
    Engine,
    EngineState,
    Event,
    GroupKind,
    HiRes,
    PlanError,
    SignalGroup,
    SignalPlan,
    Stage,
)
from tests.signals.plans_for_tests import EAST, LEFT, NORTH, WALK, eight_phases, four_groups

G, P, Y, R = Aspect.GREEN, Aspect.PERMISSIVE, Aspect.YELLOW, Aspect.RED
X = NO_CONFLICT


def settle(plan: SignalPlan, stage: int = 0, now: int = 400) -> EngineState:
    engine = Engine(plan)
    return engine.advance(engine.start(0, stage), KEEP, 0, now).state


@pytest.mark.parametrize("stranger", [4, 5, 63])
def test_a_call_of_a_group_the_plan_has_not_is_nobodys(stranger: int) -> None:
    engine = Engine(four_groups())
    state = settle(engine.plan)
    calls = 1 << stranger | 1 << EAST
    after, events = engine.advance(state, KEEP, calls, 450)
    assert after.waiting_since == (-1, 400, -1, -1)
    assert events == [Event(400, HiRes.CALL_ON, EAST + 1)]
    assert engine.advance(after, KEEP, 1 << stranger, 460).events == [Event(450, HiRes.CALL_OFF, EAST + 1)]


@pytest.mark.parametrize("asked", [-2, -99, 4, 99])
def test_a_stage_that_is_not_there_is_refused_by_number(asked: int) -> None:
    engine = Engine(four_groups())
    for until in (400, 401, 500):
        with pytest.raises(PlanError, match=f"junction test: asked for stage {asked} of 3"):
            engine.advance(settle(engine.plan), asked, 0, until)


def test_the_stage_a_cabinet_reports_is_legal_whatever_lamps_it_shows() -> None:
    """A green that the stage has not, and that is too young to be ended by us."""
    engine = Engine(four_groups())
    for stage in (1, 2):
        seen = engine.observed(500, stage, [G, R, R, R], previous=None, in_transition=False, calls=0)
        assert engine.legal(seen) == 1 << stage | 1


def test_a_read_back_of_another_number_of_lamps_is_no_read_back() -> None:
    engine = Engine(four_groups())
    seen = engine.observed(500, 0, [G, R, P, R], previous=None, in_transition=False, calls=0)
    for lamps in ([R, R, R], [R, R, R, R, R]):
        with pytest.raises(ValueError, match="zip"):
            engine.observed(501, 0, lamps, previous=seen, in_transition=False, calls=0)


def test_a_new_engine_goes_on_from_what_another_one_saw() -> None:
    """A call that waited at a red that is green now, lamps the new one has not met before."""
    seen = Engine(four_groups()).observed(500, 0, [G, R, P, R], previous=None, in_transition=False, calls=2)
    assert seen.waiting_since == (-1, 500, -1, -1)
    engine = Engine(four_groups())
    later = engine.observed(560, 1, [R, G, R, R], previous=seen, in_transition=False, calls=1)
    assert later.waiting_since == (560, -1, -1, -1)
    assert later.called == 1


@pytest.mark.parametrize("stage", [0, 5])
def test_a_green_in_the_first_tenth_of_a_day_is_shown_at_once(stage: int) -> None:
    """Times smaller than the numbers of groups are times like any other."""
    plan = replace(eight_phases(), startup_red=0)
    engine = Engine(plan)
    first = plan.stages[stage].protected
    for until in (1, 2, 3):
        state, events = engine.advance(engine.start(0, stage), KEEP, 0, until)
        assert all(state.aspects[group] == G for group in first if not plan.groups[group].on_demand)
        assert {event.time for event in events} == {1}


def test_calls_that_begin_together_are_told_in_the_order_of_groups() -> None:
    """A crossing that stands before a street, both ended at one tenth with their calls held."""
    groups = (
        SignalGroup(name="walk", kind=GroupKind.PEDESTRIAN, walk=40, clearance=30),
        SignalGroup(name="main", yellow=30, min_green=40),
        SignalGroup(name="side", yellow=30, min_green=40),
    )
    matrix = ((X, X, 50), (X, X, 50), (50, 50, X))
    nobody = ((False,) * 3,) * 3
    stages = (Stage("main", (0, 1)), Stage("side", (2,)))
    plan = SignalPlan(junction="test", groups=groups, stages=stages, intergreen=matrix, yields=nobody)
    engine = Engine(plan)
    state = engine.advance(settle(plan), KEEP, 0b011, 401).state
    calls = [event for event in engine.advance(state, 1, 0b011, 500).events if event.code >= HiRes.CALL_ON]
    assert calls == [Event(402, HiRes.PED_CALL, 1), Event(402, HiRes.CALL_ON, 2)]


def test_an_overdue_call_of_the_stage_holds_no_walk_back_in_any_stage() -> None:
    plan = four_groups()
    plan = replace(plan, stages=(plan.stages[1], plan.stages[2], plan.stages[0]), program=None)
    engine = Engine(plan)
    state = settle(plan, 2, now=3000)._replace(called=1 << WALK)
    late = state._replace(waiting_since=(-1, -1, -1, state.now - engine.limits[WALK] - 5))
    assert engine.advance(late, KEEP, 1 << WALK, state.now + 2).state.aspects[WALK] == G


def walk_first() -> SignalPlan:
    """The four groups with the crossing in front, which waits 20 s for the street it crosses."""
    old, order = four_groups(), (WALK, NORTH, EAST, LEFT)
    slow = {(EAST, WALK): 200}
    place = {group: index for index, group in enumerate(order)}
    return replace(
        old,
        groups=tuple(old.groups[g] for g in order),
        stages=tuple(
            Stage(
                stage.name,
                tuple(sorted(place[g] for g in stage.protected)),
                tuple(place[g] for g in stage.permissive),
            )
            for stage in old.stages
        ),
        intergreen=tuple(tuple(slow.get((i, j), old.intergreen[i][j]) for j in order) for i in order),
        yields=tuple(tuple(old.yields[i][j] for j in order) for i in order),
        detectors=(),
    )


def test_nobody_calls_unless_told() -> None:
    """With a crossing as first group a call too many would be its call."""
    plan = walk_first()
    engine = Engine(plan)
    state = settle(plan, 1)
    assert (engine.transition_time(state, 0), engine.transition_time(state, 0, 1)) == (60, 200)
    assert engine.typical_transition(1, 0) == 60
    assert engine.worst_transition(1, 0) == 60
    late = state._replace(now=900 - 60 - 1)
    assert plan.program is not None
    cycle = replace(plan.program, steps=(plan.program.steps[0], replace(plan.program.steps[1])))
    engine = Engine(replace(plan, program=cycle))
    assert engine.program_request(late) == 1
    assert engine.program_request(late, 1) == 0
    started = engine.advance(engine.start(0, 0), KEEP, 0, 200).state
    assert started.aspects[0] == R
    assert started.since[0] == 0


def test_limits_look_at_the_stage_that_serves_a_group_best_and_no_other() -> None:
    """Left is protected in its own stage; the longer way to the one where it yields is no matter."""
    plan = four_groups()
    matrix = ((X, 50, 50, X), (300, X, 60, 60), (50, 50, X, X), (X, 150, X, X))
    engine = Engine(replace(plan, intergreen=matrix))
    longest_minimum = max(group.minimum for group in plan.groups)
    way = max(engine.worst_transition(other, 2) for other in range(3))
    assert way < 300 == engine.worst_transition(1, 0)
    assert engine.limits[LEFT] == plan.groups[LEFT].max_red - way - longest_minimum
    unserved = Engine(replace(plan, stages=plan.stages[1:], program=None))
    assert unserved.limits[NORTH] == plan.groups[NORTH].max_red - longest_minimum
