"""Reports that cannot be true, or come from the wrong one, get no green: not one false grant."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from stopline_controller.access import METHODS
from stopline_controller.identity import Role
from stopline_hil.example import crossroads
from stopline_signals.approach import Now
from stopline_signals.detectors import NOTHING
from stopline_signals.engine import Engine
from stopline_signals.plausible import MOST_AHEAD
from stopline_signals.priority import Ahead, PriorityRequests, State, VehicleClass, VehicleReport

PLAN = replace(crossroads(), junction="A")
ENGINE = Engine(PLAN)
MAIN = 0
HERE = Now(ENGINE, ENGINE.advance(ENGINE.start(0, MAIN), -1, 0, 300).state, (NOTHING,) * len(PLAN.detectors))
HONEST = VehicleReport(
    vehicle="amb 1",
    kind=VehicleClass.AMBULANCE,
    sequence=10,
    speed_mps=15.0,
    desired_mps=18.0,
    ahead=(Ahead("A", "side", distance_m=90.0),),
)


def at(distance_m: float, eta_s: float = 0.0, group: str = "side") -> tuple[Ahead, ...]:
    return (Ahead("A", group, distance_m=distance_m, eta_s=eta_s),)


ALONE: dict[str, VehicleReport] = {
    "speed is not a number": replace(HONEST, speed_mps=math.nan),
    "speed is infinite": replace(HONEST, desired_mps=math.inf),
    "speed is negative": replace(HONEST, speed_mps=-5.0),
    "drives faster than anybody": replace(HONEST, speed_mps=90.0),
    "would like to drive faster than anybody": replace(HONEST, desired_mps=400.0),
    "distance is not a number": replace(HONEST, ahead=at(math.nan)),
    "distance is negative": replace(HONEST, ahead=at(-20.0)),
    "is in another city": replace(HONEST, ahead=at(80_000.0)),
    "arrives at once from afar": replace(HONEST, ahead=at(900.0, eta_s=1.0)),
    "arrives after an age": replace(HONEST, ahead=at(90.0, eta_s=1e6)),
    "names a junction twice": replace(HONEST, ahead=at(90.0) + at(10.0, group="main")),
    "names a movement that is not there": replace(HONEST, ahead=at(90.0, group="tram only")),
    "asks for half the city": replace(
        HONEST, ahead=at(90.0) + tuple(Ahead(f"J{n}", "side", distance_m=90.0) for n in range(MOST_AHEAD))
    ),
    "asks for a pedestrian's crossing": replace(HONEST, ahead=at(90.0, group="walk")),
}
FAR = replace(HONEST, sequence=9, ahead=at(5_000.0))
AFTER: dict[str, VehicleReport] = {
    "jumps to the stop line": replace(HONEST, ahead=at(20.0)),
    "repeats an old report": replace(HONEST, sequence=9),
    "counts backwards": replace(HONEST, sequence=3),
    "became a fire engine": replace(HONEST, kind=VehicleClass.FIRE),
}


@pytest.mark.parametrize("kind", ALONE)
def test_a_report_that_cannot_be_true_gets_nothing_and_is_told_why(kind: str) -> None:
    requests = PriorityRequests({"A": PLAN})
    (answer,) = requests.report(ALONE[kind], 100.0)
    assert answer.state is State.REJECTED and answer.reason
    assert requests.wishes("A", HERE, 100.0, below=MAIN) == [] and requests.closed("A", HERE, 100.0) == 0


@pytest.mark.parametrize("kind", AFTER)
def test_a_report_that_does_not_follow_from_the_last_gets_nothing(kind: str) -> None:
    requests = PriorityRequests({"A": PLAN})
    (far,) = requests.report(FAR, 100.0)
    assert far.state is State.WAITING
    requests.report(AFTER[kind], 101.0)
    assert requests.wishes("A", HERE, 101.0, below=MAIN) == []


def test_the_honest_report_is_granted() -> None:
    requests = PriorityRequests({"A": PLAN})
    requests.report(HONEST, 100.0)
    (wish,) = requests.wishes("A", HERE, 100.0)
    assert wish.vehicle == "amb 1" and wish.stage != MAIN


def test_what_cannot_be_true_does_not_keep_a_request_alive() -> None:
    requests = PriorityRequests({"A": PLAN})
    requests.report(HONEST, 100.0)
    for second in range(1, 10):
        requests.report(replace(HONEST, sequence=10 + second, speed_mps=math.nan), 100.0 + second)
    assert requests.wishes("A", HERE, 109.0) == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.SUPERVISOR])
def test_other_roles_may_not_report(role: Role) -> None:
    assert role not in METHODS["/stopline.v1.PriorityService/Report"]
