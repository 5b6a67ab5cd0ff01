"""The engine, edge by edge: tenths before and after a deadline, read-back, events, the fixed program."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stopline_signals import KEEP, Aspect, Engine, EngineState, Event, HiRes, PlanError, SignalPlan, Stage
from stopline_signals.engine import LONG_AGO, shown_green
from stopline_signals.plan import FixedProgram, ProgramStep
from tests.signals.plans_for_tests import EAST, LEFT, NORTH, WALK, eight_phases, four_groups, shared_lanes

G, P, Y, R = Aspect.GREEN, Aspect.PERMISSIVE, Aspect.YELLOW, Aspect.RED


def settle(plan: SignalPlan, stage: int = 0, now: int = 400) -> EngineState:
    engine = Engine(plan)
    return engine.advance(engine.start(0, stage), KEEP, 0, now).state


def test_green_means_permissive_or_better() -> None:
    assert [shown_green(aspect) for aspect in (R, Y, P, G)] == [False, False, True, True]


def test_the_minimum_is_over_at_its_last_tenth() -> None:
    engine = Engine(four_groups())
    began = engine.advance(engine.start(0), KEEP, 0, 30).state
    for age, legal in ((0, False), (49, False), (50, True)):
        state = engine.advance(began, KEEP, 0, 30 + age).state
        assert bool(engine.legal(state) >> 1 & 1) == legal
        assert engine.earliest(state, 1) == 80
        assert engine.waits(state)[1] == 50 - age
        assert engine.legal(state) & 1


def test_the_stage_in_force_is_legal_whatever_its_number() -> None:
    plan = eight_phases()
    engine = Engine(plan)
    for stage in range(8):
        young = engine.advance(engine.start(0, stage), KEEP, 0, 35).state
        assert engine.legal(young) >> stage & 1
        running = engine.advance(settle(plan, stage, 900), (stage + 3) % 8, 0, 901).state
        assert engine.legal(running) == 1 << running.stage


def test_waits_are_the_times_until_each_stage_is_legal() -> None:
    plan = four_groups()
    engine = Engine(plan)
    state = engine.advance(settle(plan), 1, 0, 410).state
    for _ in range(200):
        waits = engine.waits(state)
        assert waits == [engine.earliest(state, stage) - state.now for stage in range(3)]
        assert [wait == 0 for wait in waits] == [
            bool(engine.legal(state) >> s & 1) and not state.in_transition for s in range(3)
        ]
        state = engine.advance(state, KEEP, 0, state.now + 1).state


def test_transition_time_is_what_it_takes() -> None:
    """Asked at any moment, also in the middle of a transition, the promise is kept to the tenth."""
    plan = four_groups()
    engine = Engine(plan)
    start = settle(plan)
    for asked_at in (400, 401, 420, 440, 449):
        state = engine.advance(start, 1, 0, asked_at).state if asked_at > 400 else start
        promised = engine.transition_time(state, 2)
        at = max(state.settled_at, state.now)
        moved = state._replace(now=at) if not state.pending else engine.advance(state, KEEP, 0, at).state
        reached = engine._change(moved, 2, 0).settled_at
        assert state.now + promised == reached


def with_slow_walk() -> SignalPlan:
    """The crossing waits 20 s for the east street, everybody else 6 s."""
    plan = four_groups()
    east = (60, plan.intergreen[EAST][EAST], 60, 200)
    return replace(plan, intergreen=(plan.intergreen[0], east, *plan.intergreen[2:]))


def test_transition_time_counts_a_called_walk_only_when_told() -> None:
    plan = with_slow_walk()
    engine = Engine(plan)
    state = settle(plan, 1)
    assert engine.transition_time(state, 0) == 60
    assert engine.transition_time(state, 0, 1 << NORTH) == 60
    assert engine.transition_time(state, 0, 1 << WALK) == 200


def test_a_program_asks_for_the_next_stage_just_early_enough() -> None:
    plan = four_groups()
    engine = Engine(plan)
    for step, coming, green_at in ((0, 1, 300), (1, 2, 600), (2, 0, 900)):
        state = settle(plan, step, 200)
        lead = engine.transition_time(state, coming)
        for now, asked in ((green_at - lead - 1, step), (green_at - lead, coming)):
            assert engine.program_request(state._replace(now=now)) == asked


def test_a_program_gives_a_called_walk_its_time_as_well() -> None:
    plan = with_slow_walk()
    plan = replace(plan, program=FixedProgram(900, 0, (ProgramStep(0, 0), ProgramStep(1, 300))))
    engine = Engine(plan)
    state = settle(plan, 1, 700)
    for calls, lead in ((0, 60), (1 << NORTH, 60), (1 << WALK, 200)):
        assert engine.program_request(state._replace(now=899 - lead), calls) == 1
        assert engine.program_request(state._replace(now=900 - lead), calls) == 0


def test_a_program_that_repeats_a_stage_keeps_it() -> None:
    steps = (ProgramStep(0, 0), ProgramStep(0, 300), ProgramStep(1, 600))
    engine = Engine(replace(four_groups(), program=FixedProgram(900, 0, steps)))
    assert engine.program_request(settle(engine.plan, 0, 290)) == 0


def test_a_plan_without_a_program_says_so() -> None:
    plan = replace(four_groups(), program=None)
    with pytest.raises(PlanError, match="junction test: has no fixed program"):
        Engine(plan).program_request(settle(plan))


def test_the_first_read_back_knows_of_nothing_before() -> None:
    engine = Engine(four_groups())
    seen = engine.observed(500, 1, [R, G, R, Y], previous=None, in_transition=False, calls=0b0001)
    assert seen == EngineState(
        500, 1, 500, (R, G, R, Y), (500,) * 4, (500,) * 4, (500, -1, -1, -1), (), 0b0001
    )
    assert type(seen.aspects) is tuple
    moving = engine.observed(500, 1, [R, G, R, Y], previous=None, in_transition=True, calls=0)
    assert moving.settled_at == 501
    assert moving.in_transition
    assert moving.waiting_since == (-1,) * 4


def test_a_read_back_learns_from_the_one_before() -> None:
    engine = Engine(four_groups())
    one = engine.observed(500, 0, (G, R, P, G), previous=None, in_transition=False, calls=0b0010)
    two = engine.observed(520, 0, (G, R, P, Y), previous=one, in_transition=False, calls=0b0010)
    assert two.since == (500, 500, 500, 520)
    assert two.ended == (500, 500, 500, 520)
    assert two.waiting_since == (-1, 500, -1, -1)
    assert two.settled_at == 500
    three = engine.observed(530, 1, (Y, R, Y, Y), previous=two, in_transition=True, calls=0b0011)
    assert three.since == (530, 500, 530, 520)
    assert three.ended == (530, 500, 530, 520)
    assert three.waiting_since == (530, 500, -1, -1)
    assert (three.settled_at, three.pending) == (531, ())
    four = engine.observed(590, 1, (R, G, R, R), previous=three, in_transition=False, calls=0b0001)
    assert four.since == (590, 590, 590, 590)
    assert four.ended == (530, 500, 530, 520)
    assert four.waiting_since == (530, -1, -1, -1)
    assert four.settled_at == 531
    late = engine.observed(610, 1, (R, G, R, R), previous=four, in_transition=False, calls=0)
    assert late.waiting_since == (-1,) * 4
    assert (late.settled_at, late.since) == (531, (590,) * 4)


def test_a_green_that_becomes_permissive_has_ended_and_the_reverse_has_not() -> None:
    engine = Engine(four_groups())
    one = engine.observed(500, 2, (R, R, G, R), previous=None, in_transition=False, calls=0)
    two = engine.observed(560, 0, (R, R, P, R), previous=one, in_transition=True, calls=0)
    assert (two.ended[LEFT], two.since[LEFT]) == (560, 560)
    three = engine.observed(600, 2, (R, R, G, R), previous=two, in_transition=True, calls=0)
    assert (three.ended[LEFT], three.since[LEFT]) == (560, 600)


def test_settled_in_a_read_back_never_lies_ahead() -> None:
    engine = Engine(four_groups())
    running = engine.observed(500, 0, (R, R, R, R), previous=None, in_transition=True, calls=0)
    arrived = engine.observed(500, 0, (G, R, P, R), previous=running, in_transition=False, calls=0)
    assert arrived.settled_at == 500
    assert not arrived.in_transition


def test_events_of_a_change_in_full() -> None:
    plan = four_groups()
    engine = Engine(plan)
    events = engine.advance(settle(plan), 1, 0, 600).events
    assert events == [
        *(Event(401, code, 1) for code in (HiRes.GREEN_END, HiRes.YELLOW)),
        *(Event(401, code, 3) for code in (HiRes.GREEN_END, HiRes.YELLOW)),
        *(Event(431, code, 1) for code in (HiRes.YELLOW_END, HiRes.RED_CLEARANCE)),
        *(Event(431, code, 3) for code in (HiRes.YELLOW_END, HiRes.RED_CLEARANCE)),
        Event(451, HiRes.GREEN, 2),
    ]


def test_events_of_calls_and_walks() -> None:
    plan = four_groups()
    engine = Engine(plan)
    state, events = engine.advance(settle(plan, 1), KEEP, 0b1001, 401)
    assert events == [Event(400, HiRes.CALL_ON, 1), Event(400, HiRes.PED_CALL, 4)]
    state, events = engine.advance(state, KEEP, 0, 402)
    assert events == [Event(401, HiRes.CALL_OFF, 1), Event(401, HiRes.CALL_OFF, 4)]
    walk = engine.advance(settle(plan, 0), KEEP, 1 << WALK, 600).events
    assert [(event.time, event.code) for event in walk if event.param == 4] == [
        (400, HiRes.PED_CALL), (401, HiRes.WALK), (471, HiRes.PED_CLEARANCE), (471, HiRes.PED_CALL),
        (591, HiRes.DONT_WALK),
    ]  # fmt: skip


def test_a_turn_that_only_gains_its_right_begins_no_new_green() -> None:
    """Permissive to protected is one green; protected to permissive has a yellow between."""
    plan = four_groups()
    engine = Engine(plan)
    gained = engine.advance(settle(plan, 0), 2, 0, 600).events
    assert [event.code for event in gained if event.param == LEFT + 1] == []


def test_start_up_knows_of_no_green_and_no_call() -> None:
    engine = Engine(four_groups())
    state = engine.start(77, 2)
    assert state[:4] == (77, 2, 107, (R,) * 4)
    assert state.since == (77,) * 4
    assert state.ended == (LONG_AGO,) * 4
    assert state.waiting_since == (-1,) * 4
    assert state.called == 0


def test_ending_a_shared_lane_ends_the_one_that_turns_across_it() -> None:
    """Neither may be left permissive while the other is cut, so both minima count for every stage."""
    plan = shared_lanes()
    engine = Engine(plan)
    state = settle(plan, 0)
    young = state._replace(since=(state.now - 500, state.now - 10, 0, 0))
    assert engine.legal(young) == 1
    assert engine.earliest(young, 2) == state.now - 10 + plan.groups[1].min_green
    old = state._replace(since=(state.now - 500,) * 4)
    assert engine.legal(old) == (2 << len(plan.stages)) - 1


def test_a_walk_is_not_begun_while_another_call_is_overdue() -> None:
    plan = four_groups()
    engine = Engine(plan)
    state = settle(plan, now=3000)
    late = state._replace(waiting_since=(-1, state.now - engine.limits[EAST], -1, -1), called=1 << EAST)
    calls = 1 << EAST | 1 << WALK
    assert engine.advance(late, KEEP, calls, state.now + 5).state.aspects[WALK] == R
    in_time = state._replace(waiting_since=(-1, state.now, -1, -1), called=1 << EAST)
    assert engine.advance(in_time, KEEP, calls, state.now + 5).state.aspects[WALK] == G


def test_an_overdue_call_that_the_stage_serves_holds_no_walk_back() -> None:
    plan = four_groups()
    engine = Engine(plan)
    state = settle(plan, now=3000)._replace(called=1 << WALK)
    late = state._replace(waiting_since=(-1, -1, -1, state.now - engine.limits[WALK] - 5))
    assert engine.advance(late, KEEP, 1 << WALK, state.now + 2).state.aspects[WALK] == G


def test_a_walk_begins_at_the_tenth_the_stage_is_reached() -> None:
    plan = four_groups()
    engine = Engine(plan)
    running = engine.advance(settle(plan, 1), 0, 0, 401).state
    there = engine.advance(running, KEEP, 1 << WALK, running.settled_at).state
    assert there.aspects[WALK] == G
    assert engine.advance(running, KEEP, 1 << WALK, running.settled_at - 1).state.aspects[WALK] == R


def test_asking_anew_in_the_middle_keeps_the_yellow_that_runs() -> None:
    """The walk's clearance runs on into the next stage, to its own end."""
    plan = four_groups()
    engine = Engine(plan)
    walking = engine.advance(settle(plan), KEEP, 1 << WALK, 480).state
    assert walking.aspects[WALK] == Y
    state = engine.advance(walking, 2, 0, 481).state
    red_at = walking.pending[0][0]
    while state.aspects[WALK] == Y:
        state = engine.advance(state, KEEP, 0, state.now + 1).state
    assert state.now == red_at == walking.ended[WALK] + plan.groups[WALK].clearance


def test_typical_ways_leave_crossings_at_rest_and_worst_ones_do_not() -> None:
    plan = four_groups()
    engine = Engine(plan)
    assert engine.typical_transition(0, 1) == plan.intergreen[NORTH][EAST]
    assert engine.worst_transition(0, 1) == plan.intergreen[WALK][EAST]
    assert engine.worst_transition(1, 0) == engine.typical_transition(1, 0) == plan.intergreen[EAST][NORTH]
    alone = replace(plan, stages=(Stage("north", (NORTH,)), *plan.stages[1:]))
    assert Engine(alone).worst_transition(0, 1) == plan.intergreen[NORTH][EAST]


def test_a_group_without_patience_is_overdue_at_once() -> None:
    plan = four_groups()
    hasty = replace(plan, groups=(replace(plan.groups[NORTH], max_red=1), *plan.groups[1:]))
    engine = Engine(hasty)
    assert engine.limits[NORTH] == 0
    state = settle(hasty, 1)._replace(waiting_since=(400, -1, -1, -1), called=1)
    assert engine.most_overdue(state) == NORTH


def test_a_call_at_midnight_waits_like_any_other() -> None:
    engine = Engine(four_groups())
    for since in (0, 1):
        state = settle(engine.plan, 1, 3000)._replace(waiting_since=(since, -1, -1, -1), called=1)
        assert engine.most_overdue(state) == NORTH


def test_start_up_is_for_the_first_stage_unless_told() -> None:
    assert Engine(four_groups()).start(5).stage == 0


def test_a_clock_that_runs_backwards_is_named() -> None:
    engine = Engine(four_groups())
    with pytest.raises(PlanError, match="junction test: time ran backwards, 100 to 99 tenths"):
        engine.advance(engine.start(100), KEEP, 0, 99)


def remembered(engine: Engine, grace: int = 0) -> EngineState:
    """A settled state, all legal and nobody overdue, which the engine has been asked for both."""
    state = engine.advance(engine.start(0, 0), KEEP, 0, 400).state
    state = engine.advance(state, KEEP, 1 << EAST, 401).state
    assert engine.legal(state) == 0b1111
    assert engine.most_overdue(state, grace) is None
    return state


def test_ease_is_remembered_from_the_very_moment_it_was_worked_out() -> None:
    engine = Engine(four_groups())
    state = remembered(engine)
    assert engine.at_ease(state)
    assert engine.at_ease(state._replace(now=900))
    assert engine.at_ease(state._replace(settled_at=state.now))
    assert not engine.at_ease(state._replace(now=state.now - 1))
    assert not engine.at_ease(state._replace(settled_at=state.now + 1))


@pytest.mark.parametrize("field", ["since", "aspects", "waiting_since"])
def test_ease_is_remembered_of_one_state_and_no_other(field: str) -> None:
    engine = Engine(four_groups())
    state = remembered(engine)
    other: dict[str, Any] = {field: (*getattr(state, field),)}  # the same in another tuple
    assert not engine.at_ease(state._replace(**other))


def test_ease_ends_when_somebody_is_overdue_and_grace_comes_after_it() -> None:
    engine = Engine(four_groups())
    state = remembered(engine)
    due = state.waiting_since[EAST] + engine.limits[EAST]
    for grace in (0, 7):
        last, late = state._replace(now=due - 1 + grace), state._replace(now=due + grace)
        assert engine.at_ease(last, grace)
        assert engine.most_overdue(last, grace) is None
        assert not engine.at_ease(late, grace)
        assert engine.most_overdue(late, grace) == EAST


def test_a_new_call_is_not_taken_for_calm_because_there_was_none() -> None:
    """A call that began while nobody asked how long others wait is overdue at its own limit."""
    engine = Engine(four_groups())
    state = engine.advance(engine.start(0, 1), KEEP, 0, 400).state
    assert engine.most_overdue(state) is None
    state = engine.advance(state, KEEP, 1 << LEFT, 420).state
    state = engine.sense(state, 1 << LEFT | 1 << NORTH, 1000)
    due = state.waiting_since[LEFT] + engine.limits[LEFT]
    assert engine.most_overdue(state._replace(now=due - 1)) is None
    assert engine.most_overdue(state._replace(now=due)) == LEFT


def test_a_jump_over_several_moments_tells_the_calls_of_each_in_its_place() -> None:
    """Who is called while green waits from the end of it on, also where that is not the last moment."""
    engine, calls = Engine(four_groups()), 1 << NORTH | 1 << LEFT
    state = engine.advance(engine.start(0, 0), KEEP, calls, 450).state
    state = state._replace(pending=((500, LEFT, Y), (530, LEFT, R), (600, NORTH, Y)))
    events = engine.advance(state, KEEP, calls, 700).events
    waits = [(event.time, event.param) for event in events if event.code == HiRes.CALL_ON]
    assert waits == [(500, LEFT + 1), (600, NORTH + 1)]
    assert [event.time for event in events] == sorted(event.time for event in events)
