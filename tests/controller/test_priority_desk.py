"""The desk that all reports pass: whose vehicle it is, how old a measurement is, how often, what is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stopline_controller.audit import AuditLog
from stopline_controller.dates import KEPT_S, Dates
from stopline_controller.identity import Identity, Role
from stopline_controller.priority import PriorityBook
from stopline_controller.priority_desk import InputLimits, PriorityDesk
from stopline_controller.refusals import RECORDS, SAME_S, WORDS, RefusalLog
from stopline_controller.texts import LONGEST_NAME
from stopline_hil.example import crossroads
from stopline_signals.approach import Now
from stopline_signals.detectors import NOTHING
from stopline_signals.engine import Engine
from stopline_signals.priority import Ahead, State, VehicleClass, VehicleReport
from tests.controller.manual_clock import ManualClock

PLAN = replace(crossroads(), junction="A")
ENGINE = Engine(PLAN)
HERE = Now(ENGINE, ENGINE.advance(ENGINE.start(0, 0), -1, 0, 300).state, (NOTHING,) * len(PLAN.detectors))
REPORT = VehicleReport(
    vehicle="amb 1",
    kind=VehicleClass.AMBULANCE,
    sequence=10,
    speed_mps=15.0,
    ahead=(Ahead("A", "side", distance_m=90.0), Ahead("elsewhere", "x", distance_m=500.0)),
)
OWN = Identity("dispatch north", Role.DISPATCHER, True)
OTHER = Identity("dispatch south", Role.DISPATCHER, True)
WALL = 1.7e9


class Room:
    """A desk on a clock that is set by hand, with its audit log."""

    def __init__(self, audit: AuditLog, limits: InputLimits | None = None) -> None:
        self.clock = ManualClock()
        self.audit = audit
        self.book = PriorityBook(self.clock, {"A": PLAN})
        self.step = 0.0
        """By how much the wall clock was set."""
        dates = Dates(lambda: WALL + self.step + self.clock.at, lambda: self.clock.at)
        self.desk = PriorityDesk(self.book, audit, self.clock, {"A"}, limits, dates)

    def asked(self) -> list[str]:
        return [proposal.holder for proposal in self.book.proposals("A", HERE)]

    def kept(self, kind: str = "priority-refused") -> list[dict[str, object]]:
        return [json.loads(record.detail) for record in self.audit.read(kind=kind)]


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[AuditLog]:
    log = AuditLog(tmp_path / "audit.sqlite")
    yield log
    log.close()


def test_a_vehicle_is_its_first_speakers_until_it_falls_silent(audit: AuditLog) -> None:
    room = Room(audit)
    room.desk.report(REPORT, OWN)
    stolen = replace(REPORT, sequence=11, cancel=True, ahead=())
    assert room.desk.report(stolen, OTHER) == [], "it names none of our junctions"
    assert room.asked() == ["amb 1"], "not ended by a stranger"
    (answer,) = room.desk.report(replace(REPORT, sequence=12), OTHER)
    assert answer.state is State.REJECTED and "reported by dispatch north" in answer.reason
    assert [found["certificate"] for found in room.kept()] == ["dispatch south", "dispatch south"]
    room.clock.at += 8.5
    room.desk.report(replace(REPORT, sequence=1), OTHER)
    assert room.asked() == ["amb 1"]
    (answer,) = room.desk.report(replace(REPORT, sequence=13), OWN)
    assert answer.state is State.REJECTED, "now it is the other's"


@pytest.mark.parametrize("age", [5.1, 3_600.0, -5.1, -86_400.0, float("nan")])
def test_a_measurement_too_old_or_in_the_future_counts_for_nothing(audit: AuditLog, age: float) -> None:
    room = Room(audit)
    (answer,) = room.desk.report(REPORT, OWN, WALL - age)
    assert answer.state is State.REJECTED and "measured" in answer.reason
    assert room.asked() == []
    (kept,) = room.kept()
    assert kept["why"] == answer.reason and kept["role"] == "dispatcher"


@pytest.mark.parametrize("age", [0.0, 4.9, -4.9, None])
def test_a_fresh_measurement_counts(audit: AuditLog, age: float | None) -> None:
    room = Room(audit)
    room.desk.report(REPORT, OWN, None if age is None else WALL - age)
    assert room.asked() == ["amb 1"] and room.kept() == []


@pytest.mark.parametrize("step", [3_600.0, -3_600.0])
def test_a_step_of_the_wall_clock_keeps_nobody_waiting(audit: AuditLog, step: float) -> None:
    room = Room(audit)
    room.step = step
    room.desk.sweep()
    for sequence, right in ((10, 0.0), (11, step)):  # by the time before the step, and by the new one
        room.clock.at += 60.0
        room.desk.report(replace(REPORT, sequence=sequence), OWN, WALL + right + room.clock.at)
        assert room.asked() == ["amb 1"]
    room.step = 0.0
    room.clock.at += 60.0
    room.desk.report(replace(REPORT, sequence=12), OWN, WALL + room.clock.at)
    assert room.asked() == ["amb 1"] and room.kept() == []


def test_the_time_from_before_a_step_counts_no_longer_than_an_hour(audit: AuditLog) -> None:
    room = Room(audit)
    room.step = 86_400.0
    room.desk.sweep()
    room.clock.at += KEPT_S
    (answer,) = room.desk.report(REPORT, OWN, WALL + room.clock.at)
    assert answer.state is State.REJECTED and "measured 86400.0 s ago" in answer.reason


def test_a_site_may_leave_ages_uncompared(audit: AuditLog) -> None:
    room = Room(audit, InputLimits(max_age=0))
    room.desk.report(REPORT, OWN, WALL - 86_400)
    assert room.asked() == ["amb 1"]


def test_what_is_over_the_rate_keeps_no_request_alive(audit: AuditLog) -> None:
    room = Room(audit, InputLimits(reports_per_s=0.1))
    assert room.desk.report(REPORT, OWN)
    for number in range(1, 10):
        room.clock.at += 1.0
        (answer,) = room.desk.report(replace(REPORT, sequence=10 + number), OWN)
        assert answer.state is State.REJECTED and "a second of one vehicle" in answer.reason
    assert room.asked() == []


def test_a_stranger_does_not_use_up_a_vehicles_reports(audit: AuditLog) -> None:
    room = Room(audit, InputLimits(reports_per_s=2))
    for number in range(50):
        if number % 10 == 0:
            (answer,) = room.desk.report(replace(REPORT, sequence=10 + number), OWN)
            assert answer.state is not State.REJECTED
        room.desk.report(replace(REPORT, sequence=10 + number), OTHER)
        room.clock.at += 0.1


def test_a_replay_is_answered_as_it_stands_and_recorded(audit: AuditLog) -> None:
    room = Room(audit)
    room.desk.report(REPORT, OWN)
    room.desk.report(replace(REPORT, sequence=9, cancel=True), OWN)
    assert room.asked() == ["amb 1"]
    (kept,) = room.kept()
    assert "replay" in str(kept["why"])


def test_a_replay_over_and_over_revives_nothing_when_it_says_when_it_was_measured(audit: AuditLog) -> None:
    room = Room(audit)
    for _ in range(20):
        room.desk.report(REPORT, OWN, WALL)
        room.clock.at += 1.0
    assert room.asked() == []


def test_grants_and_refusals_name_who_spoke(audit: AuditLog) -> None:
    room = Room(audit)
    room.desk.report(REPORT, OWN)
    room.asked()
    room.desk.report(replace(REPORT, sequence=11), OWN)
    found = [(record["state"], record["certificate"]) for record in room.kept("priority")]
    assert found == [("waiting", "dispatch north"), ("granted", "dispatch north")]


def test_a_name_without_end_is_refused_and_not_kept_whole(audit: AuditLog) -> None:
    room = Room(audit)
    (answer,) = room.desk.report(replace(REPORT, vehicle="x" * 100_000), OWN)
    assert answer.state is State.REJECTED
    room.desk.report(replace(REPORT, ahead=(Ahead("A", "y" * 100_000, distance_m=9.0),)), OWN)
    for record in audit.read(kind="priority-refused"):
        assert len(record.actor) <= LONGEST_NAME and len(record.detail) < 2 * WORDS


def test_a_flood_of_refusals_is_counted_and_does_not_fill_the_disk(audit: AuditLog) -> None:
    room = Room(audit)
    flood = 5_000
    for number in range(flood):
        room.desk.report(replace(REPORT, vehicle=f"amb {number}x", speed_mps=900.0), OWN)
    room.clock.at += SAME_S
    room.desk.refusals.settle()
    kept = room.kept()
    assert RECORDS.burst <= len(kept) <= RECORDS.burst + 10
    assert sum(int(str(found.get("left_out", 1))) for found in kept) == flood
    assert room.asked() == []


def test_the_same_refusal_is_recorded_again_after_a_while_with_its_number(audit: AuditLog) -> None:
    clock = ManualClock()
    log = RefusalLog(audit, clock, "priority-refused")
    for second in range(int(2 * SAME_S)):
        log.note("dispatch", f"came {second} m nearer", junction="A", actor="amb")
        clock.at += 1.0
    found = [json.loads(record.detail) for record in audit.read()]
    assert found == [{"why": "came 0 m nearer"}, {"why": "came 60 m nearer", "left_out": 59}]
    clock.at -= 1.0
    log.settle()
    assert log.left_out == 59, "not each second"
