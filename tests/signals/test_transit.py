"""Buses and trams: late ones get a little, now and then, and nothing an emergency vehicle could miss."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stopline_signals import KEEP, Engine, EngineState, SignalPlan
from stopline_signals.priority import (
    Ahead,
    PriorityRequests,
    PrioritySettings,
    Progress,
    State,
    TransitSettings,
    Urgency,
    VehicleClass,
    VehicleReport,
    Wish,
)
from stopline_signals.transit import usual_green
from tests.signals.plans_for_tests import EAST, eight_phases, four_groups
from tests.signals.priority_course import Course

BUS, AMBULANCE = VehicleClass.TRANSIT, VehicleClass.AMBULANCE
NORTH_STAGE, EAST_STAGE, LEFT_STAGE = range(3)
LIMITS = TransitSettings(late=60.0, extension=10.0, early=10.0, kept=15.0, cooldown=120.0)


def free_plan() -> SignalPlan:
    """Without a program: nobody says how long a green usually lasts."""
    return replace(four_groups(), program=None)


def course(plan: SignalPlan | None = None, stage: int = NORTH_STAGE) -> Course:
    return Course(plan or free_plan(), PrioritySettings(transit=LIMITS, recovery=True), stage)


def bus(one: Course, eta: float, group: str = "north", late: float = 90.0, name: str = "bus") -> Progress:
    one.report(name, group, eta, BUS, late_s=late)
    one.tick()
    (progress,) = one.report(name, group, max(eta - 0.1, 0.0), BUS, late_s=late)
    return progress


def drive(one: Course, eta: float, group: str, seconds: float, late: float = 90.0) -> list[int | None]:
    """Let a bus come nearer; the stage wished for it in every tenth."""
    wished: list[int | None] = []
    for tenth in range(round(10 * seconds)):
        if tenth % 10 == 0:
            one.report("bus", group, max(eta - tenth / 10, 0.0), BUS, late_s=late)
        one.tick()
        wished.append(one.stage_wished(Urgency.TRANSIT))
    return wished


def test_a_green_is_held_for_a_late_bus_until_it_is_through() -> None:
    one = course()
    one.policy = EAST_STAGE
    assert bus(one, 6.0).state is State.GREEN
    drive(one, 6.0, "north", 6.0)
    assert one.state.stage == NORTH_STAGE, "the policy would have left"
    one.gone("bus", BUS)
    one.tick()
    assert one.wishes == [] and one.state.stage == EAST_STAGE


def test_a_green_is_held_no_longer_than_the_extension() -> None:
    one = course()
    one.policy = EAST_STAGE
    wished = drive(one, 5.0, "north", 30.0)
    assert wished.count(NORTH_STAGE) == round(10 * LIMITS.extension)
    (progress,) = one.report("bus", "north", 0.0, BUS, late_s=90.0)
    assert (progress.state, progress.reason) == (State.REJECTED, "had what transit is given at most")


def test_a_bus_that_comes_after_the_longest_extension_is_let_be() -> None:
    one = course()
    one.policy = EAST_STAGE
    progress = bus(one, 12.0)
    assert progress.state is not State.GREEN or progress.start_in_s > 0
    assert one.wishes == []


def test_the_green_of_a_late_bus_begins_early_once_the_others_had_theirs() -> None:
    one = course(stage=EAST_STAGE)
    one.run(round(10 * LIMITS.kept))
    progress = bus(one, 3.0)
    assert progress.state is State.GRANTED and progress.green_in_s > 0
    drive(one, 3.0, "north", 15.0)
    assert one.state.stage == NORTH_STAGE
    assert one.checker.problems == []


def test_others_keep_their_green_at_a_junction_without_a_program() -> None:
    one = course()
    one.policy = EAST_STAGE
    while one.state.stage != EAST_STAGE or one.state.in_transition:
        one.tick()
    one.policy = KEEP
    began = one.state.now
    while one.state.stage == EAST_STAGE:
        progress = bus(one, 2.0)
        if one.state.now - began < 10 * LIMITS.kept - 2:
            assert progress.state is State.PENDING_SAFE_POINT, progress
            assert "others keep their green" in progress.reason or "timing rules" in progress.reason
    assert 10 * LIMITS.kept <= one.state.now - began <= 10 * LIMITS.kept + 2


def test_a_program_says_how_long_a_green_usually_lasts() -> None:
    plan = four_groups()
    one = course(plan)
    usual = usual_green(one.engine, EAST_STAGE) or 0
    assert usual == 300 - one.engine.typical_transition(EAST_STAGE, LEFT_STAGE)
    one.policy = EAST_STAGE
    while one.state.stage != EAST_STAGE or one.state.in_transition:
        one.tick()
    one.policy, began = KEEP, one.state.now
    while one.state.stage == EAST_STAGE:
        bus(one, 2.0)
    assert 0 <= one.state.now - began - (usual - 10 * LIMITS.early) <= 2, "ten seconds shorter and no more"


def test_one_that_is_not_late_enough_has_no_effect_and_is_told_so() -> None:
    for late in (-30.0, 0.0, 59.0):
        one = course()
        one.policy = EAST_STAGE
        progress = bus(one, 5.0, late=late)
        assert progress.state is State.REJECTED and progress.reason.endswith("s late, served from 60 s on")
        assert drive(one, 5.0, "north", 20.0, late) == [None] * 200
        assert one.state.stage == EAST_STAGE


def test_a_junction_that_gave_way_rests_and_says_for_how_long() -> None:
    one = course()
    bus(one, 4.0)
    one.gone("bus", BUS)
    one.run(1)
    progress = bus(one, 4.0, name="next")
    assert progress.state is State.COOLDOWN
    assert progress.start_in_s == pytest.approx(LIMITS.cooldown, abs=1.0) and "again in" in progress.reason
    one.gone("next", BUS)
    one.run(round(10 * LIMITS.cooldown))
    assert bus(one, 4.0, name="next").state is State.GREEN


def test_nothing_is_given_while_a_side_street_would_wait_too_long() -> None:
    one = course()
    one.calls = 1 << EAST
    ahead = round(10 * LIMITS.extension)
    while one.engine.most_overdue(one.state._replace(now=one.state.now + ahead)) is None:
        one.tick()
    assert one.engine.most_overdue(one.state) is None and one.state.stage == NORTH_STAGE
    progress = bus(one, 5.0)
    assert (progress.state, progress.reason) == (State.QUEUED, "a call would wait too long")
    assert one.wishes == []


def test_two_buses_on_one_street_share_a_green_and_one_on_another_waits_for_them() -> None:
    one = course()
    ways = {"a": "north", "b": "north", "c": "east"}
    for _ in range(2):
        answers = {name: one.report(name, group, 4.0, BUS, late_s=90.0)[0] for name, group in ways.items()}
        one.tick()
    answers = {name: one.report(name, group, 4.0, BUS, late_s=90.0)[0] for name, group in ways.items()}
    assert one.stage_wished(Urgency.TRANSIT) == NORTH_STAGE
    assert (answers["a"].state, answers["b"].state) == (State.GREEN, State.GREEN)
    assert answers["b"].reason == "shares the green of a"
    assert (answers["c"].state, answers["c"].reason) == (State.QUEUED, "a goes first")


def test_an_emergency_ends_what_a_bus_was_given() -> None:
    one = course()
    bus(one, 6.0)
    one.report("amb", "east", 200.0)
    progress = bus(one, 5.0)
    assert (progress.state, progress.reason) == (State.QUEUED, "ambulance amb goes first")
    assert one.wishes == [], "it is far away, and even so nothing is held"
    one.gone("amb")
    assert bus(one, 4.0).state is State.COOLDOWN, "what was given counts"


def test_lateness_nobody_has_is_refused() -> None:
    for late in (float("nan"), float("inf"), 1e5):
        (progress,) = course().report("bus", "north", 5.0, BUS, late_s=late)
        assert progress.state is State.REJECTED and "late" in progress.reason


PLANS = {"free": free_plan, "program": four_groups, "eight phases": eight_phases}


class Tick(NamedTuple):
    """One tenth: the state decided on, and what was asked for, with and without buses."""

    state: EngineState
    emergency: Wish | None
    transit: Wish | None
    alone: list[Wish]


def ride(name: str, seed: int, late: float | None, seconds: int = 150) -> list[Tick]:
    """Ambulances and, with `late`, buses on random streets; beside them requests that know of no bus."""
    rng = random.Random(seed)
    one = Course(PLANS[name](), PrioritySettings(transit=LIMITS))
    twin = PriorityRequests({one.plan.junction: one.plan})
    groups, seen = one.vehicles(), list[Tick]()
    coming: dict[str, tuple[str, float]] = {}
    for second in range(seconds):
        if rng.random() < 0.08:
            vehicle = f"{rng.choice(['bus', 'ambulance'])} {second}"
            coming[vehicle] = (rng.choice(groups), second + rng.uniform(1, 30))
        if rng.random() < 0.07:
            one.policy = rng.choice([KEEP, *range(len(one.plan.stages))])
            one.calls = rng.getrandbits(len(one.plan.groups))
        for vehicle, (group, arrives) in list(coming.items()):
            report = _report(vehicle, one.plan.junction, group, arrives - second, second, late or 0.0)
            if second > arrives + 12:
                del coming[vehicle]
                report = replace(report, ahead=())
            if report.kind is not BUS or late is not None:
                one.requests.report(report, one.clock)
            if report.kind is not BUS:
                twin.report(report, one.clock)
        for _ in range(10):
            state, below = one.state, one.state.stage if one.policy == KEEP else one.policy
            alone = twin.wishes(one.plan.junction, one.here, one.clock, below)
            one.tick()
            by = {wish.urgency: wish for wish in one.wishes}
            seen.append(Tick(state, by.get(Urgency.EMERGENCY), by.get(Urgency.TRANSIT), alone))
    assert one.checker.problems == []
    return seen


def _report(vehicle: str, junction: str, group: str, left: float, number: int, late: float) -> VehicleReport:
    transit = vehicle.startswith("bus")
    return VehicleReport(
        vehicle=vehicle,
        kind=BUS if transit else AMBULANCE,
        sequence=number,
        late_s=late if transit else 0.0,
        ahead=(Ahead(junction, group, eta_s=max(left, 0.1)),),
    )


RIDES = given(name=st.sampled_from(sorted(PLANS)), seed=st.integers(0, 10**6))


@settings(max_examples=8, deadline=None)
@RIDES
def test_what_a_bus_is_given_is_bounded_and_the_next_one_waits(name: str, seed: int) -> None:
    engine = Engine(PLANS[name]())
    held: dict[str, int] = {}
    asked: list[tuple[int, str]] = []
    for state, _, wish, _ in ride(name, seed, late=90.0):
        if wish is None:
            continue
        asked.append((state.now, wish.vehicle))
        if state.stage != wish.stage:
            usual = usual_green(engine, state.stage)
            kept = 10 * LIMITS.kept if usual is None else usual - 10 * LIMITS.early
            assert state.now - state.settled_at >= kept, "another green is cut by more than it may be"
        elif not state.in_transition:
            held[wish.vehicle] = held.get(wish.vehicle, 0) + 1
    assert all(tenths <= 10 * LIMITS.extension for tenths in held.values())
    for (ended, vehicle), (began, other) in pairwise(asked):
        assert vehicle == other or began - ended >= 10 * LIMITS.cooldown


@settings(max_examples=8, deadline=None)
@RIDES
def test_an_emergency_asks_for_what_it_would_without_buses_and_nobody_asks_beside_it(
    name: str, seed: int
) -> None:
    for _, emergency, transit, alone in ride(name, seed, late=90.0):
        assert [wish for wish in (emergency,) if wish] == alone
        assert emergency is None or transit is None


@settings(max_examples=8, deadline=None)
@RIDES
def test_buses_on_time_change_no_lamp(name: str, seed: int) -> None:
    """The course is that of ambulances alone, state by state."""
    on_time = ride(name, seed, late=59.0)
    assert all(tick.transit is None for tick in on_time)
    assert on_time == ride(name, seed, late=None)


def test_late_buses_ask_and_cut_greens_and_hold_them() -> None:
    """Else the properties above could hold because nothing ever happens."""
    ticks = [tick for name in PLANS for seed in range(3) for tick in ride(name, seed, late=90.0)]
    wished = [(tick.state.stage, tick.transit.stage) for tick in ticks if tick.transit]
    assert any(a == b for a, b in wished) and any(a != b for a, b in wished)
    assert any(tick.emergency for tick in ticks)
