"""Walks end by themselves, and turns give way to them: no start ever falls into a walk's clearance."""

from __future__ import annotations

from dataclasses import replace

import pytest

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

G, P, Y, R = Aspect.GREEN, Aspect.PERMISSIVE, Aspect.YELLOW, Aspect.RED
X = NO_CONFLICT
SIDE, EAST, WEST, TURN = range(4)
WALK, CLEARANCE = 20, 30


def corner(turn_after_side: int, west_after_side: int = 50, west_then_turn: int = 45) -> SignalPlan:
    """Side street first; then walks east and west on call, and a turn that gives way to both."""
    walk = {"kind": GroupKind.PEDESTRIAN, "walk": WALK, "clearance": CLEARANCE, "on_demand": True}
    groups = (
        SignalGroup(name="side", yellow=30, min_green=20),
        SignalGroup(name="east", **walk),  # type: ignore[arg-type]  # fields by name
        SignalGroup(name="west", **walk),  # type: ignore[arg-type]  # fields by name
        SignalGroup(name="turn", yellow=30, min_green=20),
    )
    matrix = (
        (X, 50, west_after_side, turn_after_side),
        (50, X, X, 40),
        (50, X, X, west_then_turn),
        (50, 60, 60, X),
    )
    yields = tuple(tuple(i == TURN and j in (EAST, WEST) for j in range(4)) for i in range(4))
    stages = (Stage("side", (SIDE,)), Stage("corner", (EAST, WEST), (TURN,)))
    return SignalPlan(junction="corner", groups=groups, stages=stages, intergreen=matrix, yields=yields)


def turn_starts(plan: SignalPlan, calls: int) -> int:
    """Tenths from asking for the corner until the turn may go, the calls held."""
    engine = Engine(plan)
    state = engine.advance(engine.start(0, 0), KEEP, 0, 1000).state
    promised = engine.transition_time(state, 1, calls)
    state = engine.advance(state, 1, calls, 1000).state
    while state.aspects[TURN] != P:
        state = engine.advance(state, KEEP, calls, state.now + 1).state
        assert state.now < 1500
    assert state.now - 1000 == promised
    return promised


@pytest.mark.parametrize(
    ("ready", "starts"), [(50, 50), (69, 69), (70, 110), (71, 110), (109, 110), (110, 110), (111, 111)]
)
def test_a_turn_starts_beside_a_walk_or_after_its_clearance(ready: int, starts: int) -> None:
    """The walk begins at 50 and ends at 70, and 40 later it is clear."""
    assert turn_starts(corner(ready), 1 << EAST) == starts
    assert turn_starts(corner(ready), 0) == ready
    assert turn_starts(corner(ready, west_then_turn=40), 1 << WEST) == starts


def test_a_turn_held_for_one_walk_is_held_for_another_that_has_ended_meanwhile() -> None:
    """West walks from 30 to 50 and is clear at 95, when east's clearance of 70 to 110 still runs."""
    assert turn_starts(corner(60, west_after_side=30), 1 << WEST) == 95
    assert turn_starts(corner(60, west_after_side=30), 1 << EAST | 1 << WEST) == 110


def test_a_call_of_another_group_than_the_first_is_no_call_for_it() -> None:
    plan = corner(50)
    assert Engine(plan).transition_time(settled(plan, 0), 1, 1 << TURN) == 50


def settled(plan: SignalPlan, stage: int, now: int = 1000) -> EngineState:
    engine = Engine(plan)
    return engine.advance(engine.start(0, stage), KEEP, 0, now).state


def yielding_walk() -> SignalPlan:
    """A crossing that is permissive beside a tram in two stages, and stands first among the groups."""
    groups = (
        SignalGroup(name="walk", kind=GroupKind.PEDESTRIAN, walk=60, clearance=30, on_demand=True),
        SignalGroup(name="tram", yellow=30, min_green=20),
        SignalGroup(name="car", yellow=30, min_green=20),
        SignalGroup(name="side", yellow=30, min_green=20),
    )
    matrix = (
        (X, 50, 45, 150),
        (50, X, X, 50),
        (50, X, X, 50),
        (50, 50, 50, X),
    )
    yields = tuple(tuple((i == 0 and j == 1) or (i, j) == (2, 0) for j in range(4)) for i in range(4))
    stages = (Stage("tram", (1,), (0,)), Stage("tram and car", (1,), (0, 2)), Stage("side", (3,)))
    return SignalPlan(junction="tram", groups=groups, stages=stages, intergreen=matrix, yields=yields)


def walking(plan: SignalPlan, for_tenths: int) -> EngineState:
    """The tram's stage at rest, and the crossing called and green for so long."""
    state = Engine(plan).advance(settled(plan, 0), KEEP, 1, 1001 + for_tenths).state
    assert (state.aspects[0], state.since[0]) == (P, 1001)
    return state


def test_a_permissive_walk_is_served_on_call_and_ends_by_itself() -> None:
    plan = yielding_walk()
    state = walking(plan, 59)
    assert Engine(plan).advance(state, KEEP, 0, 1061).state.aspects[0] == Y
    assert Engine(plan).advance(state, KEEP, 0, 1091).state.aspects[0] == R


def test_a_permissive_walk_goes_on_into_a_stage_that_has_it() -> None:
    """Without a call any more: what was begun is not cut short."""
    plan = yielding_walk()
    engine = Engine(plan)
    state = engine.advance(walking(plan, 10), 1, 0, 1012).state
    for now in range(1012, 1061):
        state = engine.advance(state, KEEP, 0, now).state
        assert state.aspects[0] == P
    assert engine.advance(state, KEEP, 0, 1061).state.aspects[0] == Y


@pytest.mark.parametrize(("revert", "starts"), [(79, 109), (80, 155), (119, 155), (126, 156)])
def test_who_starts_late_beside_a_permissive_walk_waits_for_its_clearance(revert: int, starts: int) -> None:
    """The walk began 50 after the car's end and ends at 110; the car comes back when its red is over."""
    plan = replace(yielding_walk(), red_revert=revert)
    engine = Engine(plan)
    state = engine.advance(settled(plan, 1), 0, 0, 1000).state
    state = engine.advance(state, KEEP, 1, 1050).state
    assert (state.aspects[0], state.since[0]) == (P, 1050)
    state = engine.advance(state, 1, 0, 1000 + starts - 1).state
    assert state.aspects[2] == R
    assert engine.advance(state, KEEP, 0, 1000 + starts).state.aspects[2] == P


def test_a_walk_that_stands_first_is_called_only_when_it_is_called() -> None:
    plan = yielding_walk()
    engine = Engine(plan)
    assert engine.typical_transition(2, 0) == 50
    assert engine.typical_transition(0, 2) == 50
    assert engine.worst_transition(0, 2) == 150
    started = engine.advance(engine.start(0, 0), KEEP, 0, 200).state
    assert started.aspects == (R, G, R, R)
    assert started.since[0] == 0


def test_a_walk_that_gives_way_is_not_begun_anew_where_it_would_be_protected() -> None:
    """It would get a new minimum and keep the end of its old one, which then cut it."""
    walk = SignalGroup(name="walk", kind=GroupKind.PEDESTRIAN, walk=WALK, clearance=CLEARANCE, on_demand=True)
    groups = SignalGroup(name="main", yellow=30, min_green=5), walk
    plan = SignalPlan(
        junction="unsignalled side",
        groups=groups,
        stages=(Stage("gives way", (0,), (1,)), Stage("alone", (1,))),
        intergreen=((X, 40), (30, X)),
        yields=((False, False), (True, False)),
    )
    engine = Engine(plan)
    state = engine.advance(engine.start(0, 0), KEEP, 0, 100).state
    state = engine.advance(state, KEEP, 0b10, 101).state
    assert state.aspects == (G, P)
    state = engine.advance(state, 1, 0b10, 110).state
    assert state.stage == 1
    shown = {state.now: state.aspects[1]}
    while state.now < 101 + WALK + CLEARANCE:
        state = engine.advance(state, KEEP, 0b10, state.now + 1).state
        shown[state.now] = state.aspects[1]
    assert {now for now, lamp in shown.items() if lamp == Y} == set(range(101 + WALK, 101 + WALK + CLEARANCE))
    assert {lamp for now, lamp in shown.items() if now < 101 + WALK} == {P}
