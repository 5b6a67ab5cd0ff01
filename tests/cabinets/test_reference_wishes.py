"""Beyond stages: all red, flash, patterns, calls and omits, each ending with the plan that asked for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stopline_cabinets.preempts import preempt_for
from stopline_cabinets.reference import ReferenceCabinet
from stopline_cabinets.words import (
    DARK,
    FREE_PATTERN,
    Can,
    Flag,
    Kind,
    Mode,
    PlanCommand,
    PlanRow,
    Result,
    following,
    stages_omitted,
)
from stopline_hil.cards import card_from_plan
from stopline_hil.example import crossroads
from stopline_mmu import Lamp, Monitor
from stopline_signals.detectors import NOTHING, DetectorReading
from stopline_signals.plan import Aspect, FixedProgram, ProgramStep, SignalPlan

PLAN = crossroads()
MAIN, LEFT, SIDE = range(3)
MAIN_GROUP, LEFT_GROUP, SIDE_GROUP = range(3)
OWNER = 1


class Street:
    """A cabinet whose lamps a conflict monitor watches every tenth."""

    def __init__(self, plan: SignalPlan = PLAN) -> None:
        self.now = 0
        self.monitor = Monitor(card_from_plan(plan))
        self.cabinet = ReferenceCabinet(plan, observer=self._observe)
        self.stages: list[int] = []
        self.run(200)
        self.cabinet.claim(OWNER, "test", 100, 1, self.now)

    def run(self, tenths: int) -> None:
        for _ in range(tenths):
            self.now += 1
            if self.cabinet.lease is not None:
                self.cabinet.beat(OWNER, self.now, self.now)
            self.cabinet.tick(self.now)
            self.stages.append(self.cabinet.state(self.now).stage)

    def ask(self, kind: Kind, *rows: PlanRow, ttl: int = 600, **wishes: int) -> Result:
        seq = following(self.cabinet.accepted_seq)
        return self.cabinet.submit(PlanCommand(seq, rows, ttl, 0, kind, **wishes), OWNER, seq, self.now)

    def queue(self, *detectors: str) -> None:
        names = [detector.name for detector in self.cabinet.plan.detectors]
        readings = [NOTHING] * len(names)
        for name in detectors:
            readings[names.index(name)] = DetectorReading(3, 3)
        self.cabinet.set_readings(readings)

    def _observe(self, now: int, aspects: tuple[int, ...]) -> None:
        lamps = tuple(Lamp.FLASH if aspect == DARK else Lamp(aspect) for aspect in aspects)
        self.monitor.observe(now, lamps)


def test_all_red_is_reached_over_every_clearance_and_left_again() -> None:
    street = Street()
    assert street.ask(Kind.ALL_RED, ttl=400) is Result.ACCEPTED
    street.run(300)
    state = street.cabinet.state(street.now)
    assert set(state.aspects) == {Aspect.RED} and state.stage == len(PLAN.stages)
    assert state.mode is Mode.REMOTE
    street.run(300)
    assert street.cabinet.mode is Mode.LOCAL
    assert street.cabinet.state(street.now).stage == MAIN, "all red is nowhere to rest"
    assert street.monitor.violations == []


def test_flash_is_entered_from_all_red_and_left_over_start_up() -> None:
    street = Street()
    assert street.ask(Kind.FLASH, ttl=500) is Result.ACCEPTED
    street.run(5)
    assert not street.cabinet.flashing, "the green in force is not cut"
    street.run(300)
    state = street.cabinet.state(street.now)
    assert set(state.aspects) == {DARK} and Flag.FLASH in state.flags
    assert state.mode is Mode.REMOTE, "asked for, not the cabinet's own"
    street.run(196)
    assert street.cabinet.state(street.now).mode is Mode.STARTUP
    assert set(street.cabinet.aspects) == {Aspect.RED}
    street.run(200)
    assert street.cabinet.state(street.now).mode is Mode.LOCAL
    assert street.monitor.violations == []


def test_flash_ends_with_the_heartbeat() -> None:
    street = Street()
    street.ask(Kind.FLASH, ttl=3000)
    street.run(300)
    assert street.cabinet.flashing
    street.cabinet.tick(street.now + 110)
    assert not street.cabinet.flashing and street.cabinet.lease is None


def test_a_pattern_chooses_between_program_and_actuated_control() -> None:
    steps = (ProgramStep(MAIN, 0), ProgramStep(SIDE, 400))
    street = Street(replace(PLAN, program=FixedProgram(900, 0, steps)))
    assert street.ask(Kind.PATTERN, ttl=3000, pattern=FREE_PATTERN) is Result.ACCEPTED
    street.run(100)
    street.stages.clear()
    street.run(1200)
    assert len(set(street.stages)) == 1, "nobody calls: actuated control rests"
    assert street.cabinet.mode is Mode.REMOTE and street.cabinet.state(street.now).pattern == FREE_PATTERN
    assert street.ask(Kind.PATTERN, ttl=3000, pattern=1) is Result.ACCEPTED
    street.run(1200)
    assert {MAIN, SIDE} <= set(street.stages), "the program goes round without any call"
    assert street.monitor.violations == []


@pytest.mark.parametrize(
    ("kind", "rows", "wishes", "result"),
    [
        (Kind.PATTERN, (), {"pattern": 7}, Result.BAD_FIELD),
        (Kind.STAGES, (PlanRow(MAIN, 70, 600),), {"pattern": 1}, Result.BAD_FIELD),
        (Kind.FLASH, (PlanRow(MAIN, 70, 600),), {}, Result.BAD_FIELD),
        (Kind.STAGES, (), {}, Result.BAD_FIELD),
        (Kind.STAGES, (PlanRow(MAIN, 70, 600),), {"calls": 1 << 5}, Result.BAD_FIELD),
        (Kind.STAGES, (PlanRow(MAIN, 70, 600),), {"omits": 1 << 31}, Result.BAD_FIELD),
    ],
)
def test_what_it_does_not_have_is_refused(
    kind: Kind, rows: tuple[PlanRow, ...], wishes: dict[str, int], result: Result
) -> None:
    assert Street().ask(kind, *rows, **wishes) is result


@pytest.mark.parametrize(
    ("kind", "wishes"),
    [
        (Kind.ALL_RED, {}),
        (Kind.FLASH, {}),
        (Kind.PATTERN, {}),
        (Kind.STAGES, {"calls": 1}),
        (Kind.STAGES, {"omits": 1}),
    ],
)
def test_a_cabinet_that_cannot_says_so(kind: Kind, wishes: dict[str, int]) -> None:
    street = Street()
    street.cabinet.can = Can.NONE
    rows = (PlanRow(MAIN, 70, 600),) if kind is Kind.STAGES else ()
    assert street.ask(kind, *rows, **wishes) is Result.UNABLE


def test_a_call_brings_a_group_its_green_without_a_detector() -> None:
    street = Street()
    street.ask(Kind.PATTERN, calls=1 << SIDE_GROUP)
    street.run(300)
    assert SIDE in street.stages
    assert street.cabinet.state(street.now).calls >> SIDE_GROUP & 1


def test_an_omitted_group_is_not_served_by_the_local_plan_but_a_row_may_name_its_stage() -> None:
    street = Street()
    street.ask(Kind.PATTERN, ttl=2000, pattern=FREE_PATTERN, omits=1 << SIDE_GROUP)
    street.queue("side near", "walk across button")
    street.run(50)
    street.stages.clear()
    street.run(800)
    assert SIDE not in street.stages
    row = PlanRow(SIDE, 70, 600)
    assert street.ask(Kind.STAGES, row, omits=1 << SIDE_GROUP) is Result.ACCEPTED
    street.run(300)
    assert street.cabinet.state(street.now).stage == SIDE, "who names the stage means it"
    assert street.monitor.violations == []


def test_an_omitted_on_demand_group_leaves_its_stages_in_use() -> None:
    groups = tuple(
        replace(group, on_demand=True) if group.name == "walk across" else group for group in PLAN.groups
    )
    plan = replace(PLAN, groups=groups)
    assert stages_omitted(plan, 1 << 4) == 0
    assert stages_omitted(PLAN, 1 << 4) == 1 << SIDE
    street = Street(plan)
    street.ask(Kind.STAGES, PlanRow(SIDE, 70, 3000), ttl=2000, omits=1 << 4)
    street.queue("side near", "walk across button")
    street.run(600)
    assert street.cabinet.aspects[SIDE_GROUP] == Aspect.GREEN
    assert street.cabinet.aspects[4] == Aspect.RED
    street.ask(Kind.STAGES, PlanRow(SIDE, 70, 3000), ttl=2000)
    street.run(20)
    assert street.cabinet.aspects[4] == Aspect.GREEN, "the button was pressed and is not forgotten"


_KINDS = st.sampled_from(Kind)
_WISHES = st.fixed_dictionaries({"calls": st.integers(0, 31), "omits": st.integers(0, 31)})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(_KINDS, st.integers(0, 2), _WISHES, st.integers(1, 200)), min_size=1, max_size=12))
def test_whatever_is_asked_in_whatever_order_the_monitor_has_nothing_to_object_to(
    asks: list[tuple[Kind, int, dict[str, int], int]],
) -> None:
    street = Street()
    street.queue("side near", "left near", "walk along button")
    for kind, stage, wishes, tenths in asks:
        rows = (PlanRow(stage, 70, 600),) if kind is Kind.STAGES else ()
        street.ask(kind, *rows, ttl=150, **wishes)
        street.run(tenths)
    assert street.monitor.violations == []


def test_a_preempt_is_entered_over_every_minimum_and_left_by_its_own_exit() -> None:
    street = Street()
    number = preempt_for(PLAN, SIDE)
    assert number is not None
    assert street.ask(Kind.PREEMPT, ttl=400, pattern=number) is Result.ACCEPTED
    street.run(250)
    state = street.cabinet.state(street.now)
    assert (state.stage, state.mode, state.preempt) == (SIDE, Mode.REMOTE, True)
    street.run(150)
    assert street.cabinet.mode is Mode.LOCAL
    street.run(300)
    state = street.cabinet.state(street.now)
    assert not state.preempt and state.stage != SIDE, "the side street had its turn"
    assert street.monitor.violations == []


def test_a_preempt_dies_with_the_heartbeat() -> None:
    street = Street()
    street.ask(Kind.PREEMPT, ttl=3000, pattern=1)
    street.run(50)
    assert street.cabinet.state(street.now).preempt
    street.cabinet.tick(street.now + 101)
    street.cabinet.tick(street.now + 500)
    state = street.cabinet.state(street.now + 500)
    assert (state.mode, state.preempt, state.owner) == (Mode.LOCAL, False, 0)


def test_a_wired_preempt_ends_every_plan_and_refuses_new_ones() -> None:
    street = Street()
    street.ask(Kind.STAGES, PlanRow(SIDE, 70, 600))
    street.run(300)
    street.cabinet.preempt_inputs = 1 << MAIN
    street.run(20)
    state = street.cabinet.state(street.now)
    assert (state.mode, state.active_seq, state.preempt) == (Mode.PREEMPT, 0, True)
    assert street.ask(Kind.STAGES, PlanRow(SIDE, 70, 600)) is Result.NOT_REMOTE
    street.run(250)
    assert street.cabinet.state(street.now).stage == MAIN
    street.cabinet.preempt_inputs = 0
    street.run(400)
    assert street.cabinet.mode is Mode.LOCAL
    assert street.monitor.violations == []


@pytest.mark.parametrize("number", [0, len(PLAN.stages) + 1])
def test_only_preempts_that_are_there_are_taken(number: int) -> None:
    assert Street().ask(Kind.PREEMPT, pattern=number) is Result.BAD_FIELD
