"""What a simulator asks, `run` and `sense`, is `advance` tick by tick without the events."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stopline_signals import KEEP, Engine, EngineState, PlanError, SignalPlan
from tests.signals.plans_for_tests import EAST, NORTH, WALK, four_groups, random_plans
from tests.signals.recorded_runs import plans

Asked = list[tuple[int, int, int, bool]]
"""Stage asked for, calls noted at the end, ticks in between, and whether `run` comes before `sense`."""

asks = st.lists(
    st.tuples(st.integers(-1, 4), st.integers(0, 63), st.integers(0, 70), st.booleans()),
    min_size=1,
    max_size=25,
)
Lamps = dict[int, tuple[int, ...]]


def ticked(
    engine: Engine, state: EngineState, request: int, calls: int, until: int
) -> tuple[EngineState, Lamps]:
    """The same by ticks, and the lamps at each tick."""
    state = engine.advance(state, request, state.called, state.now).state
    lamps = {state.now: state.aspects}
    while state.now < until:
        state = engine.advance(state, KEEP, state.called, state.now + 1).state
        lamps[state.now] = state.aspects
    return engine.advance(state, KEEP, calls, until).state, lamps


def compare(plan: SignalPlan, asked: Asked) -> None:
    engine, other = Engine(plan), Engine(plan)
    state = engine.start(0)
    for request, calls, ticks, whole in asked:
        request, until = min(request, engine.all_red), state.now + ticks
        expected, lamps = ticked(other, state, request, calls, until)
        if whole or request != KEEP:
            before = state
            state, shown = engine.run(state, until, request)
            assert state.now == until
            assert told(before, shown, until) == lamps
        state = engine.sense(state, calls, until)
        assert state == expected


def told(before: EngineState, shown: list[tuple[int, tuple[int, ...]]], until: int) -> Lamps:
    """The lamps at each tick, from the changes alone."""
    changes, lamps = dict(shown), {before.now: before.aspects}
    moments = [moment for moment, _ in shown]
    assert moments == sorted(moments)
    for tick in range(before.now, until + 1):
        lamps[tick] = changes.get(tick, lamps.get(tick - 1, before.aspects))
    return lamps


@settings(max_examples=200, deadline=None)
@given(plan=random_plans(), asked=asks)
def test_running_and_sensing_equal_ticking(plan: SignalPlan, asked: Asked) -> None:
    compare(plan, asked)


@pytest.mark.parametrize("name", plans())
def test_running_and_sensing_equal_ticking_on_the_recorded_junctions(name: str) -> None:
    plan, rng = plans()[name], random.Random(name)
    stages, groups = len(plan.stages), len(plan.groups)
    asked = [
        (
            rng.choice((KEEP, *range(stages + 1))),
            rng.choice((0, rng.getrandbits(groups), (1 << groups) - 1)),
            rng.choice((0, 1, 2, 7, 30, 90, 250)),
            rng.random() < 0.5,
        )
        for _ in range(200)
    ]
    compare(plan, asked)


def test_a_request_that_is_not_legal_yet_is_not_taken_up() -> None:
    engine = Engine(four_groups())
    state = engine.run(engine.start(0), 10).state
    other = next(stage for stage in range(engine.all_red) if not engine.legal(state) >> stage & 1)
    assert engine.run(state, state.now, other).state == state


def test_a_walk_begins_where_its_call_is_sensed() -> None:
    engine = Engine(four_groups())
    state = engine.run(engine.start(0), 400).state
    served = next(s for s in range(engine.all_red) if engine.serving(WALK) >> s & 1)
    state = engine.run(state, 800, served).state
    walking = engine.sense(state, 1 << WALK, 800)
    assert state.aspects[WALK] == 0
    assert walking == engine.advance(state, KEEP, 1 << WALK, 800).state


def test_a_clock_that_runs_backwards_is_named() -> None:
    engine = Engine(four_groups())
    state = engine.run(engine.start(0), 100).state
    with pytest.raises(PlanError, match="time ran backwards, 100 to 99 tenths"):
        engine.run(state, 99)
    with pytest.raises(PlanError, match="time ran backwards, 100 to 99 tenths"):
        engine.sense(state, 0, 99)


@pytest.mark.parametrize("asked", [-2, 9])
def test_a_stage_that_is_not_there_is_named(asked: int) -> None:
    engine = Engine(four_groups())
    with pytest.raises(PlanError, match=f"asked for stage {asked}"):
        engine.run(engine.start(0), 100, asked)


def test_an_answer_is_not_remembered_for_another_moment() -> None:
    """The same lamps and calls, met again at an earlier time, are judged anew."""
    plan = four_groups()
    engine = Engine(plan)
    settled = engine.run(engine.start(0), 30).state
    early = engine.sense(settled, 15, settled.now)
    late = engine.sense(early, 15, 3000)
    fresh = [(Engine(plan).legal(s), Engine(plan).most_overdue(s)) for s in (early, late)]
    for order in ((early, late), (late, early)):
        for state in (*order, *order):
            expected = fresh[0] if state is early else fresh[1]
            assert (engine.legal(state), engine.most_overdue(state)) == expected
    assert fresh[0] != fresh[1]


def test_what_is_remembered_of_one_junction_is_not_taken_for_another() -> None:
    """An engine asked about two courses in turn, as by a preview, answers each as if it were the only one."""
    plan = four_groups()
    engine = Engine(plan)
    settled = engine.run(engine.start(0), 3000).state
    just_lit = settled._replace(since=(3000,) * len(plan.groups))
    lit_otherwise = settled._replace(aspects=engine.run(settled, 3400, 1).state.aspects, since=just_lit.since)
    for state in (settled, just_lit, settled, lit_otherwise._replace(stage=1), just_lit, settled):
        assert engine.legal(state) == Engine(plan).legal(state)
    late = engine.sense(engine.sense(settled, 1 << NORTH | 1 << EAST, 3000), 1 << EAST, 9000)
    calm = engine.sense(settled, 1 << EAST, 3000)
    assert (engine.most_overdue(late), engine.most_overdue(calm)) == (EAST, None)
    later = engine.sense(late, 1 << NORTH | 1 << EAST, 9000)
    assert engine.most_overdue(later) == EAST


@pytest.mark.parametrize("patience", [0, 1, 50])
def test_who_begins_to_wait_is_overdue_when_its_patience_ends(patience: int) -> None:
    plan = four_groups()
    engine = Engine(plan)
    state = engine.run(engine.start(0), 3000).state
    assert engine.most_overdue(state) is None
    state = engine.sense(state, 1 << EAST, 3000)
    limit = 3000 + engine.limits[EAST]
    assert engine.most_overdue(engine.sense(state, 1 << EAST, limit + patience)) == EAST
    assert engine.most_overdue(engine.sense(state, 1 << EAST, limit - 1 - patience)) is None
