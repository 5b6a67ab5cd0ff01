"""Vehicles that know only where they are: granted by the map, refused where it cannot be, told of silence."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from stopline.v1 import priority_pb2, priority_pb2_grpc
from stopline_controller.audit import AuditLog
from stopline_controller.identity import NOBODY, Identity, Role
from stopline_controller.priority import PriorityBook
from stopline_controller.priority_desk import PriorityDesk
from stopline_controller.site import InvalidSite, read_site
from stopline_signals.approach import Now
from stopline_signals.approach_map import ApproachMap
from stopline_signals.detectors import NOTHING, DetectorReading
from stopline_signals.engine import Engine
from stopline_signals.plan import DetectorKind
from stopline_signals.plausible import LONGEST_INCIDENT, MOST_AHEAD
from stopline_signals.priority import Ahead, PriorityRequests, State, VehicleClass, VehicleReport
from stopline_signals.vehicles import RouteStop
from tests.controller.bench import ServeProcess
from tests.controller.manual_clock import ManualClock
from tests.controller.mapped_town import TOWN, degrees, fix, plan, write_map
from tests.controller.sites import write_site

PLAN = plan("J1")
ENGINE = Engine(PLAN)
HERE = Now(ENGINE, ENGINE.advance(ENGINE.start(0, 0), -1, 0, 300).state, (NOTHING,) * len(PLAN.detectors))
SIDE_STAGE = 2
HERE_IT_IS = fix(0, -110)
REPORT = VehicleReport(
    vehicle="amb 1", kind=VehicleClass.AMBULANCE, sequence=10, speed_mps=15.0, position=HERE_IT_IS
)
OWN = Identity("dispatch north", Role.DISPATCHER, True)
OTHER = Identity("dispatch south", Role.DISPATCHER, True)


class Room:
    """A desk with a map, on a clock that is set by hand."""

    def __init__(self, audit: AuditLog, approaches: ApproachMap | None = TOWN) -> None:
        self.clock = ManualClock()
        self.audit = audit
        self.book = PriorityBook(self.clock, {"J1": PLAN})
        self.desk = PriorityDesk(self.book, audit, self.clock, {"J1"}, approaches=approaches)

    def asked(self) -> list[int]:
        return [proposal.stage for proposal in self.book.proposals("J1", HERE)]

    def kept(self, kind: str) -> list[dict[str, object]]:
        return [json.loads(record.detail) for record in self.audit.read(kind=kind)]


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[AuditLog]:
    log = AuditLog(tmp_path / "audit.sqlite")
    yield log
    log.close()


def test_a_position_alone_gets_the_stage_of_its_approach(audit: AuditLog) -> None:
    room = Room(audit)
    answer = room.desk.answer(replace(REPORT, incident="2026-4711"), OWN)
    assert answer.placed is not None and answer.placed.approach == "J1 south"
    assert answer.placed.distance_m == pytest.approx(100, abs=0.5) and answer.placed.predicted
    (status,) = answer.progress
    assert status.junction == "J1" and status.eta_s == pytest.approx(100 / 15, abs=0.1)
    assert room.asked() == [SIDE_STAGE]
    (kept,) = room.kept("priority")
    assert kept["incident"] == "2026-4711" and kept["certificate"] == "dispatch north"


def test_a_route_names_the_group_and_a_group_that_is_not_there_is_refused(audit: AuditLog) -> None:
    room = Room(audit)
    there = replace(REPORT, position=fix(-110, 0, 90.0))
    answer = room.desk.answer(replace(there, route=(RouteStop("J1", "left"), RouteStop("J2"))), OWN)
    assert answer.placed is not None and not answer.placed.predicted
    assert [one.group for one in answer.placed.ahead] == ["left", ""]
    wrong = room.desk.answer(replace(there, vehicle="amb 2", route=(RouteStop("J1", "tram"),)), OWN)
    assert [one.state for one in wrong.progress] == [State.REJECTED]


def test_once_it_is_past_the_line_its_request_is_over(audit: AuditLog) -> None:
    room = Room(audit)
    room.desk.report(REPORT, OWN)
    for second in range(1, 8):
        room.clock.at += 1.0
        room.desk.report(replace(REPORT, sequence=10 + second, position=fix(0, -110 + 15 * second)), OWN)
    assert room.asked() == []
    room.clock.at += 1.0
    gone = room.desk.answer(replace(REPORT, sequence=18, position=fix(30, 0, 90.0)), OWN)
    assert gone.placed is not None and gone.placed.approach == "J2 west"


LIES: dict[str, VehicleReport] = {
    "latitude is no number": replace(REPORT, position=HERE_IT_IS._replace(latitude=math.nan)),
    "latitude is off the globe": replace(REPORT, position=HERE_IT_IS._replace(latitude=91.0)),
    "longitude is infinite": replace(REPORT, position=HERE_IT_IS._replace(longitude=math.inf)),
    "heading is no number": replace(REPORT, position=HERE_IT_IS._replace(heading=math.nan)),
    "heading is beyond the circle": replace(REPORT, position=fix(0, -110, 400.0)),
    "may be anywhere": replace(REPORT, position=HERE_IT_IS._replace(accuracy_m=5_000.0)),
    "accuracy is negative": replace(REPORT, position=HERE_IT_IS._replace(accuracy_m=-1.0)),
    "route goes through half the city": replace(
        REPORT, route=tuple(RouteStop(f"J{n}") for n in range(MOST_AHEAD + 1))
    ),
    "incident fills the log": replace(REPORT, incident="x" * (LONGEST_INCIDENT + 1)),
    "says it is at the line and is not": replace(
        REPORT, position=fix(0, -390), ahead=(Ahead("J1", "side", distance_m=20.0),)
    ),
    "says it arrives and is not near": replace(
        REPORT, position=fix(0, -390), ahead=(Ahead("J1", "side", eta_s=2.0),)
    ),
    "is in another town": replace(
        REPORT, position=fix(0, -60_000), ahead=(Ahead("J1", "side", distance_m=90.0),)
    ),
}


@pytest.mark.parametrize("kind", LIES)
def test_a_position_that_cannot_be_true_gets_no_green_and_is_recorded(audit: AuditLog, kind: str) -> None:
    room = Room(audit)
    answer = room.desk.answer(LIES[kind], OWN)
    assert all(item.state is State.REJECTED and item.reason for item in answer.progress)
    assert room.asked() == []
    if LIES[kind].ahead:
        assert answer.placed is None and answer.progress
    else:
        assert answer.placed is not None and answer.placed.reason and not answer.placed.ahead
    (kept,) = room.kept("priority-refused")
    assert kept["why"]


def test_a_vehicle_that_jumps_gets_nothing_where_it_jumped_to(audit: AuditLog) -> None:
    room = Room(audit)
    room.desk.report(replace(REPORT, position=fix(300, -380)), OWN)
    room.clock.at += 1.0
    answer = room.desk.answer(replace(REPORT, sequence=11), OWN)
    assert answer.placed is not None and "moved 40" in answer.placed.reason and not answer.placed.ahead
    assert room.asked() == []


def test_across_the_street_or_in_the_field_nothing_is_asked_for(audit: AuditLog) -> None:
    room = Room(audit)
    across, back, field, unknown = (
        fix(0, -110, 90.0),
        fix(0, -110, 180.0),
        fix(80, -110),
        fix(0, -110, None),
    )
    for number, there in enumerate((across, back, field, unknown)):
        answer = room.desk.answer(replace(REPORT, vehicle=f"amb {number}", position=there), OWN)
        assert answer.placed is not None and answer.placed.reason and not answer.progress
    assert room.asked() == []


def test_a_stranger_moves_nobody(audit: AuditLog) -> None:
    room = Room(audit)
    room.desk.report(REPORT, OWN)
    room.desk.report(replace(REPORT, sequence=11, position=fix(300, -100)), OTHER)
    room.clock.at += 1.0
    again = room.desk.answer(replace(REPORT, sequence=11, position=fix(0, -95)), OWN)
    assert again.placed is not None and again.placed.approach == "J1 south" and again.progress


def test_a_site_without_a_map_says_that_it_has_none(audit: AuditLog) -> None:
    room = Room(audit, approaches=None)
    answer = room.desk.answer(REPORT, OWN)
    assert answer.placed is not None and "no map of approaches" in answer.placed.reason
    (kept,) = room.kept("priority-refused")
    assert kept["why"] == answer.placed.reason
    assert room.desk.report(replace(REPORT, ahead=(Ahead("J1", "side", distance_m=90.0),)), OWN)


def test_who_fell_silent_is_told_once_and_only_to_who_spoke_for_it(audit: AuditLog) -> None:
    room = Room(audit)
    room.desk.report(REPORT, OWN)
    mine = {"amb 1"}
    assert room.desk.fallen_silent(OWN, mine) == []
    room.clock.at += 8.5
    assert room.desk.fallen_silent(OTHER, mine) == [] and room.desk.fallen_silent(NOBODY, mine) == []
    assert room.desk.fallen_silent(OWN, {"amb 2"}) == [], "another stream of the same speaker's"
    (silent,) = room.desk.fallen_silent(OWN, mine)
    assert (silent.vehicle, silent.sequence) == ("amb 1", 10)
    assert [(item.junction, item.state) for item in silent.progress] == [("J1", State.STALE)]
    assert room.desk.fallen_silent(OWN, mine) == []
    assert [kept["state"] for kept in room.kept("priority")][-1] == "stale"


def test_who_passed_before_it_fell_silent_is_not_told_of(audit: AuditLog) -> None:
    room = Room(audit)
    room.desk.report(REPORT, OWN)
    room.desk.report(replace(REPORT, sequence=11, cancel=True), OWN)
    room.clock.at += 8.5
    assert room.desk.fallen_silent(OWN, {"amb 1"}) == []


def test_silence_is_recorded_when_nobody_listens_and_who_is_heard_again_is_not_told_late(
    audit: AuditLog,
) -> None:
    room = Room(audit)
    room.desk.report(REPORT, OWN)
    room.clock.at += 8.5
    room.desk.sweep()
    assert [kept["state"] for kept in room.kept("priority")][-1] == "stale"
    room.desk.report(replace(REPORT, sequence=11), OWN)
    assert room.desk.fallen_silent(OWN, {"amb 1"}) == []


def test_a_junction_that_went_stale_and_is_named_no_more_is_stale_once(audit: AuditLog) -> None:
    room = Room(audit)
    room.desk.report(REPORT, OWN)
    room.clock.at += 9.0
    room.asked()  # the junction looks, and ends what fell silent
    away = replace(REPORT, sequence=11, position=fix(300, -380))
    assert [item.state for item in room.desk.report(away, OWN)] == [State.STALE]
    room.clock.at += 9.0
    assert room.desk.fallen_silent(OWN, {"amb 1"}) == []


def test_a_group_of_another_approach_than_it_is_on_gets_nothing(audit: AuditLog) -> None:
    room = Room(audit)
    there = replace(REPORT, position=fix(-110, 0, 90.0), route=(RouteStop("J1", "side"),))
    (answer,) = room.desk.report(there, OWN)
    assert answer.state is State.REJECTED and room.asked() == []


def test_a_route_that_is_driven_asks_for_nothing_more(audit: AuditLog) -> None:
    room = Room(audit)
    reports = [
        replace(REPORT, sequence=n, position=fix(-110 + 15 * n, 0, 90.0), route=(RouteStop("J1", "main"),))
        for n in range(1, 25)
    ]
    states: list[State] = []
    for report in reports:
        room.clock.at += 1.0
        states += [item.state for item in room.desk.report(report, OWN)]
    assert states[-1] is State.COMPLETED and State.COMPLETED not in states[:-1]
    assert room.asked() == []


def test_a_report_that_is_refused_does_not_move_the_vehicle(audit: AuditLog) -> None:
    room = Room(audit)
    blind = fix(0, -110, None)
    room.desk.report(replace(REPORT, position=fix(0, -125, None)), OWN)
    room.clock.at += 1.0
    assert room.desk.report(replace(REPORT, sequence=11, position=blind), OWN), "its course is known now"
    for sequence, wrong in enumerate(
        (replace(REPORT, speed_mps=math.nan), replace(REPORT, position=fix(0, -500, None))), 12
    ):
        room.clock.at += 0.5
        refused = room.desk.answer(replace(wrong, sequence=sequence), OWN)
        assert refused.placed is not None and refused.placed.reason and not refused.placed.approach
    room.clock.at += 0.5
    after = room.desk.answer(replace(REPORT, sequence=14, position=fix(0, -88, None)), OWN)
    assert after.placed is not None and after.placed.approach == "J1 south"
    assert [item.state for item in after.progress if item.state is State.COMPLETED] == []


def test_one_that_says_what_is_ahead_is_not_matched_when_that_runs_out(audit: AuditLog) -> None:
    for approaches in (TOWN, None):
        room = Room(audit, approaches)
        room.desk.report(replace(REPORT, ahead=(Ahead("J1", "side", distance_m=100.0),)), OWN)
        room.clock.at += 1.0
        passed = room.desk.answer(replace(REPORT, sequence=11, position=fix(0, -95)), OWN)
        assert passed.placed is None
        assert [(item.junction, item.state) for item in passed.progress] == [("J1", State.COMPLETED)]


def test_a_bad_position_beside_good_metres_is_left_out(audit: AuditLog) -> None:
    room = Room(audit)
    bad = REPORT.position and REPORT.position._replace(heading=math.nan)
    good = replace(REPORT, position=bad, ahead=(Ahead("J1", "side", distance_m=90.0),))
    (answer,) = room.desk.report(good, OWN)
    assert answer.state is not State.REJECTED and room.asked() == [SIDE_STAGE]


def test_a_trip_that_was_cancelled_leaves_nothing_to_the_next(audit: AuditLog) -> None:
    room = Room(audit)
    room.desk.report(REPORT, OWN)
    room.desk.report(replace(REPORT, sequence=11, cancel=True), OWN)
    room.clock.at += 1.0
    anew = room.desk.answer(replace(REPORT, sequence=12, position=fix(0, -100, None)), OWN)
    assert anew.placed is not None and anew.placed.reason == "its course is not known yet"


def test_a_vehicle_stays_its_speakers_while_it_is_off_the_map(audit: AuditLog) -> None:
    room = Room(audit)
    for second in range(12):
        room.clock.at += 1.0
        room.desk.report(replace(REPORT, sequence=20 + second, position=fix(80, -300)), OWN)
    refused = room.desk.answer(replace(REPORT, sequence=99), OTHER)
    assert refused.placed is not None and "reported by dispatch north" in refused.placed.reason


def test_a_way_that_becomes_shorter_by_a_turn_is_no_lie(audit: AuditLog) -> None:
    room = Room(audit)
    first = room.desk.answer(replace(REPORT, position=fix(0, -300)), OWN)
    assert first.placed is not None and first.placed.ahead[0].distance_m > 280
    room.clock.at += 1.0
    # Its receiver catches up: the metres shrink by more than anybody drives, its place does not.
    later = replace(REPORT, sequence=11, position=fix(0, -290), ahead=(Ahead("J1", "", "south", 90.0),))
    assert room.book.lie(later) and not room.book.lie(replace(later, matched=True))
    room.book.report(replace(later, matched=True))
    assert room.asked() == [SIDE_STAGE]


def test_nobody_holds_a_junction_longer_by_dropping_out(audit: AuditLog) -> None:
    room = Room(audit)
    asked = 0
    for second in range(400):
        room.clock.at += 1.0
        away = second % 100 > 90
        there = fix(80, -60) if away else fix(0, -60)
        room.desk.report(replace(REPORT, sequence=20 + second, speed_mps=3.0, position=there), OWN)
        asked += bool(room.asked())
    assert 100 <= asked <= 125


def test_the_widest_movement_of_an_approach_is_served_and_then_the_one_beside_it() -> None:
    """West has `main`, two lanes, and `left`; one that stands at the line on main's green wants the left."""
    requests = PriorityRequests({"J1": PLAN})
    report = replace(REPORT, position=None, speed_mps=0.0, ahead=(Ahead("J1", "", "west", 2.0),))
    queue = DetectorReading(vehicles=2, queued=2)
    left = [d.group == 1 and d.kind is DetectorKind.NEAR_ZONE for d in PLAN.detectors]
    here = HERE._replace(readings=tuple(queue if one else NOTHING for one in left))
    stages: list[int] = []
    for second in range(20):
        requests.report(replace(report, sequence=second), 100.0 + second)
        stages += [wish.stage for wish in requests.wishes("J1", here, 100.0 + second)]
    assert stages[0] == 0 and 1 in stages, "first main, then left"


EXTRA = '[priority]\nmap = "town.toml"\nreport_timeout_s = 1.5\n'


def site(folder: Path, extra: str = EXTRA) -> Path:
    write_map(folder)
    return write_site(
        folder,
        {"J1": 'driver = "memory"', "J2": 'driver = "memory"'},
        policy='bundle = "none"',
        extra=extra,
        plans={"J1": plan("J1"), "J2": plan("J2")},
    )


def test_a_map_that_names_what_a_plan_has_not_is_refused_with_its_line(tmp_path: Path) -> None:
    path = site(tmp_path)
    assert read_site(path).approaches == TOWN
    town = tmp_path / "town.toml"
    text = town.read_text()
    for before, after, words in (
        (
            'approach = "south"',
            'approach = "north"',
            "J1 south: the plan of J1 has no approach 'north'; it has",
        ),
        ('approach = "south"', 'approach = ""', "approach must be a text"),
    ):
        town.write_text(text.replace(before, after, 1))
        with pytest.raises(InvalidSite, match=words):
            read_site(path)
    town.write_text(text.replace('junction = "J', 'junction = "K'))
    with pytest.raises(InvalidSite, match="has none of this site's junctions; it has K1, K2"):
        read_site(path)
    town.unlink()
    with pytest.raises(InvalidSite, match=r"line \d+: priority.map: cannot be used"):
        read_site(path)


def test_a_receivers_positions_are_matched_over_the_wire_and_silence_is_told(tmp_path: Path) -> None:
    with ServeProcess(site(tmp_path)) as running, grpc.insecure_channel(running.address) as channel:
        answers = priority_pb2_grpc.PriorityServiceStub(channel).Report(drive(), timeout=20)
        first = next(answers)
        assert first.matched.approach == "J1 south" and first.matched.predicted
        assert {item.junction_id for item in first.junctions} == {"J1", "J2"}
        last = [next(answers) for _ in range(4)][-1]
        assert last.matched.distance_m == pytest.approx(100 - 4 * 3, abs=1)
        began = time.monotonic()
        silent = next(answers)
        assert 1.0 < time.monotonic() - began < 5.0, "without a further report"
        assert {item.state for item in silent.junctions} == {priority_pb2.PRIORITY_STATE_STALE}
        answers.cancel()


def drive() -> Iterator[priority_pb2.ReportRequest]:
    for number in range(5):
        report = priority_pb2.ReportRequest(
            vehicle_id="amb",
            vehicle_class=priority_pb2.VEHICLE_CLASS_AMBULANCE,
            sequence=number + 1,
            speed_mps=15,
        )
        report.position.latitude_deg, report.position.longitude_deg = degrees(0, -110 + 3 * number)
        report.position.heading_deg = 0.0
        yield report
        time.sleep(0.2)
    time.sleep(15)
