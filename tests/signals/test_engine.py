"""The engine keeps every interval whatever it is asked, and jumping equals ticking."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stopline_signals import KEEP, Aspect, Engine, EngineState, Event, HiRes, PlanError, SignalPlan
from tests.signals.lamp_checker import LampChecker
from tests.signals.plans_for_tests import EAST, LEFT, NORTH, WALK, four_groups, random_plans

asks = st.lists(
    st.tuples(st.integers(-1, 4), st.integers(0, 63), st.integers(1, 70)), min_size=1, max_size=25
)


def settle(engine: Engine, stage: int = 0, calls: int = 0) -> EngineState:
    return engine.advance(engine.start(0, stage), KEEP, calls, 400).state


@settings(max_examples=300, deadline=None)
@given(plan=random_plans(), asked=asks)
def test_no_request_sequence_breaks_an_interval(plan: SignalPlan, asked: list[tuple[int, int, int]]) -> None:
    engine, checker = Engine(plan), LampChecker(plan)
    state = engine.start(0)
    checker.see(0, state.aspects)
    for request, calls, ticks in asked:
        for _ in range(ticks):
            state = engine.advance(state, min(request, len(plan.stages) - 1), calls, state.now + 1).state
            checker.see(state.now, state.aspects)
    assert checker.problems == []


@settings(max_examples=200, deadline=None)
@given(plan=random_plans(), asked=asks)
def test_jumping_equals_ticking(plan: SignalPlan, asked: list[tuple[int, int, int]]) -> None:
    engine = Engine(plan)
    jumped = ticked = engine.start(0)
    for request, calls, ticks in asked:
        request = min(request, len(plan.stages) - 1)
        result = engine.advance(jumped, request, calls, jumped.now + ticks)
        jumped = result.state
        events: list[Event] = []
        for _ in range(ticks):
            step = engine.advance(ticked, request, calls, ticked.now + 1)
            ticked = step.state
            events.extend(step.events)
        assert jumped == ticked
        assert sorted(result.events) == sorted(events)


@settings(max_examples=150, deadline=None)
@given(plan=random_plans(), asked=asks)
def test_the_mask_tells_the_truth(plan: SignalPlan, asked: list[tuple[int, int, int]]) -> None:
    engine = Engine(plan)
    state = engine.start(0)
    for request, calls, ticks in asked:
        state = engine.advance(state, min(request, len(plan.stages) - 1), calls, state.now + ticks).state
        legal = engine.legal(state)
        for stage in range(len(plan.stages)):
            after = engine.advance(state, stage, calls, state.now).state
            assert (after.stage == stage) == bool(legal >> stage & 1)
            if stage != state.stage:
                assert (engine.earliest(state, stage) <= state.now) == bool(legal >> stage & 1)


def test_groups_in_both_stages_stay_green() -> None:
    plan = four_groups()
    engine = Engine(plan)
    state = engine.advance(settle(engine), 2, 0, 400).state
    left_green_times: list[bool] = []
    while state.in_transition:
        left_green_times.append(state.aspects[LEFT] >= Aspect.PERMISSIVE)
        state = engine.advance(state, 2, 0, state.now + 1).state
    assert all(left_green_times)
    assert state.aspects[LEFT] == Aspect.GREEN


def test_protected_to_permissive_shows_yellow_first() -> None:
    engine = Engine(four_groups())
    state = engine.advance(settle(engine, 2), 0, 0, 400).state
    assert state.aspects[LEFT] == Aspect.YELLOW


def test_a_vehicle_group_ends_late_while_pedestrians_clear() -> None:
    plan = four_groups()
    engine = Engine(plan)
    walking = engine.advance(settle(engine), KEEP, 1 << WALK, 471).state
    assert walking.aspects[WALK] == Aspect.YELLOW
    state = engine.advance(walking, 1, 0, 472).state
    assert state.aspects[NORTH] == Aspect.GREEN
    assert state.settled_at == walking.ended[WALK] + plan.intergreen[WALK][EAST]


def test_a_crossing_is_served_only_on_call_and_ends_by_itself() -> None:
    plan = four_groups()
    engine = Engine(plan)
    quiet = settle(engine)
    assert quiet.aspects[WALK] == Aspect.RED
    called = engine.advance(quiet, KEEP, 1 << WALK, 400).state
    assert called.aspects[WALK] == Aspect.GREEN
    done = engine.advance(called, KEEP, 0, 400 + plan.groups[WALK].walk + plan.groups[WALK].clearance).state
    assert done.aspects[WALK] == Aspect.RED
    assert done.aspects[NORTH] == Aspect.GREEN


def test_start_up_is_all_red_first() -> None:
    engine = Engine(four_groups())
    state = engine.start(1000)
    for now in range(1000, 1030):
        state = engine.advance(state, KEEP, 0, now).state
        assert set(state.aspects) == {Aspect.RED}


def test_the_fixed_program_greens_start_on_time() -> None:
    plan = four_groups()
    engine = Engine(plan)
    state = engine.start(0)
    starts: dict[int, list[int]] = {EAST: [], NORTH: []}
    while state.now < 3600:
        before = state.aspects
        state = engine.advance(state, engine.program_request(state), 0, state.now).state
        state = engine.advance(state, KEEP, 0, state.now + 1).state
        for group, seen in starts.items():
            if before[group] == Aspect.RED and state.aspects[group] == Aspect.GREEN:
                seen.append(state.now)
    assert starts[EAST] == [300, 1200, 2100, 3000]
    assert starts[NORTH][1:] == [900, 1800, 2700, 3600]


def test_events_name_what_happened() -> None:
    engine = Engine(four_groups())
    state = settle(engine)
    events = engine.advance(state, 1, 1 << EAST, 600).events
    codes = [event.code for event in events if event.param == NORTH + 1]
    assert codes == [HiRes.GREEN_END, HiRes.YELLOW, HiRes.YELLOW_END, HiRes.RED_CLEARANCE]
    assert HiRes.CALL_ON in {event.code for event in events if event.param == EAST + 1}


def test_time_never_runs_backwards() -> None:
    engine = Engine(four_groups())
    with pytest.raises(PlanError, match="backwards"):
        engine.advance(engine.start(100), KEEP, 0, 99)


def test_an_unknown_stage_is_refused() -> None:
    engine = Engine(four_groups())
    with pytest.raises(PlanError, match="stage 7"):
        engine.advance(settle(engine), 7, 0, 500)


def test_read_back_gives_the_same_mask_as_running_it() -> None:
    engine = Engine(four_groups())
    state = seen = engine.start(0)
    for step in range(1500):
        request = (step // 170) % 3
        state = engine.advance(state, request, 5, state.now + 1).state
        seen = engine.observed(
            state.now, state.stage, state.aspects, previous=seen, in_transition=state.in_transition, calls=5
        )
        assert engine.legal(seen) & ~engine.legal(state) == 0
        for read, true in zip(seen.waiting_since, state.waiting_since, strict=True):
            assert abs(read - true) <= 1


def test_all_red_is_seen_at_start_up_even_when_the_plan_asks_for_none() -> None:
    plan = replace(four_groups(), startup_red=0)
    engine = Engine(plan)
    state = engine.advance(engine.start(0), 1, 0, 1).state
    assert state.aspects[NORTH] == Aspect.GREEN
    assert state.since[NORTH] == 1
