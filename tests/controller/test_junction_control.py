"""One junction's control on a real cabinet core: whoever asks, only what is legal reaches the cabinet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stopline_cabinets.errors import CabinetDisobeys
from stopline_cabinets.fake import FakeStreet
from stopline_cabinets.words import (
    CabinetState,
    Kind,
    Mode,
    PlanCommand,
    PlanRow,
    Result,
    following,
    stage_minimum,
)
from stopline_controller.arbiter import Arbiter
from stopline_controller.junction import Action, JunctionControl, Step
from stopline_controller.obedience import PATIENCE
from stopline_controller.sources import GRACE, Order, Proposal, Source
from stopline_hil.cards import card_from_plan
from stopline_hil.example import crossroads
from stopline_mmu import Lamp, Monitor
from stopline_signals.detectors import NOTHING, DetectorReading

PLAN = replace(crossroads(), junction="A")
OWNER = 7


class Kerb:
    """A cabinet core, a conflict monitor on its lamps, and one junction's control, in lock step."""

    def __init__(self) -> None:
        self.street = FakeStreet(PLAN)
        self.monitor = Monitor(card_from_plan(PLAN))
        self.control = JunctionControl(PLAN, Arbiter(), 50)
        self.asked: list[tuple[int, int, Source]] = []
        self.released = 0
        assert self.street.core.claim(OWNER, "test", 100, 1, 0)
        self.run(31)

    def run(self, tenths: int) -> None:
        for _ in range(tenths):
            self.street.run(1)
            self.street.core.beat(OWNER, self.street.now, self.street.now)
            self.monitor.observe(self.street.now, tuple(Lamp(aspect) for aspect in self.street.core.aspects))

    def tick(
        self, *proposals: Proposal, policy: Proposal | Callable[[int], Proposal] | None = None
    ) -> Action:
        seen = self.street.core.state(self.street.now)
        self.control.observe(seen)
        fresh = self.control.decision_due
        if fresh:
            self.control.decided(policy(self.control.allowed) if callable(policy) else policy)
        step = self.control.rule(seen, proposals, {}, fresh)
        if step.action is Action.ASK:
            stage = step.verdict.stage
            assert seen.legal >> stage & 1, f"asked for stage {stage} the cabinet would not take up"
            row = PlanRow(stage, stage_minimum(PLAN, stage), 300)
            command = PlanCommand(following(self.street.core.accepted_seq), (row,), 150)
            assert self.street.core.submit(command, OWNER, 0, self.street.now) is Result.ACCEPTED
            self.asked.append((self.street.now, stage, step.ruling.winner.source))
        self.released += step.action is Action.RELEASE
        return step.action


_SOURCES = st.sampled_from([Source.EMERGENCY, Source.CENTRE, Source.TRANSIT])
_PROPOSALS = st.lists(st.builds(Proposal, _SOURCES, st.integers(-1, 4)), max_size=3)


@settings(max_examples=25)
@given(st.lists(st.tuples(_PROPOSALS, st.integers(-1, 2), st.integers(1, 25)), min_size=1, max_size=25))
def test_whoever_asks_for_whatever_the_monitor_has_nothing_to_object_to(
    moves: list[tuple[list[Proposal], int, int]],
) -> None:
    kerb = Kerb()
    for proposals, policy, tenths in moves:
        kerb.tick(*proposals, policy=Proposal(Source.POLICY, policy))
        kerb.run(tenths)
    assert kerb.monitor.violations == []
    assert kerb.street.core.mode is Mode.REMOTE


def test_an_override_waits_for_the_minimum_green() -> None:
    kerb = Kerb()
    kerb.tick(policy=Proposal(Source.POLICY, 0))
    began = kerb.street.core.state(kerb.street.now).stage_elapsed
    wanted = Proposal(Source.CENTRE, 2)
    while not kerb.asked or kerb.asked[-1][1] != 2:
        kerb.tick(wanted, policy=Proposal(Source.POLICY, 0))
        kerb.run(1)
    green = kerb.asked[-1][0] - 31 + began
    assert green >= stage_minimum(PLAN, 0) == 70, "walk is the longest minimum of stage 0"
    assert {stage for _, stage, source in kerb.asked if source is Source.CENTRE} == {0, 2}


def test_a_policy_decides_once_per_interval_and_each_decision_is_one_command() -> None:
    kerb = Kerb()
    kerb.run(100)
    asks = 0
    for _ in range(500):
        asks += kerb.tick(policy=Proposal(Source.POLICY, 0)) is Action.ASK
        kerb.run(1)
    assert asks == 10
    assert [now - kerb.asked[0][0] for now, *_ in kerb.asked] == list(range(0, 500, 50))


def test_a_policy_without_a_choice_decides_again_as_soon_as_it_has_one() -> None:
    kerb = Kerb()
    kerb.run(100)
    kerb.tick(policy=Proposal(Source.POLICY, 2))
    while kerb.asked[-1][1] != 0:
        kerb.run(1)
        kerb.tick(policy=lambda allowed: Proposal(Source.POLICY, 0 if allowed & 1 else 2))
        assert kerb.street.now < 1000
    chosen = [now for now, stage, _ in kerb.asked if stage == 0]
    settled = 131 + kerb.control.engine.typical_transition(0, 2)
    assert chosen[0] - settled - stage_minimum(PLAN, 2) <= 2, "the tick that sees the minimum over"
    gaps = [later - earlier for (earlier, *_), (later, *_) in pairwise(kerb.asked)]
    assert all(gap <= 50 for gap in gaps), "and meanwhile the plan was refreshed every interval"


@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(1, 30)), min_size=1, max_size=20))
def test_what_is_allowed_is_what_the_cabinet_allows(moves: list[tuple[int, int]]) -> None:
    """However seldom we look, we never allow more than the cabinet, and no less once a stage is in force."""
    kerb = Kerb()
    for stage, tenths in moves:
        kerb.tick(policy=Proposal(Source.POLICY, stage))
        seen = kerb.street.core.state(kerb.street.now)
        assert kerb.control.allowed & ~seen.legal == 0
        if tenths <= 10 and not seen.in_transition:
            assert kerb.control.allowed == seen.legal
        kerb.run(tenths)


def test_control_that_comes_back_to_the_policy_is_taken_up_at_once() -> None:
    kerb = Kerb()
    kerb.tick(policy=Proposal(Source.POLICY, 0))
    for _ in range(20):
        kerb.run(1)
        kerb.tick(Proposal(Source.CENTRE, 0), policy=Proposal(Source.POLICY, 0))
    over = kerb.street.now
    for _ in range(3):
        kerb.run(1)
        kerb.tick(policy=Proposal(Source.POLICY, 0))
    assert kerb.asked[-1][2] is Source.POLICY and kerb.asked[-1][0] <= over + 2


def test_an_override_is_refreshed_before_its_plan_ends() -> None:
    kerb = Kerb()
    for _ in range(400):
        kerb.tick(Proposal(Source.CENTRE, 0), policy=None)
        kerb.run(1)
        assert kerb.street.core.mode is Mode.REMOTE


def test_when_nobody_asks_the_cabinet_is_released_once() -> None:
    kerb = Kerb()
    kerb.tick(policy=Proposal(Source.POLICY, 0))
    for _ in range(120):
        kerb.run(1)
        kerb.tick(policy=None)
    assert kerb.released == 1


@pytest.mark.parametrize("source", [Source.CENTRE, Source.EMERGENCY, Source.TRANSIT])
def test_a_starving_group_is_served_over_any_override(source: Source) -> None:
    kerb = Kerb()
    longest = PLAN.groups[2].max_red + GRACE.get(source, 0)
    side = next(i for i, d in enumerate(PLAN.detectors) if d.group == 2)
    kerb.street.core.set_readings(
        tuple(DetectorReading(3, 3) if i == side else NOTHING for i in range(len(PLAN.detectors)))
    )
    for _ in range(longest + 100):
        kerb.tick(Proposal(source, 0))
        kerb.run(1)
    served = [now for now, stage, _ in kerb.asked if stage == 2]
    assert served and served[0] <= 31 + longest
    assert served[0] > longest - PLAN.groups[2].max_red // 2
    assert kerb.monitor.violations == []


TRANSIT_LAST = (*(s for s in Source if s not in (Source.TRANSIT, Source.LOCAL)), Source.TRANSIT, Source.LOCAL)
"""With somebody below the policy, who asks and changes nothing but the stack that is published."""


class Twins:
    """One cabinet, and two controls: one works every tick out, the other goes on where it can."""

    def __init__(self, interval: int) -> None:
        self.street = FakeStreet(PLAN)
        assert self.street.core.claim(OWNER, "test", 100, 1, 0)
        arbiter = Arbiter(TRANSIT_LAST)
        self.plain, self.quick = (JunctionControl(PLAN, arbiter, interval) for _ in range(2))
        self.went_on = 0

    def tick(self, policy: int | None, proposals: Sequence[Proposal]) -> None:
        """One tenth later: both rule, and what they come to is the same; the cabinet is asked for it."""
        street = self.street
        street.run(1)
        street.core.beat(OWNER, street.now, street.now)
        seen = street.core.state(street.now)
        gone_on = None if proposals else self.quick.goes_on(seen)
        steps = [self._worked_out(self.plain, seen, policy, proposals)]
        steps.append(gone_on or self._worked_out(self.quick, seen, policy, proposals))
        self.went_on += gone_on is not None
        assert steps[0] == steps[1]
        assert _told(self.plain) == _told(self.quick)
        step = steps[0]
        if step.action is Action.ASK and step.order.kind is Kind.STAGES:
            row = PlanRow(step.order.stage, stage_minimum(PLAN, step.order.stage), 300)
            command = PlanCommand(following(street.core.accepted_seq), (row,), 150)
            taken = street.core.submit(command, OWNER, 0, street.now) is Result.ACCEPTED
            for control in (self.plain, self.quick):
                control.obedience.accepted(step.order) if taken else control.obedience.forget()
        elif step.action is Action.RELEASE:
            for control in (self.plain, self.quick):
                control.obedience.forget()

    def _worked_out(
        self, control: JunctionControl, seen: CabinetState, policy: int | None, proposals: Sequence[Proposal]
    ) -> Step:
        control.observe(seen)
        fresh = control.decision_due
        if fresh:
            control.decided(None if policy is None else Proposal(Source.POLICY, policy))
        return control.rule(seen, proposals, {}, fresh)


def _told(control: JunctionControl) -> tuple[object, ...]:
    """What a control says of itself, to the loop and to who watches; the engine is each one's own."""
    now = control.now
    assert now is not None
    known = (now.state, now.readings, control.allowed, control.steady, control.held_back)
    return (*known, control.decision_due, control.decides_soon, control.followed, control.policy)


_READINGS = st.none() | st.lists(
    st.integers(0, 3), min_size=len(PLAN.detectors), max_size=len(PLAN.detectors)
)
_MOVES = st.tuples(
    st.integers(1, 60),
    st.none() | st.integers(-1, 2),
    _READINGS,
    st.just([]) | _PROPOSALS,
    st.sampled_from([None, None, None, 0, 2]),
)


@settings(max_examples=60)
@given(st.sampled_from([10, 50]), st.lists(_MOVES, min_size=1, max_size=15))
def test_a_tick_that_goes_on_comes_to_what_it_would_have_been_worked_out_to(
    interval: int, moves: list[tuple[int, int | None, list[int] | None, list[Proposal], int | None]]
) -> None:
    twins = Twins(interval)
    for tenths, policy, vehicles, proposals, panel in moves:
        twins.street.core.set_manual(panel)
        if vehicles is not None:
            twins.street.core.set_readings(tuple(DetectorReading(count, count) for count in vehicles))
        for _ in range(tenths):
            twins.tick(policy, proposals)


def test_most_ticks_go_on() -> None:
    twins = Twins(10)
    for _ in range(400):
        twins.tick(0, [])
    assert twins.went_on > 250


def test_who_asked_below_the_policy_is_gone_from_the_stack_with_the_next_tick() -> None:
    twins = Twins(10)
    for tick in range(230):
        twins.tick(0, [Proposal(Source.TRANSIT, 1)] if tick % 4 else [])


def test_a_clock_that_runs_backwards_is_not_gone_on_with() -> None:
    twins = Twins(10)
    for _ in range(205):
        twins.tick(0, [])
    seen = twins.street.core.state(twins.street.now)
    assert twins.quick.goes_on(seen) is not None
    assert twins.quick.goes_on(seen._replace(time=seen.time - 1)) is None


def test_a_policy_that_withdraws_is_not_gone_on_with() -> None:
    twins = Twins(10)
    for tick in range(300):
        twins.tick(0 if tick < 205 else None, [])
    assert twins.quick.followed == "" and twins.quick.policy is None


def test_what_was_looked_at_and_never_ruled_on_is_not_gone_on_with() -> None:
    """Something else in the slot may fail between the two."""
    twins = Twins(50)
    for _ in range(202):
        twins.tick(0, [])
    seen = twins.street.core.state(twins.street.now)._replace(time=twins.street.now + 1, mode=Mode.MANUAL)
    assert twins.quick.goes_on(seen) is None
    twins.quick.observe(seen)
    assert twins.quick.goes_on(seen._replace(time=seen.time + 1)) is None


def test_a_cabinet_at_its_panel_is_not_gone_on_with_for_the_policy() -> None:
    twins = Twins(50)
    for tick in range(400):
        if tick in (205, 300):
            twins.street.core.set_manual(0 if tick == 205 else None)
        twins.tick(0, [])


def test_who_waits_too_long_is_served_while_control_goes_on() -> None:
    twins = Twins(50)
    side = next(i for i, d in enumerate(PLAN.detectors) if d.group == 2)
    counts = [DetectorReading(3, 3) if i == side else NOTHING for i in range(len(PLAN.detectors))]
    twins.street.core.set_readings(tuple(counts))
    stages: set[int] = set()
    for _ in range(2 * PLAN.groups[2].max_red):
        twins.tick(0, [])
        stages.add(twins.street.core.state(twins.street.now).stage)
    assert 2 in stages


def test_a_cabinet_that_does_not_follow_is_found_out_while_control_goes_on() -> None:
    """Nothing changes any more, not even what should: that is what obedience looks for."""
    twins = Twins(50)
    for _ in range(202):
        twins.tick(0, [])
    control, seen = twins.quick, twins.street.core.state(twins.street.now)
    control.obedience.accepted(Order(2))
    later = 0
    with pytest.raises(CabinetDisobeys):
        for later in range(1, 48):
            assert control.goes_on(seen._replace(time=seen.time + later, legal=0b111)) is not None
    assert PATIENCE < later <= PATIENCE + 2
