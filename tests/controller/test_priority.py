"""Vehicle priority: early enough, one at a time where they conflict, and over when it should be."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from stopline_controller.priority import PriorityBook
from stopline_controller.sources import GRACE, Source
from stopline_hil.example import crossroads
from stopline_signals.approach import FULL, HEADWAY_S, START_UP_S, UNSEEN, Now, closing, need
from stopline_signals.detectors import NOTHING, DetectorReading
from stopline_signals.engine import Engine, EngineState
from stopline_signals.guard import Guard
from stopline_signals.plan import DetectorKind
from stopline_signals.priority import (
    KEPT_VEHICLES,
    Ahead,
    PrioritySettings,
    Progress,
    State,
    VehicleClass,
    VehicleReport,
)
from tests.controller.manual_clock import ManualClock

PLAN = replace(crossroads(), junction="A")
ENGINE = Engine(PLAN)
MAIN, LEFT, SIDE = range(3)
QUIET = (NOTHING,) * len(PLAN.detectors)


class Street:
    """A junction and its book of requests on one clock, in lock step."""

    def __init__(self, settings: PrioritySettings | None = None, stage: int = MAIN) -> None:
        self.clock = ManualClock()
        self.book = PriorityBook(self.clock, {"A": PLAN}, settings)
        self.state: EngineState = ENGINE.advance(ENGINE.start(0, stage), -1, 0, 200).state
        self.sequence = 0

    def report(
        self,
        vehicle: str = "amb",
        group: str = "side",
        eta: float = 30.0,
        kind: VehicleClass = VehicleClass.AMBULANCE,
        **changes: object,
    ) -> list[Progress]:
        self.sequence += 1
        report = VehicleReport(
            vehicle=vehicle, kind=kind, sequence=self.sequence, ahead=(Ahead("A", group, eta_s=eta),)
        )
        return self.book.report(replace(report, **changes))  # type: ignore[arg-type]  # the test's business

    def ask(self, readings: tuple[DetectorReading, ...] = QUIET) -> dict[Source, int]:
        now = Now(ENGINE, self.state, readings)
        return {proposal.source: proposal.stage for proposal in self.book.proposals("A", now)}

    def run(self, seconds: float, request: int = -1) -> None:
        self.clock.at += seconds
        self.state = ENGINE.advance(self.state, request, 0, self.state.now + round(seconds * 10)).state


def test_nothing_is_asked_while_the_vehicle_is_far() -> None:
    street = Street()
    street.report(eta=300)
    assert street.ask() == {}
    (progress,) = street.report(eta=299)
    assert progress.state is State.WAITING and progress.start_in_s > 200


def test_asked_in_time_the_green_is_there_when_the_vehicle_is() -> None:
    """From every stage, with the worst detour beginning at any moment, the green comes first."""
    for stage in range(3):
        for detour in range(3):
            street = Street(stage=stage)
            for tick in range(1200):
                arrival = 120.0 - tick / 10
                street.report(eta=max(arrival, 0.1))
                asked = street.ask().get(Source.EMERGENCY)
                # Until the vehicle asks, somebody else may ask for any stage that is legal.
                request = asked if asked is not None else detour
                street.run(0.1, request)
            assert street.state.stage == SIDE and not street.state.in_transition
            assert street.state.aspects[SIDE] == 3, f"from stage {stage}, detour {detour}"


def test_a_queue_makes_it_ask_earlier() -> None:
    street = Street()
    now = Now(ENGINE, street.state, QUIET)
    near = next(i for i, d in enumerate(PLAN.detectors) if d.group == SIDE)
    queued = tuple(DetectorReading(6, 6) if i == near else r for i, r in enumerate(QUIET))
    without = need(now, SIDE, margin_s=4)
    behind = need(now._replace(readings=queued), SIDE, margin_s=4)
    assert behind.lead_s - without.lead_s == pytest.approx(START_UP_S + 6 * HEADWAY_S)
    failed = tuple(r._replace(healthy=False) for r in queued)
    assert need(now._replace(readings=failed), SIDE, margin_s=4) == without


def test_a_vehicle_that_passed_or_cancelled_asks_no_more() -> None:
    for ending in ({"ahead": ()}, {"cancel": True}):
        street = Street()
        street.report(eta=5)
        assert street.ask() == {Source.EMERGENCY: SIDE}
        (progress,) = street.report(**ending)
        assert progress.state is State.COMPLETED
        assert street.ask() == {}


def test_silence_ends_a_request_after_eight_seconds() -> None:
    street = Street()
    street.report(eta=5)
    street.run(7.9)
    assert street.ask() == {Source.EMERGENCY: SIDE}
    street.run(0.2)
    assert street.ask() == {}


def test_no_vehicle_holds_a_junction_for_ever() -> None:
    street = Street(PrioritySettings(max_presence=20))
    for _ in range(21):
        street.report(eta=5)
        asked = street.ask()
        street.run(1.0, asked.get(Source.EMERGENCY, -1))
    assert street.ask() == {}
    (progress,) = street.report(eta=5)
    assert progress.state is State.REJECTED
    street.report(ahead=())
    street.report(eta=3)
    assert street.ask() == {}, "dropping out for a report begins nothing new"
    street.report(ahead=())
    street.run(21.0)
    street.report(eta=3)
    assert street.ask() == {Source.EMERGENCY: SIDE}, "one that comes again later does"


def test_of_two_conflicting_vehicles_the_first_is_finished_first() -> None:
    street = Street()
    street.report("first", "side", eta=8)
    assert street.ask() == {Source.EMERGENCY: SIDE}
    street.run(1)
    street.report("second", "main", eta=2)
    assert street.ask() == {Source.EMERGENCY: SIDE}
    (progress,) = street.report("second", "main", eta=2)
    assert progress.state is State.QUEUED and "first" in progress.reason
    street.report("first", ahead=())
    assert street.ask() == {Source.EMERGENCY: MAIN}


def test_two_vehicles_of_compatible_groups_share_a_stage() -> None:
    street = Street(stage=SIDE)
    street.report("straight", "main", eta=5)
    assert street.ask() == {Source.EMERGENCY: MAIN}
    street.run(1, MAIN)
    street.report("turning", "left", eta=5, kind=VehicleClass.FIRE)
    street.ask()
    progress = {p.junction: p for p in street.report("turning", "left", eta=5, kind=VehicleClass.FIRE)}
    assert progress["A"].state is State.QUEUED, "left is protected only in its own stage"


def test_an_emergency_outranks_a_bus_that_was_first() -> None:
    street = Street()
    street.report("bus", "side", eta=1, kind=VehicleClass.TRANSIT, late_s=90)
    assert street.ask() == {Source.TRANSIT: SIDE}
    street.report("amb", "main", eta=1)
    assert street.ask() == {Source.EMERGENCY: MAIN}
    (progress,) = street.report("bus", "side", eta=1, kind=VehicleClass.TRANSIT, late_s=90)
    assert progress.state is State.QUEUED and progress.reason == "ambulance amb goes first"


def test_old_and_repeated_reports_change_nothing() -> None:
    street = Street()
    street.report(eta=5)
    stale = VehicleReport(vehicle="amb", kind=VehicleClass.AMBULANCE, sequence=1, cancel=True)
    street.book.report(stale)
    assert street.ask() == {Source.EMERGENCY: SIDE}


def test_a_vehicle_that_was_silent_may_number_its_reports_anew() -> None:
    street = Street()
    street.report(eta=5, sequence=2**31, cancel=True)
    street.run(8.1)
    street.report(eta=5, sequence=1)
    assert street.ask() == {Source.EMERGENCY: SIDE}


def test_vehicles_without_number_do_not_fill_the_memory() -> None:
    street = Street()
    for number in range(5 * KEPT_VEHICLES):
        street.report(f"trip {number}", cancel=True)
        street.clock.at += 0.1
    assert len(street.book._requests._heard) <= 2 * KEPT_VEHICLES


def test_a_movement_the_junction_does_not_have_is_refused_by_name() -> None:
    street = Street()
    (progress,) = street.report(group="tram only")
    assert progress.state is State.REJECTED and "tram only" in progress.reason
    assert street.report(ahead=(Ahead("elsewhere", "side", eta_s=5),)) == []


def test_the_approach_names_the_movement_when_the_group_is_not_known() -> None:
    plan = replace(PLAN, groups=tuple(replace(g, approach=f"{g.name} road") for g in PLAN.groups))
    clock = ManualClock()
    book = PriorityBook(clock, {"A": plan})
    report = VehicleReport(
        vehicle="amb", kind=VehicleClass.POLICE, sequence=1, ahead=(Ahead("A", "", "side road", eta_s=1),)
    )
    book.report(report)
    engine = Engine(plan)
    state = engine.advance(engine.start(0), -1, 0, 200).state
    (proposal,) = book.proposals("A", Now(engine, state, QUIET))
    assert proposal.stage == SIDE


def test_the_status_follows_the_lamps() -> None:
    street = Street()
    seen: list[State] = []
    for tick in range(300):
        (progress,) = street.report(eta=max(30 - tick / 10, 0.1))
        if progress.state not in seen:
            seen.append(progress.state)
        street.run(0.1, street.ask().get(Source.EMERGENCY, -1))
    assert seen == [State.WAITING, State.GRANTED, State.GREEN]


def test_a_green_that_just_began_is_not_cut_short() -> None:
    street = Street()
    street.run(0.1, LEFT)
    while street.state.in_transition:
        street.run(0.1, LEFT)
    street.report(eta=3)
    assert street.ask() == {Source.EMERGENCY: SIDE}
    (progress,) = street.report(eta=3)
    assert progress.state is State.PENDING_SAFE_POINT
    assert not ENGINE.legal(street.state) >> SIDE & 1, "the guard would refuse it as well"


def test_a_queue_beyond_the_detectors_makes_it_ask_earlier_still() -> None:
    state = Street().state
    far = next(i for i, d in enumerate(PLAN.detectors) if d.group == SIDE and d.kind is DetectorKind.FAR_ZONE)
    capacity = PLAN.detectors[far].capacity
    leads = [
        need(
            Now(ENGINE, state, tuple(DetectorReading(n, n) if i == far else r for i, r in enumerate(QUIET))),
            SIDE,
            margin_s=4,
        ).lead_s
        for n in (math.ceil(FULL * capacity) - 1, math.ceil(FULL * capacity))
    ]
    assert leads[1] - leads[0] == pytest.approx(HEADWAY_S * (1 + UNSEEN * capacity))


def test_stages_without_a_way_back_in_time_are_closed_to_the_policy() -> None:
    street = Street()
    now = Now(ENGINE, street.state, QUIET)
    back = (ENGINE.typical_transition(MAIN, LEFT) + ENGINE.typical_transition(LEFT, SIDE)) / 10
    minimum = max(PLAN.groups[g].minimum for g in PLAN.stages[LEFT].groups if not PLAN.groups[g].on_demand)
    enough = 4 + back + minimum / 10
    assert closing(now, SIDE, left_s=enough, margin_s=4) == 0
    assert closing(now, SIDE, left_s=enough - 0.2, margin_s=4) == 1 << LEFT, "not the stage itself"
    assert closing(now, MAIN, left_s=0.0, margin_s=4) == 1 << LEFT | 1 << SIDE, "what is green stays"


def test_what_the_policy_would_begin_too_late_is_kept_from_beginning() -> None:
    street = Street()
    street.report(group="main", eta=12.0)
    now = Now(ENGINE, street.state, QUIET)
    assert street.book.closed("A", now) == 1 << LEFT | 1 << SIDE
    assert street.book.proposals("A", now) == [], "green and staying: nothing to ask"
    (kept,) = street.book.proposals("A", now, below=LEFT)
    assert (kept.source, kept.stage) == (Source.EMERGENCY, MAIN) and "short" in kept.reason
    street.report(group="main", kind=VehicleClass.TRANSIT, vehicle="bus", eta=12.0)
    street.report(group="main", cancel=True)
    assert street.book.closed("A", now) == 0, "a bus closes nothing"


def test_an_overdue_call_waits_for_an_emergency_on_its_way_but_not_for_ever() -> None:
    street = Street()
    street.report(group="main", eta=12.0)
    late = street.state.now + PLAN.groups[SIDE].max_red + 20
    waiting = ENGINE.advance(street.state, -1, 1 << SIDE, late).state
    (kept,) = street.book.proposals("A", Now(ENGINE, waiting, QUIET), below=MAIN)
    assert kept.stage == MAIN
    guard = Guard(ENGINE)
    assert guard.decide(waiting, kept.stage, GRACE[Source.EMERGENCY]).stage == MAIN
    later = waiting._replace(now=waiting.now + GRACE[Source.EMERGENCY])
    assert guard.decide(later, kept.stage, GRACE[Source.EMERGENCY]).stage == SIDE
