"""What a preempt asks for and says, tenth by tenth: at midnight, at its limits, and on its way out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stopline_signals import KEEP, Engine, EngineState, SignalPlan, Stage
from stopline_signals.flash import FlashControl, FlashPhase
from stopline_signals.plan import Preempt
from stopline_signals.preemption import PreemptControl, PreemptDecision, PreemptMemory, PreemptStatus
from tests.signals.plans_for_tests import EAST, LEFT, NORTH, four_groups

REST, CALLED = PreemptStatus.NOT_ACTIVE, PreemptStatus.NOT_ACTIVE_WITH_CALL
ENTRY, TRACK, DWELL = PreemptStatus.ENTRY_STARTED, PreemptStatus.TRACK_SERVICE, PreemptStatus.DWELL
EXIT, IGNORED = PreemptStatus.EXIT_STARTED, PreemptStatus.MAX_PRESENCE


def fire(**more: Any) -> SignalPlan:
    return replace(four_groups(), preempts=(Preempt(name="fire", dwell=1, **more),))


def at(now: int, stage: int, settled_at: int = 0, waiting: dict[int, int] | None = None) -> EngineState:
    state = Engine(four_groups()).start(0, stage)
    since = tuple((waiting or {}).get(group, -1) for group in range(4))
    return state._replace(now=now, settled_at=settled_at, pending=(), waiting_since=since)


def decide(
    plan: SignalPlan, status: PreemptStatus, since: int, called: int, state: EngineState, inputs: int = 1
) -> PreemptDecision:
    return PreemptControl(plan).decide(PreemptMemory((status,), (since,), (called,)), state, inputs)


def test_nothing_is_called_before_the_first_input() -> None:
    control = PreemptControl(fire())
    assert control.start(7) == ((REST,), (7,), (-1,))
    quiet = control.decide(control.start(7), at(9, 0), 0)
    assert quiet == (((REST,), (7,), (-1,)), None, None)
    assert control.decide(control.start(7), at(9, 0), 1) == (((ENTRY,), (9,), (9,)), 1, 0)


@pytest.mark.parametrize("midnight", [0, 1])
def test_a_call_at_midnight_is_a_call(midnight: int) -> None:
    """0 is a time like any other."""
    plan = fire(delay=50, max_presence=300)
    assert decide(plan, REST, 0, midnight, at(midnight + 20, 0)).memory == (
        (CALLED,),
        (midnight + 20,),
        (midnight,),
    )
    assert decide(plan, REST, 0, midnight, at(midnight + 49, 0)).active is None
    assert decide(plan, REST, 0, midnight, at(midnight + 50, 0)).active == 0
    assert decide(plan, ENTRY, 0, midnight, at(midnight + 60, 1)).memory.status == (DWELL,)
    assert decide(plan, DWELL, 0, midnight, at(midnight + 299, 1)).memory.status == (DWELL,)
    assert decide(plan, DWELL, 0, midnight, at(midnight + 300, 1)).memory.status == (IGNORED,)
    assert decide(plan, IGNORED, 0, midnight, at(midnight + 900, 1)).memory.status == (IGNORED,)
    assert decide(plan, DWELL, 0, midnight, at(midnight + 900, 1), inputs=0).memory.status == (EXIT,)


def test_a_dwell_lasts_its_minimum_to_the_tenth() -> None:
    plan = fire(min_duration=100)
    for now, status in ((699, DWELL), (700, EXIT)):
        assert decide(plan, DWELL, 600, -1, at(now, 1), inputs=0).memory.status == (status,)
    assert decide(plan, IGNORED, 600, 50, at(700, 1), inputs=0).memory.status == (REST,)


def test_entry_is_over_when_the_stage_is_reached_and_not_before() -> None:
    plan = fire()
    assert decide(plan, ENTRY, 600, 600, at(620, 1, settled_at=621)).memory.status == (ENTRY,)
    assert decide(plan, ENTRY, 600, 600, at(621, 0, settled_at=621)).memory.status == (ENTRY,)
    assert decide(plan, ENTRY, 600, 600, at(621, 1, settled_at=621)).memory == ((DWELL,), (621,), (600,))


def test_the_track_is_left_when_the_dwell_stage_is_reached() -> None:
    plan = fire(track_clear=2)
    entry = decide(plan, ENTRY, 600, 600, at(620, 0))
    assert (entry.memory.status, entry.stage) == ((ENTRY,), 2)
    assert decide(plan, ENTRY, 600, 600, at(620, 2)).memory.status == (TRACK,)
    for state, status in (
        (at(700, 2), TRACK),
        (at(700, 1, settled_at=701), TRACK),
        (at(701, 1, settled_at=701), DWELL),
    ):
        found = decide(plan, TRACK, 620, 600, state)
        assert (found.memory.status, found.stage, found.active) == ((status,), 1, 0)
    still = decide(plan, TRACK, 620, 600, at(700, 2), inputs=0)
    assert (still.memory.status, still.stage) == ((TRACK,), 1)


def test_an_exit_stays_in_charge_until_another_stage_is_reached() -> None:
    plan = fire(min_duration=0)
    for state, status, stage in (
        (at(700, 1), EXIT, 0),
        (at(700, 0, settled_at=701), EXIT, 0),
        (at(701, 0, settled_at=701), REST, None),
    ):
        found = decide(plan, EXIT, 650, -1, state, inputs=0)
        assert (found.memory.status, found.stage, found.active) == ((status,), stage, 0)
    dropped = decide(plan, ENTRY, 600, 600, at(620, 0), inputs=0)
    assert (dropped.memory.status, dropped.active) == ((REST,), None)


@pytest.mark.parametrize(
    ("waiting", "stage"),
    [
        ({}, 0),
        ({NORTH: 600, LEFT: 500}, 0),
        ({NORTH: 600}, 0),
        ({NORTH: 0}, 0),
        ({NORTH: 1}, 0),
        ({EAST: 100}, 0),
    ],
)
def test_the_exit_goes_to_who_has_waited_longest_and_ties_go_by_index(
    waiting: dict[int, int], stage: int
) -> None:
    assert decide(fire(), EXIT, 650, -1, at(700, 1, waiting=waiting), inputs=0).stage == stage


@pytest.mark.parametrize(
    ("north", "left", "stage"), [(600, 500, 2), (500, 600, 0), (600, 600, 0), (699, 0, 2)]
)
def test_debts_are_compared_by_how_long_they_have_run(north: int, left: int, stage: int) -> None:
    alone = replace(fire(), stages=(Stage("north", (NORTH,)), Stage("east", (EAST,)), Stage("left", (LEFT,))))
    state = at(700, 1, waiting={NORTH: north, LEFT: left})
    assert decide(alone, EXIT, 650, -1, state, inputs=0).stage == stage
    one = at(700, 1, waiting={LEFT: 699})
    assert decide(alone, EXIT, 650, -1, one, inputs=0).stage == 2


def test_a_junction_of_one_stage_leaves_to_that_stage() -> None:
    only = replace(
        four_groups(),
        stages=(Stage("north", (NORTH,)),),
        preempts=(Preempt(name="fire", dwell=0),),
        program=None,
    )
    assert decide(only, EXIT, 650, -1, at(700, 0), inputs=0).stage == 0


def test_flash_waits_for_all_red_and_comes_back_where_it_is_told() -> None:
    engine = Engine(four_groups())
    control = FlashControl(engine)
    state = engine.advance(engine.start(0), KEEP, 0, 400).state
    assert control.step(FlashPhase.STEADY, state, KEEP, wanted=True) == (
        FlashPhase.ENTERING, state, engine.all_red,
    )  # fmt: skip
    dark = state._replace(aspects=(0, 0, 0, 0))
    assert control.step(FlashPhase.ENTERING, dark, KEEP, wanted=True).phase is FlashPhase.ENTERING
    running = engine.advance(state, engine.all_red, 0, 401).state
    assert running.in_transition
    red_early = running._replace(aspects=(0, 0, 0, 0))
    assert control.step(FlashPhase.ENTERING, red_early, KEEP, wanted=True).phase is FlashPhase.ENTERING
    there = engine.advance(running, KEEP, 0, 600).state
    assert control.step(FlashPhase.ENTERING, there, KEEP, wanted=True).phase is FlashPhase.FLASHING
    back = control.step(FlashPhase.FLASHING, there, KEEP, wanted=False, start=2)
    assert (back.phase, back.state.stage, back.request) == (FlashPhase.STEADY, 2, KEEP)


@pytest.mark.parametrize("status", [REST, CALLED, ENTRY, TRACK, DWELL, EXIT])
def test_while_it_is_held_a_call_waits_and_nothing_is_asked(status: PreemptStatus) -> None:
    """By the panel or by flash: whatever had begun begins anew afterwards, its track clearance first."""
    plan = replace(fire(), preempts=(Preempt(name="rail", dwell=1, rail=True, track_clear=2),))
    control, memory = PreemptControl(plan), PreemptMemory((status,), (10,), (5,))
    held = control.decide(memory, at(100, 0), 1, held=True)
    assert held.memory == PreemptMemory((CALLED,), (10 if status is CALLED else 100,), (5,))
    assert (held.stage, held.active) == (None, None)
    after = control.decide(held.memory, at(101, 0), 1)
    assert (after.memory.status, after.stage) == ((ENTRY,), 2)
    assert control.decide(memory, at(100, 0), 0, held=True).memory.status == (REST,)


def test_while_it_is_held_a_stuck_input_stays_ignored() -> None:
    control = PreemptControl(fire(max_presence=300))
    stuck = PreemptMemory((IGNORED,), (300,), (0,))
    assert control.decide(stuck, at(400, 0), 1, held=True).memory.status == (IGNORED,)
    assert control.decide(stuck, at(400, 0), 0, held=True).memory.status == (REST,)
