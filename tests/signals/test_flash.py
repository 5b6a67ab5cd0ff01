"""Flash is entered from all red, after every clearance, and left through all red."""

from __future__ import annotations

from dataclasses import replace

from stopline_signals import KEEP, Engine, Guard, Reason
from stopline_signals.flash import FlashControl, FlashPhase
from tests.signals.lamp_checker import LampChecker
from tests.signals.plans_for_tests import WALK, four_groups


def test_the_way_into_flash_and_back_cuts_nothing() -> None:
    plan = four_groups()
    engine, checker = Engine(plan), LampChecker(plan)
    control = FlashControl(engine)
    state = engine.advance(engine.start(0), KEEP, 1 << WALK, 60).state
    phase, entered, left = FlashPhase.STEADY, 0, 0
    for now in range(60, 1200):
        step = control.step(phase, state, KEEP, wanted=60 <= now < 800)
        if step.phase is FlashPhase.FLASHING and not entered:
            entered = now
        if phase is FlashPhase.FLASHING and step.phase is FlashPhase.STEADY:
            left = now
        phase = step.phase
        state = engine.advance(step.state, step.request, 1 << WALK, now + 1).state
        checker.see(state.now, state.aspects)
    walk_over = 30 + plan.groups[WALK].walk + plan.groups[WALK].clearance
    assert entered >= walk_over
    assert left == 800
    assert phase is FlashPhase.STEADY
    assert state.aspects[0] == 3
    assert checker.problems == []


def test_all_red_is_for_those_who_ask_for_it_by_name() -> None:
    engine = Engine(four_groups())
    guard = Guard(engine)
    state = engine.advance(engine.start(0), KEEP, 0, 400).state
    assert guard.allowed(state) < 1 << engine.all_red
    assert guard.decide(state, engine.all_red) == (engine.all_red, None)
    early = engine.advance(engine.start(0), KEEP, 0, 40).state
    assert guard.decide(early, engine.all_red) == (0, Reason.MINIMUM)


def test_all_red_holds_and_is_left_by_any_stage() -> None:
    engine = Engine(four_groups())
    guard = Guard(engine)
    state = engine.advance(engine.start(0), KEEP, 0, 400).state
    state = engine.advance(state, engine.all_red, 0, 500).state
    assert set(state.aspects) == {0}
    assert guard.decide(state, KEEP).stage == engine.all_red
    state = engine.advance(state, guard.decide(state, 1).stage, 0, 520).state
    assert state.aspects[1] == 3


def test_all_red_is_reached_when_every_clearance_is_over() -> None:
    """Whatever starts up afterwards, out of flash or with another plan, knows of no clearance."""
    plan = replace(four_groups(), startup_red=0)
    engine, checker = Engine(plan), LampChecker(plan)
    state = engine.advance(engine.start(0), KEEP, 0, 399).state
    checker.see(399, state.aspects)
    state = engine.advance(state, engine.all_red, 0, 400).state
    while state.in_transition:
        checker.see(state.now, state.aspects)
        state = engine.advance(state, KEEP, 0, state.now + 1).state
    longest = max(plan.intergreen[0])
    assert state.now == 400 + longest
    state = engine.start(state.now, 1)
    while state.now < 520:
        checker.see(state.now, state.aspects)
        state = engine.advance(state, KEEP, 0, state.now + 1).state
    assert state.aspects[1] == 3
    assert checker.problems == []
