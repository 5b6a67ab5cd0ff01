"""Which lamp changes when on the way to another stage, where another rule would show another lamp."""

from __future__ import annotations

from dataclasses import replace

from stopline_signals import (
    KEEP,
    NO_CONFLICT,
    Aspect,
    Engine,
    EngineState,
    GroupKind,
    SignalGroup,
    SignalPlan,
    Stage,
)
from tests.signals.plans_for_tests import LEFT, four_groups

G, P, Y, R = Aspect.GREEN, Aspect.PERMISSIVE, Aspect.YELLOW, Aspect.RED


def vehicles(
    stages: tuple[Stage, ...],
    intergreen: dict[tuple[int, int], int],
    gives_way: tuple[int, int] | None = None,
    red_revert: int = 20,
) -> SignalPlan:
    """Groups a, b, c ... with a yellow of 30 and a minimum of 20; what is not in the matrix is compatible."""
    count = range(1 + max(i for i, _ in intergreen))
    return SignalPlan(
        junction="way",
        groups=tuple(SignalGroup(name="abcd"[group], yellow=30, min_green=20) for group in count),
        stages=stages,
        intergreen=tuple(tuple(intergreen.get((i, j), NO_CONFLICT) for j in count) for i in count),
        yields=tuple(tuple((i, j) == gives_way for j in count) for i in count),
        red_revert=red_revert,
    )


def settled(plan: SignalPlan, stage: int, now: int = 1000) -> EngineState:
    engine = Engine(plan)
    return engine.advance(engine.start(0, stage), KEEP, 0, now).state


def shown_from(plan: SignalPlan, state: EngineState, stage: int, group: int, aspect: Aspect) -> int:
    """When the group first shows the aspect on the way to the stage."""
    engine = Engine(plan)
    for now in range(state.now + 1, state.now + 1000):
        state = engine.advance(state, stage, 0, now).state
        if state.aspects[group] == aspect:
            return now
    raise AssertionError("never")


def test_a_green_ends_early_enough_for_the_first_of_those_who_wait_for_it() -> None:
    """a is awaited by c after 5 s and by d, whom b holds back until 15 s: it is c's wait that counts."""
    matrix = {(0, 2): 50, (0, 3): 50, (1, 3): 150}
    matrix |= {(j, i): 50 for i, j in matrix}
    plan = vehicles((Stage("ab", (0, 1)), Stage("cd", (2, 3))), matrix)
    rested, engine = settled(plan, 0), Engine(plan)
    again = engine.advance(settled(plan, 1), 0, 0, 1075).state  # with clearances that have just run
    assert not again.in_transition
    for state in (rested, again):
        asked = state.now + 1
        assert shown_from(plan, state, 1, 0, Y) == asked
        assert shown_from(plan, state, 1, 2, G) == asked + 50
        assert shown_from(plan, state, 1, 3, G) == asked + 150


def test_a_long_red_revert_is_owed_when_every_intergreen_is_over() -> None:
    """a ends, b is green for its minimum, and a comes back: not before its own yellow and red are over."""
    plan = vehicles((Stage("a", (0,)), Stage("b", (1,))), {(0, 1): 30, (1, 0): 30}, red_revert=100)
    engine = Engine(plan)
    state = engine.advance(settled(plan, 0), 1, 0, 1060).state
    assert state.aspects == (R, G)
    assert shown_from(plan, state, 0, 0, G) == state.ended[0] + 30 + 100


def test_a_group_without_a_change_interval_goes_from_green_to_red() -> None:
    plan = vehicles((Stage("a", (0,)), Stage("b", (1,))), {(0, 1): 50, (1, 0): 50})
    walk = SignalGroup(name="a", kind=GroupKind.PEDESTRIAN, walk=40)
    plan = replace(plan, groups=(walk, plan.groups[1]))
    engine = Engine(plan)
    state, events = engine.advance(settled(plan, 0), 1, 0, 1001)
    assert state.aspects == (R, R)
    assert [event.code.name for event in events] == ["DONT_WALK"]
    assert engine.advance(state, KEEP, 0, 1051).state.aspects == (R, G)


def test_a_turn_that_becomes_protected_waits_for_no_red_of_its_own() -> None:
    """Even when its last end is not known, as after the first read-back from a cabinet."""
    for plan in (four_groups(), replace(four_groups(), red_revert=200)):
        seen = Engine(plan).observed(500, 0, [G, R, P, R], previous=None, in_transition=False, calls=0)
        longest = max(row[LEFT] for row in plan.intergreen)
        assert Engine(plan).transition_time(seen, 2) == longest == 60


def test_a_vehicle_that_starts_holds_nobody_who_starts_later_beside_it() -> None:
    """Only walks end by themselves: a turn that gives way to the through traffic starts when it is clear."""
    matrix = {(0, 1): 50, (1, 0): 50, (0, 2): 50, (2, 0): 50, (1, 2): 50, (2, 1): 80}
    matrix |= {(2, 3): 50, (3, 2): 50}
    plan = vehicles((Stage("side", (2,)), Stage("main", (0, 3), (1,))), matrix, gives_way=(1, 0))
    plan = replace(plan, groups=(*plan.groups[:3], replace(plan.groups[3], on_demand=True)))
    state = settled(plan, 0)
    assert shown_from(plan, state, 1, 0, G) == 1001 + 50
    assert shown_from(plan, state, 1, 1, P) == 1001 + 80
