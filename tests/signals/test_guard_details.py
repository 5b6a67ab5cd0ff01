"""Which stage the guard puts in place of a request, and what it says why; edge by edge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stopline_signals import (
    KEEP,
    NO_CONFLICT,
    Aspect,
    Engine,
    EngineState,
    Guard,
    Reason,
    SignalGroup,
    SignalPlan,
    Stage,
    Verdict,
)
from tests.signals.plans_for_tests import EAST, LEFT, NORTH, four_groups

G, P, Y, R = Aspect.GREEN, Aspect.PERMISSIVE, Aspect.YELLOW, Aspect.RED


def crossroads() -> SignalPlan:
    """Two groups that run together, two single ones, and stages that share groups."""
    groups = tuple(SignalGroup(name=name, yellow=30, min_green=50, max_red=600) for name in "abcd")
    foes = {(0, 2), (0, 3), (1, 3), (2, 3), (1, 2)}
    matrix = tuple(
        tuple(50 if (min(i, j), max(i, j)) in foes else NO_CONFLICT for j in range(4)) for i in range(4)
    )
    stages = (Stage("ab", (0, 1)), Stage("c", (2,)), Stage("d", (3,)), Stage("a", (0,)), Stage("b", (1,)))
    nobody = tuple((False,) * 4 for _ in range(4))
    return SignalPlan(junction="X", groups=groups, stages=stages, intergreen=matrix, yields=nobody)


def at_rest(plan: SignalPlan, stage: int, now: int = 3000) -> EngineState:
    engine = Engine(plan)
    return engine.advance(engine.start(0, stage), KEEP, 0, now).state


def waiting(state: EngineState, since: dict[int, int]) -> EngineState:
    """The same moment with calls that have waited since then."""
    noted = tuple(since.get(group, -1) for group in range(len(state.aspects)))
    return state._replace(waiting_since=noted, called=sum(1 << group for group in since))


def overdue(plan: SignalPlan, state: EngineState, group: int, by: int = 0) -> EngineState:
    return waiting(state, {group: state.now - Engine(plan).limits[group] - by})


def test_a_call_is_overdue_at_its_limit_and_not_a_tenth_before() -> None:
    plan = crossroads()
    guard, state = Guard(Engine(plan)), at_rest(crossroads(), 0)
    assert guard.decide(overdue(plan, state, 2, by=-1), KEEP) == (0, None)
    assert guard.decide(overdue(plan, state, 2), KEEP) == (1, Reason.MAX_RED)
    assert guard.decide(overdue(plan, state, 2), 1) == (1, None)


@pytest.mark.parametrize("grace", [1, 100])
def test_grace_counts_to_the_tenth(grace: int) -> None:
    plan = crossroads()
    guard, state = Guard(Engine(plan)), at_rest(plan, 0)
    late = overdue(plan, state, 2, by=grace)
    assert guard.decide(overdue(plan, state, 2, by=grace - 1), KEEP, grace) == (0, None)
    assert guard.decide(late, KEEP, grace) == (1, Reason.MAX_RED)
    assert guard.allowed(overdue(plan, state, 2, by=grace - 1), grace) == 0b11111
    assert guard.allowed(late, grace) == 0b00010


def test_the_longest_past_its_limit_comes_first_and_ties_go_by_index() -> None:
    plan = crossroads()
    engine, state = Engine(plan), at_rest(crossroads(), 0)
    limits = engine.limits
    tie = waiting(state, {2: state.now - limits[2] - 7, 3: state.now - limits[3] - 7})
    assert engine.most_overdue(tie) == 2
    later = waiting(state, {2: state.now - limits[2] - 7, 3: state.now - limits[3] - 8})
    assert engine.most_overdue(later) == 3
    assert engine.most_overdue(state) is None
    assert engine.most_overdue(waiting(state, {2: state.now - limits[2]})) == 2
    assert engine.most_overdue(waiting(state, {2: state.now - limits[2] + 1})) is None


def test_a_group_no_stage_serves_is_never_overdue() -> None:
    plan = replace(crossroads(), stages=(Stage("ab", (0, 1)), Stage("c", (2,))))
    engine, state = Engine(plan), at_rest(plan, 0)
    assert engine.most_overdue(waiting(state, {3: 0})) is None


def test_the_nearest_stage_changes_the_fewest_groups_and_ties_go_by_index() -> None:
    """From c: b serves an overdue call of b as ab does, and changes one group less."""
    plan = crossroads()
    guard = Guard(Engine(plan))
    in_c = at_rest(plan, 1)
    assert guard.decide(overdue(plan, in_c, 1), KEEP) == (4, Reason.MAX_RED)
    assert guard.decide(overdue(plan, in_c, 0), KEEP) == (3, Reason.MAX_RED)
    twins = replace(plan, stages=(*plan.stages, Stage("b again", (1,))))
    assert Guard(Engine(twins)).decide(overdue(twins, at_rest(twins, 1), 1), KEEP) == (4, Reason.MAX_RED)


def test_a_permissive_green_counts_as_green_for_the_nearest_stage() -> None:
    plan = four_groups()
    plan = replace(plan, stages=(*plan.stages, Stage("left too", (LEFT,)), Stage("north alone", (NORTH,))))
    guard = Guard(Engine(plan))
    state = at_rest(plan, 1)._replace(aspects=(R, R, P, R), stage=1)
    # Left is green already: "north" changes two groups, as many as "north alone".
    assert guard.decide(overdue(plan, state, NORTH), KEEP).stage == 0
    assert guard._nearest(state, 0b00101) == 2


def test_when_nothing_serves_the_overdue_call_yet_the_stage_stays() -> None:
    plan = crossroads()
    engine = Engine(plan)
    guard = Guard(engine)
    young = engine.advance(at_rest(plan, 0), 1, 0, 3060).state
    assert not young.in_transition and young.stage == 1
    state = overdue(plan, young, 3)
    assert guard.allowed(state) == 0b00010
    assert guard.decide(state, 0) == (1, Reason.MINIMUM)
    assert guard.decide(state, KEEP) == (1, None)


def test_at_all_red_a_policy_has_no_stage_to_keep() -> None:
    plan = crossroads()
    engine = Engine(plan)
    guard = Guard(engine)
    entering = engine.advance(at_rest(plan, 0), engine.all_red, 0, 3010).state
    assert guard.allowed(entering) == 0
    assert guard.decide(entering, 2) == (engine.all_red, Reason.IN_TRANSITION)
    assert guard.decide(entering, KEEP) == (engine.all_red, None)
    there = engine.advance(entering, KEEP, 0, 3200).state
    assert guard.allowed(there) == 0b11111
    assert guard.decide(there, engine.all_red) == (engine.all_red, None)
    assert guard.decide(overdue(plan, there, 3), KEEP) == (engine.all_red, None)
    assert guard.decide(overdue(plan, there, 3), 0) == (2, Reason.MAX_RED)


def test_an_operator_who_may_not_have_all_red_yet_does_not_lose_the_stage() -> None:
    plan = crossroads()
    engine = Engine(plan)
    guard = Guard(engine)
    young = engine.advance(at_rest(plan, 0), 1, 0, 3060).state
    assert guard.decide(young, engine.all_red) == (1, Reason.MINIMUM)
    running = engine.advance(at_rest(plan, 0), 1, 0, 3010).state
    assert guard.decide(running, engine.all_red) == (1, Reason.IN_TRANSITION)


@pytest.mark.parametrize("asked", [-2, -99, 6, 7, 99])
def test_what_is_no_stage_is_called_so_whatever_else_is_wrong(asked: int) -> None:
    plan = crossroads()
    engine = Engine(plan)
    running = engine.advance(at_rest(plan, 0), 1, 0, 3010).state
    for state in (at_rest(plan, 0), running, overdue(plan, at_rest(plan, 0), 3)):
        assert Guard(engine).decide(state, asked).reason is Reason.UNKNOWN_STAGE


def test_the_reason_is_the_transition_until_the_very_tenth_it_ends() -> None:
    plan = crossroads()
    engine = Engine(plan)
    guard = Guard(engine)
    running = engine.advance(at_rest(plan, 0), 1, 0, 3001).state
    last = engine.advance(running, KEEP, 0, running.settled_at - 1).state
    assert guard.decide(last, 2) == (1, Reason.IN_TRANSITION)
    assert guard.allowed(last) == 0b00010
    settled = engine.advance(last, KEEP, 0, running.settled_at).state
    assert guard.decide(settled, 2) == (1, Reason.MINIMUM)


def test_a_verdict_says_why_a_legal_stage_was_not_given() -> None:
    plan = crossroads()
    state = overdue(plan, at_rest(plan, 0), 3)
    guard = Guard(Engine(plan))
    for stage, reason in ((0, Reason.MAX_RED), (1, Reason.MAX_RED), (2, None), (4, Reason.MAX_RED)):
        assert guard.decide(state, stage) == Verdict(2, reason)


def test_limits_leave_room_for_the_way_and_one_green() -> None:
    plan = four_groups()
    engine = Engine(plan)
    way = max(engine.worst_transition(other, 1) for other in range(3))
    assert engine.limits[EAST] == plan.groups[EAST].max_red - way - max(g.minimum for g in plan.groups)


def test_without_grace_a_call_is_overdue_at_its_limit_for_the_mask_as_well() -> None:
    plan = crossroads()
    guard, state = Guard(Engine(plan)), at_rest(plan, 0)
    assert guard.allowed(overdue(plan, state, 2)) == 0b00010
    assert guard.allowed(overdue(plan, state, 2, by=-1)) == 0b11111


def test_an_overdue_call_counts_from_the_tenth_a_stage_is_reached() -> None:
    """From ab to a alone: nothing in it is young, so that the overdue call is served at once."""
    plan = crossroads()
    engine = Engine(plan)
    guard = Guard(engine)
    running = engine.advance(at_rest(plan, 0), 3, 0, 3001).state
    reached = engine.advance(running, KEEP, 0, running.settled_at).state
    assert reached.aspects == (G, R, R, R) and reached.now == reached.settled_at
    late = overdue(plan, reached, 2)
    assert guard.allowed(late) == 0b00010
    assert guard.decide(late, KEEP) == (1, Reason.MAX_RED)
    assert guard.decide(overdue(plan, running, 2), KEEP) == (3, None)


def test_who_asks_for_all_red_too_early_gets_what_an_overdue_call_needs() -> None:
    """b is young, so that all red must wait; a is overdue, and "ab" serves it without an end of b."""
    plan = crossroads()
    engine = Engine(plan)
    young = engine.advance(at_rest(plan, 1), 4, 0, 3060).state
    assert not young.in_transition and young.aspects == (R, G, R, R)
    state = overdue(plan, young, 0)
    assert Guard(engine).decide(state, engine.all_red) == (0, Reason.MINIMUM)
    assert Guard(engine).decide(young, engine.all_red) == (4, Reason.MINIMUM)
