"""Hostile reports over the wire: mutual TLS, a real server, and not one false grant.

The cabinet is in memory and its junction stands on `main`; every report asks for `side`. A grant is a
junction whose source in force is an emergency, or an answer that promises one.
"""

from __future__ import annotations

import datetime
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import grpc
import pytest

from stopline.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    junction_pb2,
    junction_pb2_grpc,
    priority_pb2,
    priority_pb2_grpc,
    state_pb2,
)
from stopline_controller.dev_ca import Authority
from stopline_controller.identity import Role
from tests.controller.bench import ServeProcess, until
from tests.controller.sites import write_site
from tests.controller.test_serve_tls import TLS, write_server

HOUR = datetime.timedelta(hours=1)
GRANTS = {
    priority_pb2.PRIORITY_STATE_PENDING_SAFE_POINT,
    priority_pb2.PRIORITY_STATE_GRANTED,
    priority_pb2.PRIORITY_STATE_GREEN,
}
WAITING = priority_pb2.PRIORITY_STATE_WAITING
NAMES = itertools.count()

Report = priority_pb2.ReportRequest
Answers = list[priority_pb2.ReportResponse]


class Site:
    """A running controller and the certificates of those who speak to it."""

    def __init__(self, running: ServeProcess, authority: Authority) -> None:
        self.running = running
        self._authority = authority
        self._channels: dict[tuple[str, str], grpc.Channel] = {}

    def channel(self, name: str, role: Role) -> grpc.Channel:
        key = (name, str(role))
        if key not in self._channels:
            pair = self._authority.client(name, role, HOUR)
            secure = grpc.ssl_channel_credentials(
                self._authority.pair.certificate, pair.key, pair.certificate
            )
            self._channels[key] = grpc.secure_channel(self.running.address, secure)
        return self._channels[key]

    def report(
        self, reports: Sequence[Report], name: str = "north", role: Role = Role.DISPATCHER, pause: float = 0.0
    ) -> Answers:
        def paced() -> Iterator[Report]:
            for report in reports:
                yield report
                time.sleep(pause)

        return list(
            priority_pb2_grpc.PriorityServiceStub(self.channel(name, role)).Report(paced(), timeout=20)
        )

    def state(self) -> state_pb2.JunctionState:
        stub = junction_pb2_grpc.JunctionServiceStub(self.channel("vic", Role.VIEWER))
        stream = stub.WatchState(junction_pb2.WatchStateRequest(junction_ids=["A"]))
        found = next(iter(stream)).state
        stream.cancel()
        return found

    def records(self, kind: str) -> list[audit_pb2.AuditRecord]:
        stub = audit_pb2_grpc.AuditServiceStub(self.channel("kim", Role.OPERATOR))
        return [found.record for found in stub.GetAudit(audit_pb2.GetAuditRequest(kind=kind))]

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()


def tls_site(folder: Path, authority: Authority, extra: str) -> Path:
    write_server(folder, authority)
    (folder / "ca.pem").write_bytes(authority.pair.certificate)
    path = write_site(folder, controller=TLS, policy='bundle = "none"', extra=extra)
    path.write_text(path.read_text().replace("insecure = true\n", ""))
    return path


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("centre")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Site]:
    extra = "[priority]\nreports_per_s = 5.0\nreport_timeout_s = 2.0"
    with ServeProcess(tls_site(tmp_path_factory.mktemp("hostile"), authority, extra)) as running:
        opened = Site(running, authority)
        try:
            until(lambda: opened.state().stage == 0, 20, "the cabinet is read")
            yield opened
        finally:
            opened.close()


def honest(vehicle: str, sequence: int = 10, distance_m: float = 90.0, **changes: object) -> Report:
    found = Report(
        vehicle_id=vehicle,
        vehicle_class=priority_pb2.VEHICLE_CLASS_AMBULANCE,
        speed_mps=15.0,
        desired_speed_mps=18.0,
        sequence=sequence,
    )
    found.upcoming.add(junction_id="A", group="side", distance_m=distance_m)
    for name, value in changes.items():
        target = found if hasattr(found, name) else found.upcoming[0]
        setattr(target, name, value)
    return found


def measured(report: Report, ago_s: float) -> Report:
    report.measured_at.FromNanoseconds(int((time.time() - ago_s) * 1e9))
    return report


def twice(report: Report) -> Report:
    report.upcoming.add(junction_id="A", group="main", distance_m=10.0)
    return report


LIES: dict[str, Callable[[str], Report]] = {
    "speed is not a number": lambda v: honest(v, speed_mps=math.nan),
    "speed is infinite": lambda v: honest(v, desired_speed_mps=math.inf),
    "speed is negative": lambda v: honest(v, speed_mps=-4.0),
    "nobody drives so fast": lambda v: honest(v, speed_mps=90.0),
    "distance is not a number": lambda v: honest(v, distance_m=math.nan),
    "distance is negative": lambda v: honest(v, distance_m=-20.0),
    "is in another city": lambda v: honest(v, distance_m=80_000.0),
    "arrives at once from afar": lambda v: honest(v, distance_m=900.0, eta_s=1.0),
    "arrives after an age": lambda v: honest(v, eta_s=1e6),
    "names a junction twice": lambda v: twice(honest(v)),
    "is on no approach of the junction": lambda v: honest(v, group="", approach="the river"),
    "names a movement that is not there": lambda v: honest(v, group="tram only"),
    "asks for a pedestrian's crossing": lambda v: honest(v, group="walk"),
    "measured a minute ago": lambda v: measured(honest(v), 60.0),
    "measured in the future": lambda v: measured(honest(v), -60.0),
    "measured in another age": lambda v: measured(honest(v), 1e9),
    "has a name without end": lambda v: honest(v + "x" * 5_000),
}
SEQUELS: dict[str, Callable[[str], Report]] = {
    "jumps to the stop line": lambda v: honest(v, 11, 20.0),
    "became a fire engine": lambda v: honest(
        v, 11, 4_990.0, vehicle_class=priority_pb2.VEHICLE_CLASS_FIRE, eta_s=90.0
    ),
    "counts backwards": lambda v: honest(v, 3),
    "repeats itself": lambda v: honest(v, 10),
}


def granted(site: Site, answers: Answers) -> list[str]:
    """What of it was granted: nothing, or this list says what."""
    promised = [
        priority_pb2.PriorityState.Name(item.state)
        for answer in answers
        for item in answer.junctions
        if item.state in GRANTS
    ]
    time.sleep(0.2)  # two ticks of the junction
    found = site.state()
    return promised + (["in force"] if found.source == state_pb2.SOURCE_EMERGENCY else [])


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_over_the_wire_gets_nothing_is_told_why_and_is_recorded(site: Site, lie: str) -> None:
    vehicle = f"liar {next(NAMES)}"
    answers = site.report([LIES[lie](vehicle)])
    (answer,) = answers[0].junctions
    assert answer.state == priority_pb2.PRIORITY_STATE_REJECTED and answer.reason
    assert granted(site, answers) == []
    mine = [record for record in site.records("priority-refused") if record.actor.startswith(vehicle)]
    assert [json.loads(record.detail)["why"] for record in mine] == [answer.reason[:200]]


@pytest.mark.parametrize("lie", SEQUELS)
def test_what_does_not_follow_from_the_last_report_gets_nothing(site: Site, lie: str) -> None:
    vehicle = f"sequel {next(NAMES)}"
    answers = site.report([honest(vehicle, 10, 5_000.0, eta_s=300.0), SEQUELS[lie](vehicle)])
    assert answers[0].junctions[0].state == WAITING
    assert granted(site, answers) == []
    assert any(record.actor == vehicle for record in site.records("priority-refused"))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.SUPERVISOR])
def test_a_certificate_of_another_role_may_not_report_and_its_attempt_is_recorded(
    site: Site, role: Role
) -> None:
    name = f"wrong {role}"
    with pytest.raises(grpc.RpcError) as refused:
        site.report([honest("amb")], name, role)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert granted(site, []) == []
    (record,) = [record for record in site.records("call-refused") if record.actor == name]
    assert json.loads(record.detail)["method"] == "/stopline.v1.PriorityService/Report"


def test_nobody_speaks_for_a_vehicle_that_another_certificate_reports(site: Site) -> None:
    vehicle = f"amb {next(NAMES)}"
    site.report([honest(vehicle, 10, 5_000.0, eta_s=300.0)])
    answers = site.report([honest(vehicle, 11)], "south")
    (answer,) = answers[0].junctions
    assert answer.state == priority_pb2.PRIORITY_STATE_REJECTED and "by north" in answer.reason
    assert granted(site, answers) == []
    (record,) = [record for record in site.records("priority-refused") if record.actor == vehicle]
    assert json.loads(record.detail)["certificate"] == "south"


def test_what_is_over_a_vehicles_rate_is_refused_and_the_record_does_not_grow_with_the_flood(
    site: Site,
) -> None:
    vehicle = f"flood {next(NAMES)}"
    before = len(site.records("priority-refused"))
    answers = site.report([honest(vehicle, 10 + n, 5_000.0, eta_s=300.0) for n in range(300)])
    states = [answer.junctions[0].state for answer in answers]
    assert 5 <= states.count(WAITING) <= 30
    assert states.count(priority_pb2.PRIORITY_STATE_REJECTED) == 300 - states.count(WAITING)
    assert len(site.records("priority-refused")) - before <= 2
    assert granted(site, answers) == []


def test_the_flood_keeps_nothing_alive(site: Site) -> None:
    """An honest report, then only lies: after the site's two seconds the green is given back."""
    vehicle = f"amb {next(NAMES)}"
    site.report([honest(vehicle)])
    until(lambda: site.state().source == state_pb2.SOURCE_EMERGENCY, 5, "the honest report is granted")
    began = time.monotonic()
    lies = [honest(vehicle, 11 + n, speed_mps=math.nan) for n in range(30)]
    site.report(lies, pause=0.1)
    assert time.monotonic() - began > 2.5
    until(lambda: site.state().source != state_pb2.SOURCE_EMERGENCY, 2, "and ends in spite of the lies")


def test_a_certificate_over_its_rate_loses_its_stream_and_that_is_recorded(
    tmp_path: Path, authority: Authority
) -> None:
    with ServeProcess(tls_site(tmp_path, authority, "[limits]\nmessages_per_s = 5.0")) as running:
        other = Site(running, authority)
        reports = [honest(f"amb {n}", 1, 5_000.0, eta_s=300.0) for n in range(100)]
        with pytest.raises(grpc.RpcError) as refused:
            other.report(reports)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        (record,) = other.records("call-refused")
        assert (record.actor, json.loads(record.detail)["code"]) == ("north", "RESOURCE_EXHAUSTED")
        other.close()


def test_the_chain_holds_over_all_of_it(site: Site) -> None:
    stub = audit_pb2_grpc.AuditServiceStub(site.channel("kim", Role.OPERATOR))
    assert stub.VerifyAudit(audit_pb2.VerifyAuditRequest()).intact
