"""What a controller does at its cabinet when an emergency vehicle is through, is silent, or never leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from stopline.v1 import priority_pb2
from stopline_controller import wire
from stopline_controller.overrides import Verb
from stopline_controller.sources import Source
from stopline_signals.priority import (
    Ahead,
    PrioritySettings,
    Progress,
    State,
    TransitSettings,
    VehicleClass,
    VehicleReport,
)
from tests.controller.town import ACROSS, LEFT, MAIN, SIDE, Town

REPAYS = PrioritySettings(recovery=True)
CYCLE_S = 90.0


def keeps_left(allowed: int, present: int) -> int:
    """A policy that goes back to the left turn whenever it may."""
    return LEFT if allowed >> LEFT & 1 else present


def goes_side(allowed: int, present: int) -> int:
    """A policy that is for the side street."""
    return SIDE if allowed >> SIDE & 1 else present


def source(town: Town) -> Source:
    """Who decides now."""
    return town.source


def report(
    town: Town,
    eta: float,
    group: str = "main",
    kind: VehicleClass = VehicleClass.AMBULANCE,
    *,
    passed: bool = False,
    late: float = 0.0,
    name: str = "",
) -> list[Progress]:
    """One report now; its sequence is the time."""
    return town.priority.report(
        VehicleReport(
            vehicle=name or str(kind),
            kind=kind,
            sequence=round(10 * town.clock.at),
            ahead=() if passed else (Ahead("A", group, eta_s=eta),),
            late_s=late,
        )
    )


def state(town: Town, eta: float, **more: object) -> State:
    (progress,) = report(town, eta, **more)  # type: ignore[arg-type]  # passed on
    # What is answered on the wire is what was found.
    assert wire.progress_message(progress).state == wire.PRIORITY_STATES[progress.state]
    return progress.state


def drive(town: Town, seconds: int, group: str = "main") -> None:
    for _ in range(seconds):
        report(town, 2.0, group)
        town.run(1)


@pytest.mark.parametrize(("first", "second"), [("side", "main"), ("main", "side")])
def test_who_waited_longest_is_served_first_and_the_policy_is_back_within_two_cycles(
    tmp_path: Path, first: str, second: str
) -> None:
    with Town(tmp_path, policy=keeps_left, priority=REPAYS) as town:
        stage_of = {"side": SIDE, "main": MAIN}
        drive(town, 20, "left")
        town.queue(f"{first} near")
        drive(town, 12, "left")
        town.queue(f"{first} near", f"{second} near")
        drive(town, 12, "left")
        assert source(town) is Source.EMERGENCY and town.seen.stage == LEFT
        report(town, 0.0, passed=True)
        town.until(lambda: town.seen.stage == stage_of[first], 30)
        assert source(town) is Source.TRANSIT, "below operators, and without an emergency's grace"
        assert "waited longest" in town.state.ruling.winner.reason
        town.queue()
        took = town.until(lambda: source(town) is Source.POLICY and town.seen.stage == LEFT, 2 * CYCLE_S)
        assert took < CYCLE_S


def test_without_recovery_the_policy_decides_at_once(tmp_path: Path) -> None:
    with Town(tmp_path, policy=keeps_left) as town:
        town.queue("side near")
        drive(town, 20, "left")
        report(town, 0.0, passed=True)
        assert town.run(10) == [LEFT] and source(town) is Source.POLICY


def test_a_silent_vehicle_loses_its_green_after_eight_seconds(tmp_path: Path) -> None:
    with Town(tmp_path, priority=REPAYS) as town:
        drive(town, 10, "side")
        assert source(town) is Source.EMERGENCY
        town.run(7.0 - 0.1)
        assert source(town) is Source.EMERGENCY, "its last report is eight seconds old at most"
        town.until(lambda: source(town) is not Source.EMERGENCY, 1.5)
        assert state(town, 2.0, group="side") is State.STALE
        town.run(1)
        assert state(town, 2.0, group="side") in (State.GRANTED, State.GREEN), "it begins anew"


def test_a_silent_vehicle_that_has_passed_meanwhile_is_told_as_well(tmp_path: Path) -> None:
    with Town(tmp_path) as town:
        drive(town, 3, "side")
        town.run(9)
        (progress,) = report(town, 0.0, passed=True)
        assert (progress.junction, progress.state) == ("A", State.STALE) and "silent for" in progress.reason
        assert report(town, 0.0, passed=True) == [], "once"


def test_a_vehicle_that_never_leaves_loses_its_green_after_the_maximum_presence(tmp_path: Path) -> None:
    with Town(tmp_path, policy=keeps_left, priority=PrioritySettings(max_presence=25.0)) as town:
        drive(town, 24, "side")
        assert town.seen.stage == SIDE and source(town) is Source.EMERGENCY
        drive(town, 3, "side")
        assert state(town, 2.0, group="side") is State.REJECTED
        assert source(town) is Source.POLICY
        town.until(lambda: town.seen.stage == LEFT, 30)


def test_an_operator_goes_before_what_is_made_up_for(tmp_path: Path) -> None:
    with Town(tmp_path, priority=REPAYS) as town:
        town.queue("side near")
        drive(town, 12)
        report(town, 0.0, passed=True)
        town.run(0.2)
        assert source(town) is Source.TRANSIT
        lease = town.lease()
        town.ask(lease, Verb.HOLD)
        town.run(1)
        assert source(town) is Source.CENTRE


def test_pedestrians_walk_to_the_end_while_an_ambulance_waits(tmp_path: Path) -> None:
    """The walk across the main road has begun; the monitor and the plan's own times are the judges."""
    with Town(tmp_path) as town:
        town.policy = goes_side
        group = town.plan.groups[ACROSS]
        town.until(lambda: town.seen.aspects[ACROSS] == 3, 60)
        moving = 0
        while town.seen.aspects[ACROSS]:
            report(town, 1.0)
            town.tick()
            moving += 1
        assert moving >= group.walk + group.clearance
        town.until(lambda: town.seen.stage == MAIN, 30)


def test_every_state_of_a_request_is_reached_and_has_a_word_on_the_wire(tmp_path: Path) -> None:
    bus = VehicleClass.TRANSIT
    transit = TransitSettings(kept=5.0, cooldown=60.0)
    seen: set[State] = set()
    with Town(tmp_path, priority=PrioritySettings(transit=transit)) as town:
        seen.add(state(town, 300.0, group="side"))
        town.run(1)
        for _ in range(40):
            seen.add(state(town, 2.0, group="side"))
            town.run(0.5)
        seen.add(state(town, 2.0, group="main", kind=VehicleClass.POLICE))
        town.run(0.2)
        seen.add(state(town, 2.0, group="main", kind=VehicleClass.POLICE))
        seen.add(state(town, 0.0, kind=VehicleClass.POLICE, passed=True))
        seen.add(state(town, 0.0, passed=True))
        assert seen == {*State} - {State.REJECTED, State.STALE, State.COOLDOWN, State.PENDING_SAFE_POINT}
        town.until(lambda: town.seen.stage == MAIN and not town.seen.in_transition, 30)
        seen.add(state(town, 3.0, group="main", kind=bus, late=10.0))
        town.run(0.2)
        seen.add(state(town, 3.0, group="main", kind=bus, late=10.0))
        for _ in range(10):
            town.run(0.2)
            seen.add(state(town, 3.0, group="main", kind=bus, late=100.0))
        town.run(0.2)
        report(town, 0.0, kind=bus, passed=True)
        town.run(0.2)
        report(town, 3.0, group="main", kind=bus, late=100.0)
        town.run(0.2)
        seen.add(state(town, 3.0, group="main", kind=bus, late=100.0))
        town.run(9)
        seen.add(state(town, 3.0, group="main", kind=bus, late=100.0))
        town.run(0.1)
        report(town, 2.0, group="left")
        town.until(lambda: town.seen.stage == LEFT, 60)
        report(town, 0.0, passed=True)
        town.run(0.2)
        report(town, 2.0, group="side", name="other")
        town.run(0.2)
        seen.add(state(town, 2.0, group="side", name="other"))
        assert seen == set(State)
        assert set(wire.PRIORITY_STATES) == set(State)


def test_a_granted_vehicle_is_told_when_its_green_comes(tmp_path: Path) -> None:
    with Town(tmp_path) as town:
        report(town, 2.0, "side")
        town.run(0.2)
        (progress,) = report(town, 2.0, "side")
        assert progress.state in (State.GRANTED, State.PENDING_SAFE_POINT) and progress.green_in_s > 0
        promised = wire.progress_message(progress).green_in_s

        def green() -> bool:
            return state(town, 2.0, group="side") is State.GREEN

        assert town.until(green, 30) == pytest.approx(promised, abs=0.5)
        (progress,) = report(town, 2.0, "side")
        assert progress.green_in_s == 0


def test_lateness_comes_over_the_wire() -> None:
    message = priority_pb2.ReportRequest(
        vehicle_id="bus", vehicle_class=priority_pb2.VEHICLE_CLASS_TRANSIT, sequence=1, late_s=-12.5
    )
    assert wire.report_from(message).late_s == -12.5
