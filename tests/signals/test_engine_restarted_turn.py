"""A turn that ended protected and runs again giving way owes its clearance to whoever starts beside it."""

from __future__ import annotations

from stopline_signals import KEEP, Aspect, Engine, GroupKind, SignalGroup, SignalPlan, Stage

MAIN, LEFT, WALK = range(3)
PLAN = SignalPlan(
    junction="turn",
    groups=(
        SignalGroup(name="main", yellow=30),
        SignalGroup(name="left", yellow=30, oncoming=("main",)),
        SignalGroup(name="walk", kind=GroupKind.PEDESTRIAN, walk=50, clearance=60, on_demand=True),
    ),
    stages=(Stage("both", (MAIN, WALK), (LEFT,)), Stage("left", (LEFT,))),
    intergreen=((-1, 50, -1), (50, -1, 90), (-1, 120, -1)),
    yields=((False, False, False), (True, False, True), (False, False, False)),
)


def test_a_late_call_waits_for_the_last_protected_vehicle() -> None:
    engine = Engine(PLAN)
    state = engine.advance(engine.start(0, 1), KEEP, 0, 500).state
    assert state.aspects[LEFT] == Aspect.GREEN
    state = engine.advance(state, 0, 0, 510).state
    ended = state.ended[LEFT]
    while state.aspects[WALK] != Aspect.GREEN:
        state = engine.advance(state, KEEP, 1 << WALK, state.now + 1).state
        assert state.now < 1000
    assert state.aspects[LEFT] == Aspect.PERMISSIVE
    assert state.since[LEFT] - ended == 50
    assert state.now - ended == 90
