"""Commands are few, and a cabinet that does something else is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stopline_signals import KEEP, Engine, EngineState, Guard, SignalPlan
from stopline_signals.commands import CommandRate, Discrepancy, ReadBack, ReadBackMemory
from tests.signals.plans_for_tests import EAST, NORTH, WALK, four_groups, random_plans

PATIENCE = 20


def test_no_window_holds_more_commands_than_allowed() -> None:
    rate = CommandRate(most=3, window=100)
    sent: tuple[int, ...] = ()
    granted: list[int] = []
    for now in range(600):
        sent, may = rate.take(sent, now)
        granted += [now] * may
        assert len(sent) <= 3
    assert granted[:4] == [0, 1, 2, 100]
    assert all(sum(now <= at < now + 100 for at in granted) <= 3 for now in range(600))


def test_a_clock_that_ran_backwards_owes_nothing() -> None:
    rate = CommandRate(most=1, window=100)
    assert rate.take((5000,), 10) == ((10,), True)


@settings(max_examples=60, deadline=None)
@given(plan=random_plans(), asked=st.lists(st.integers(0, 9), max_size=25), calls=st.integers(0, 63))
def test_a_cabinet_that_obeys_is_never_suspected(plan: SignalPlan, asked: list[int], calls: int) -> None:
    engine = Engine(plan)
    guard, watch = Guard(engine), ReadBack(engine, PATIENCE)
    memory, state = ReadBackMemory(), engine.start(0)
    for request in asked:
        stage = guard.decide(state, request % len(plan.stages)).stage
        for _ in range(30):
            state = engine.advance(state, stage, calls, state.now + 3).state
            memory, found = watch.see(memory, state, stage)
            assert found is None


def settled() -> tuple[Engine, EngineState]:
    engine = Engine(four_groups())
    return engine, engine.advance(engine.start(0), KEEP, 0, 400).state


def suspected(engine: Engine, state: EngineState, asked: int) -> tuple[int, Discrepancy] | None:
    """When the same picture is first suspected, in tenths from now."""
    watch, memory = ReadBack(engine, PATIENCE), ReadBackMemory()
    for after in range(60):
        memory, found = watch.see(memory, state._replace(now=state.now + after), asked)
        if found is not None:
            return after, found
    return None


def test_a_stage_that_is_not_entered_is_noticed_when_it_could_be() -> None:
    engine, state = settled()
    assert suspected(engine, state, KEEP) is None
    assert suspected(engine, state, 0) is None
    assert suspected(engine, state, 1) == (PATIENCE + 1, Discrepancy.NOT_FOLLOWED)
    green = state._replace(since=(state.now - 20, *state.since[1:]))
    assert suspected(engine, green, 1) == (30 + PATIENCE + 1, Discrepancy.NOT_FOLLOWED)


@pytest.mark.parametrize(("group", "aspect"), [(NORTH, 0), (NORTH, 1), (NORTH, 2), (EAST, 3), (EAST, 2)])
def test_lamps_of_another_stage_are_noticed(group: int, aspect: int) -> None:
    engine, state = settled()
    lamps = list(state.aspects)
    lamps[group] = aspect
    wrong = state._replace(aspects=tuple(lamps))
    assert suspected(engine, wrong, KEEP) == (PATIENCE + 1, Discrepancy.OTHER_LAMPS)


def test_a_walk_in_another_stage_is_noticed_and_one_in_its_own_is_not() -> None:
    engine, state = settled()
    lamps = list(state.aspects)
    lamps[WALK] = 3
    assert suspected(engine, state._replace(aspects=tuple(lamps)), KEEP) is None
    east = engine.advance(engine.advance(state, 1, 0, 400).state, KEEP, 0, 700).state
    lamps = list(east.aspects)
    lamps[WALK] = 3
    assert suspected(engine, east._replace(aspects=tuple(lamps)), KEEP) is not None


def test_a_stage_number_the_plan_has_not_is_noticed() -> None:
    engine, state = settled()
    assert suspected(engine, state._replace(stage=9), KEEP) == (PATIENCE + 1, Discrepancy.OTHER_LAMPS)


def test_a_moment_of_difference_is_no_discrepancy() -> None:
    engine, state = settled()
    watch, memory = ReadBack(engine, PATIENCE), ReadBackMemory()
    lamps = (0, *state.aspects[1:])
    for after in range(100):
        now = state._replace(now=state.now + after)
        shown = now._replace(aspects=lamps) if after % PATIENCE else now
        memory, found = watch.see(memory, shown, KEEP)
        assert found is None
