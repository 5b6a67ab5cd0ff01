"""Preempts enter, clear the track, dwell and leave without cutting anything; rail comes first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stopline_signals import KEEP, Engine, EngineState, SignalPlan
from stopline_signals.plan import Preempt
from stopline_signals.preemption import PreemptControl, PreemptMemory, PreemptStatus
from tests.signals.lamp_checker import LampChecker
from tests.signals.plans_for_tests import EAST, LEFT, WALK, four_groups

NORTH_STAGE, EAST_STAGE, LEFT_STAGE = range(3)
FIRE, RAIL = 0, 1


def plan_with_preempts() -> SignalPlan:
    fire = Preempt(name="fire", dwell=EAST_STAGE, priority=3, min_duration=100, max_presence=1800)
    rail = Preempt(
        name="rail", dwell=NORTH_STAGE, rail=True, priority=9, track_clear=LEFT_STAGE, min_duration=50
    )
    return replace(four_groups(), preempts=(fire, rail))


class Site:
    """Engine and preempts together; whatever nobody preempts keeps its stage."""

    def __init__(self, plan: SignalPlan) -> None:
        self.engine, self.control = Engine(plan), PreemptControl(plan)
        self.state: EngineState = self.engine.advance(self.engine.start(0), KEEP, 0, 400).state
        self.memory: PreemptMemory = self.control.start(400)
        self.checker = LampChecker(plan)
        self.checker.see(400, self.state.aspects)
        self.seen: list[tuple[PreemptStatus, ...]] = []

    def run(self, tenths: int, inputs: int, calls: int = 0) -> None:
        for _ in range(tenths):
            decision = self.control.decide(self.memory, self.state, inputs)
            self.memory = decision.memory
            request = KEEP if decision.stage is None else decision.stage
            self.state = self.engine.advance(self.state, request, calls, self.state.now + 1).state
            self.checker.see(self.state.now, self.state.aspects)
            if not self.seen or self.seen[-1] != self.memory.status:
                self.seen.append(self.memory.status)


def statuses(site: Site, index: int) -> list[PreemptStatus]:
    path: list[PreemptStatus] = []
    for row in site.seen:
        if not path or path[-1] is not row[index]:
            path.append(row[index])
    return path


def test_a_fire_preempt_runs_its_whole_course() -> None:
    site = Site(plan_with_preempts())
    site.run(300, 1 << FIRE)
    assert site.state.stage == EAST_STAGE
    site.run(300, 0)
    assert statuses(site, FIRE) == [
        PreemptStatus.ENTRY_STARTED,
        PreemptStatus.DWELL,
        PreemptStatus.EXIT_STARTED,
        PreemptStatus.NOT_ACTIVE,
    ]
    assert site.state.stage != EAST_STAGE
    assert site.checker.problems == []


def test_exit_pays_the_longest_debt_first() -> None:
    site = Site(plan_with_preempts())
    site.run(300, 1 << FIRE, calls=1 << LEFT)
    site.run(100, 0, calls=1 << LEFT)
    assert site.state.stage in (NORTH_STAGE, LEFT_STAGE)
    assert site.state.waiting_since[LEFT] == -1


def test_rail_outranks_fire_and_clears_the_track_first() -> None:
    site = Site(plan_with_preempts())
    site.run(200, 1 << FIRE)
    site.run(400, 1 << FIRE | 1 << RAIL)
    assert statuses(site, RAIL)[1:] == [
        PreemptStatus.ENTRY_STARTED,
        PreemptStatus.TRACK_SERVICE,
        PreemptStatus.DWELL,
    ]
    assert site.memory.status[FIRE] is PreemptStatus.NOT_ACTIVE_WITH_CALL
    assert site.state.stage == NORTH_STAGE
    site.run(600, 1 << FIRE)
    assert site.state.stage == EAST_STAGE


def test_a_stuck_input_is_ignored_after_its_maximum_presence() -> None:
    site = Site(plan_with_preempts())
    site.run(2300, 1 << FIRE)
    assert site.memory.status[FIRE] is PreemptStatus.MAX_PRESENCE
    assert site.control.decide(site.memory, site.state, 1 << FIRE).stage is None
    site.run(2, 0)
    site.run(300, 1 << FIRE)
    assert site.memory.status[FIRE] is PreemptStatus.DWELL


def test_delay_holds_the_preempt_back() -> None:
    plan = plan_with_preempts()
    late = replace(plan, preempts=(replace(plan.preempts[FIRE], delay=150),))
    site = Site(late)
    site.run(149, 1)
    assert site.state.stage == NORTH_STAGE
    site.run(20, 1)
    assert site.state.stage == EAST_STAGE


@pytest.mark.parametrize("inputs", [1 << FIRE, 1 << RAIL])
def test_a_walk_is_never_truncated(inputs: int) -> None:
    plan = plan_with_preempts()
    site = Site(plan)
    site.run(10, 0, calls=1 << WALK)
    assert site.state.aspects[WALK] == 3
    site.run(500, inputs)
    assert site.checker.problems == []


@settings(max_examples=60, deadline=None)
@given(course=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 15), st.integers(1, 200)), max_size=12))
def test_no_course_of_inputs_breaks_an_interval(course: list[tuple[int, int, int]]) -> None:
    site = Site(plan_with_preempts())
    for inputs, calls, tenths in course:
        site.run(tenths, inputs, calls)
    assert site.checker.problems == []


def test_a_preempt_at_rest_says_nothing() -> None:
    site = Site(plan_with_preempts())
    site.run(50, 0, calls=1 << EAST)
    assert site.state.stage == NORTH_STAGE
    assert site.memory.status == (PreemptStatus.NOT_ACTIVE, PreemptStatus.NOT_ACTIVE)
