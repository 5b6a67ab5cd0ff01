"""Two emergency vehicles at one junction, and one that others hold up: the rules decide."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stopline_hil.example import crossroads
from stopline_signals.approach import Now, relieving_stage
from stopline_signals.detectors import NOTHING, DetectorReading
from stopline_signals.engine import Engine
from stopline_signals.plan import GroupKind
from stopline_signals.priority import (
    RELIEF_S,
    STUCK_S,
    Ahead,
    PriorityRequests,
    State,
    Urgency,
    VehicleClass,
    VehicleReport,
)

PLAN = replace(
    crossroads(),
    junction="A",
    groups=tuple(
        g if g.kind is GroupKind.PEDESTRIAN else replace(g, approach="side" if g.name == "side" else "main")
        for g in crossroads().groups
    ),
)
ENGINE = Engine(PLAN)
MAIN, LEFT, SIDE = range(3)


class Case:
    """One junction, stepped by tenths on what the leading vehicle asks for."""

    def __init__(self, stage: int = MAIN) -> None:
        self.requests = PriorityRequests({"A": PLAN})
        self.state = ENGINE.advance(ENGINE.start(0, stage), -1, 0, 300).state
        self.clock = 30.0
        self.sequence = 0
        self.readings = [NOTHING] * len(PLAN.detectors)

    def report(self, vehicle: str, group: str, eta: float, **changes: object) -> State | None:
        self.sequence += 1
        report = VehicleReport(
            vehicle=vehicle,
            kind=VehicleClass.AMBULANCE,
            sequence=self.sequence,
            ahead=(Ahead("A", group, distance_m=60.0, eta_s=eta),),
            speed_mps=10.0,
        )
        found = self.requests.report(replace(report, **changes), self.clock)  # type: ignore[arg-type]  # fields of a report
        return found[0].state if found else None

    def asked(self) -> int | None:
        wishes = self.requests.wishes("A", Now(ENGINE, self.state, tuple(self.readings)), self.clock)
        return next((wish.stage for wish in wishes if wish.urgency is Urgency.EMERGENCY), None)

    def step(self, seconds: float = 0.1) -> int | None:
        asked = self.asked()
        self.clock += seconds
        until = self.state.now + round(10 * seconds)
        self.state = ENGINE.advance(self.state, -1 if asked is None else asked, 0, until).state
        return asked


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_of_two_that_conflict_the_earlier_arrival_goes_first_whoever_reported_first(
    order: tuple[str, str],
) -> None:
    case = Case(LEFT)
    for vehicle in order:
        case.report(vehicle, "side" if vehicle == "a" else "main", 4.0 if vehicle == "a" else 6.0)
    assert case.asked() == SIDE


def test_class_decides_before_arrival_between_two_that_ask_at_once() -> None:
    case = Case(LEFT)
    case.report("a", "main", 4.0)
    case.report("z", "side", 6.0, kind=VehicleClass.FIRE)
    assert case.asked() == SIDE
    case.report("a", "main", 1.0)
    assert case.asked() == SIDE, "and the first is finished first"


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_of_two_that_arrive_together_the_name_decides(order: tuple[str, str]) -> None:
    case = Case(LEFT)
    for vehicle in order:
        case.report(vehicle, "side" if vehicle == "a" else "main", 5.0)
    assert case.asked() == SIDE


def test_the_second_of_two_that_conflict_is_served_right_after_the_first() -> None:
    case = Case(MAIN)
    stages: list[int] = []
    for second in range(40):
        if second < 25:
            case.report("a", "side", max(12.0 - second, 0.1))
        elif second == 25:
            case.report("a", "side", 0.0, ahead=())
        case.report("b", "main", max(20.0 - second, 0.1))
        for _ in range(10):
            case.step()
        stages.append(case.state.stage)
    assert stages[24] == SIDE and stages[-1] == MAIN, stages


def test_two_on_one_way_share_a_green() -> None:
    case = Case(SIDE)
    case.report("a", "main", 5.0)
    case.asked()
    case.report("b", "main", 8.0)
    assert case.asked() == MAIN
    assert {case.report("a", "main", 5.0), case.report("b", "main", 8.0)} <= {
        State.GRANTED,
        State.PENDING_SAFE_POINT,
    }


def test_one_that_falls_silent_leaves_the_green_to_the_other_after_eight_seconds() -> None:
    case = Case(MAIN)
    case.report("a", "side", 5.0)
    assert case.asked() == SIDE
    for _ in range(7):
        case.report("b", "main", 10.0)
        case.step(1.0)
    assert case.asked() == SIDE
    for _ in range(2):
        case.report("b", "main", 10.0)
        case.step(1.0)
    assert case.asked() == MAIN


def test_a_vehicle_held_by_a_turns_queue_lets_that_go_and_gets_its_green_back() -> None:
    case = Case(MAIN)
    left = [n for n, d in enumerate(PLAN.detectors) if PLAN.groups[d.group].name == "left"]
    for number in left:
        case.readings[number] = DetectorReading(6, 6)
    asked: list[int | None] = []
    for _ in range(round(STUCK_S + RELIEF_S + 60)):
        case.report("a", "main", 2.0, speed_mps=0.0)
        for _ in range(10):
            asked.append(case.step())
    turn = asked.index(LEFT)
    assert turn >= 10 * STUCK_S, "a moment's standing is nothing yet"
    assert MAIN in asked[turn:], "its own green comes back"
    back = turn + asked[turn:].index(MAIN)
    assert back - turn <= 10 * (RELIEF_S + 20)


def test_a_vehicle_that_stands_behind_nobody_keeps_its_green() -> None:
    case = Case(MAIN)
    assert relieving_stage(Now(ENGINE, case.state, tuple(case.readings)), MAIN) is None
    for _ in range(30):
        case.report("a", "main", 2.0, speed_mps=0.0)
        assert case.step(1.0) == MAIN
