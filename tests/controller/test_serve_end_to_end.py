"""A real controller process over real gRPC, with virtual PLC cabinets behind real Modbus TCP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import pairwise

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from stopline.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    decision_pb2,
    decision_pb2_grpc,
    junction_pb2,
    junction_pb2_grpc,
    override_pb2,
    override_pb2_grpc,
    policy_pb2,
    policy_pb2_grpc,
    priority_pb2,
    priority_pb2_grpc,
    state_pb2,
)
from stopline_cabinets.words import Mode
from tests.controller.bench import PlcBench, ServeProcess, until
from tests.controller.sites import write_site

RATE = 5.0


@pytest.fixture(scope="module")
def bench() -> Iterator[PlcBench]:
    with PlcBench("A", "B", rate=RATE) as running:
        yield running
        assert running.violations() == []


@pytest.fixture(scope="module")
def server(bench: PlcBench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    folder = tmp_path_factory.mktemp("site")
    site = write_site(folder, bench.tables(), controller=f"clock_rate = {RATE}")
    with ServeProcess(site) as running:
        until(
            lambda: all(cabinet.core.mode is Mode.REMOTE for cabinet in bench.cabinets.values()),
            10,
            f"cabinets under remote control; {running.log.read_text()}",
        )
        yield running
    assert running.process.returncode == 0
    statistics = json.loads((running.state / "statistics.json").read_text())
    assert statistics["decisions_audited"] == statistics["plans_accepted"] > 10
    assert all(cabinet.core.mode is Mode.LOCAL for cabinet in bench.cabinets.values()), "handed back at once"


@pytest.fixture
def channel(server: ServeProcess) -> Iterator[grpc.Channel]:
    with server.channel() as channel:
        yield channel


def _state(channel: grpc.Channel, junction: str) -> state_pb2.JunctionState:
    stub = junction_pb2_grpc.JunctionServiceStub(channel)
    stream = stub.WatchState(junction_pb2.WatchStateRequest(junction_ids=[junction]))
    for response in stream:
        stream.cancel()
        return response.state
    raise AssertionError("no state")


def test_health_says_serving_for_the_whole_and_for_each_service(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", "stopline.v1.JunctionService", "stopline.v1.AuditService"):
        answers = stub.Watch(  # type: ignore[attr-defined]  # its stub package leaves it out
            health_pb2.HealthCheckRequest(service=service), timeout=10
        )
        assert any(answer.status == health_pb2.HealthCheckResponse.SERVING for answer in answers)
        answers.cancel()


def test_reflection_describes_every_service(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    names = {name for name in database.get_services() if name.startswith("stopline.v1.")}
    assert names == {
        f"stopline.v1.{name}Service"
        for name in ("Audit", "Decision", "Junction", "Override", "Policy", "Priority")
    }


def test_junctions_are_listed_with_their_plans(channel: grpc.Channel, bench: PlcBench) -> None:
    stub = junction_pb2_grpc.JunctionServiceStub(channel)
    listed = stub.ListJunctions(junction_pb2.ListJunctionsRequest()).junctions
    assert [junction.junction_id for junction in listed] == ["A", "B"]
    plan = stub.GetPlan(junction_pb2.GetPlanRequest(junction_id="A")).plan
    assert plan.digest == bench.cabinets["A"].plan.digest() == listed[0].plan_digest
    assert [stage.name for stage in plan.stages] == ["main", "left", "side"]


def test_an_unknown_junction_is_not_found(channel: grpc.Channel) -> None:
    stub = junction_pb2_grpc.JunctionServiceStub(channel)
    with pytest.raises(grpc.RpcError) as refused:
        stub.GetPlan(junction_pb2.GetPlanRequest(junction_id="Z"))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_states_stream_at_ten_a_second_of_the_clock(channel: grpc.Channel) -> None:
    stub = junction_pb2_grpc.JunctionServiceStub(channel)
    stream = stub.WatchState(junction_pb2.WatchStateRequest(junction_ids=["A"]))
    states = [next(stream).state for _ in range(31)]
    stream.cancel()
    assert all(later.sequence > earlier.sequence for earlier, later in pairwise(states))
    assert 25 <= states[-1].time_tenths - states[0].time_tenths <= 60
    last = states[-1]
    assert last.cabinet_mode == state_pb2.CABINET_MODE_REMOTE
    assert last.source == state_pb2.SOURCE_POLICY
    assert last.stack[0].source == state_pb2.SOURCE_CABINET
    assert len(last.stack) == 7 and sum(standing.in_force for standing in last.stack) == 1
    assert len(last.aspects) == 5 and len(last.readings) == 8 and len(last.earliest_change_tenths) == 3


def test_a_decision_for_given_readings_goes_through_the_guard(channel: grpc.Channel, bench: PlcBench) -> None:
    stub = decision_pb2_grpc.DecisionServiceStub(channel)
    detectors = len(bench.cabinets["A"].plan.detectors)
    readings = bytes([3, 2] * detectors)
    answer = stub.Decide(decision_pb2.DecideRequest(junction_id="A", sequence=7, readings=readings))
    assert answer.sequence == 7
    assert answer.allowed_stages >> answer.stage & 1
    with pytest.raises(grpc.RpcError) as refused:
        stub.Decide(decision_pb2.DecideRequest(junction_id="A", readings=b"\x01"))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_stream_of_decisions_answers_in_order(channel: grpc.Channel, bench: PlcBench) -> None:
    stub = decision_pb2_grpc.DecisionServiceStub(channel)
    readings = bytes(2 * len(bench.cabinets["A"].plan.detectors))
    requests = [
        decision_pb2.DecideStreamRequest(
            decision=decision_pb2.DecideRequest(junction_id="A", sequence=number, readings=readings)
        )
        for number in range(50)
    ]
    answers = [response.decision.sequence for response in stub.DecideStream(iter(requests))]
    assert answers == list(range(50))


def test_an_operator_takes_over_and_the_guard_keeps_the_minimum_green(
    channel: grpc.Channel, bench: PlcBench
) -> None:
    stub = override_pb2_grpc.OverrideServiceStub(channel)
    lease = stub.AcquireLease(
        override_pb2.AcquireLeaseRequest(junction_id="B", operator="kim", ttl_s=60, reason="stadium empties")
    ).lease
    present = _state(channel, "B").stage
    for stage in ((present + 1) % 3, (present + 2) % 3):
        answer = stub.Override(
            override_pb2.OverrideRequest(
                lease_id=lease.lease_id,
                fencing_token=lease.fencing_token,
                go_to_stage=override_pb2.GoToStage(stage=stage),
            )
        )
        assert answer.status in (
            override_pb2.OVERRIDE_STATUS_ACCEPTED,
            override_pb2.OVERRIDE_STATUS_PENDING_SAFE_POINT,
        )
        assert answer.audit_sequence > 0
        until(lambda: bench.cabinets["B"].core.state(0).stage == stage, 10, f"stage {stage}")  # noqa: B023 (called before the loop goes on)
        state = _state(channel, "B")
        assert state.source == state_pb2.SOURCE_CENTRE and "stadium" in state.reason
    stub.ReleaseLease(
        override_pb2.ReleaseLeaseRequest(lease_id=lease.lease_id, fencing_token=lease.fencing_token)
    )
    until(lambda: _state(channel, "B").source == state_pb2.SOURCE_POLICY, 5, "the policy decides again")
    assert bench.violations() == []


def test_an_unknown_token_is_rejected_not_obeyed(channel: grpc.Channel) -> None:
    stub = override_pb2_grpc.OverrideServiceStub(channel)
    lease = stub.AcquireLease(
        override_pb2.AcquireLeaseRequest(junction_id="A", operator="kim", ttl_s=20, reason="test")
    ).lease
    answer = stub.Override(
        override_pb2.OverrideRequest(
            lease_id=lease.lease_id, fencing_token=lease.fencing_token + 1, hold=override_pb2.HoldStage()
        )
    )
    assert answer.status == override_pb2.OVERRIDE_STATUS_REJECTED
    with pytest.raises(grpc.RpcError) as refused:
        stub.AcquireLease(
            override_pb2.AcquireLeaseRequest(junction_id="A", operator="lee", ttl_s=20, reason="mine")
        )
    assert "kim" in str(refused.value.details())
    stub.ReleaseLease(
        override_pb2.ReleaseLeaseRequest(lease_id=lease.lease_id, fencing_token=lease.fencing_token)
    )


def test_an_ambulance_gets_its_green_and_gives_it_back(channel: grpc.Channel, bench: PlcBench) -> None:
    stub = priority_pb2_grpc.PriorityServiceStub(channel)
    began = time.monotonic()

    def reports() -> Iterator[priority_pb2.ReportRequest]:
        for sequence in range(1, 200):
            gone = (time.monotonic() - began) * RATE * 14.0
            distance = 600.0 - gone
            ahead = [
                priority_pb2.UpcomingJunction(junction_id="A", group="side", distance_m=distance),
                priority_pb2.UpcomingJunction(junction_id="elsewhere", group="x", distance_m=distance + 300),
            ]
            yield priority_pb2.ReportRequest(
                vehicle_id="ambulance 1",
                vehicle_class=priority_pb2.VEHICLE_CLASS_AMBULANCE,
                speed_mps=14.0,
                sequence=sequence,
                upcoming=ahead if distance > 0 else ahead[1:],
            )
            if distance <= 0:
                return
            time.sleep(0.1)

    seen = [response.junctions[0] for response in stub.Report(reports()) if response.junctions]
    states = [progress.state for progress in seen]
    assert states[0] == priority_pb2.PRIORITY_STATE_WAITING, "too early at 600 m"
    assert states[-2] == priority_pb2.PRIORITY_STATE_GREEN, "green before it arrives"
    assert states[-1] == priority_pb2.PRIORITY_STATE_COMPLETED
    asked = next(p for p in seen if p.state != priority_pb2.PRIORITY_STATE_WAITING)
    assert asked.stage == 2 and asked.eta_s < 42
    until(lambda: _state(channel, "A").source == state_pb2.SOURCE_POLICY, 5, "the policy decides again")


def test_the_policy_in_charge_is_named(channel: grpc.Channel) -> None:
    facts = policy_pb2_grpc.PolicyServiceStub(channel).GetPolicy(policy_pb2.GetPolicyRequest())
    assert facts.name == "tiny" and facts.signature_verified and len(facts.bundle_sha256) == 64


def test_every_command_is_in_the_audit_log_and_its_chain_holds(channel: grpc.Channel) -> None:
    stub = audit_pb2_grpc.AuditServiceStub(channel)
    wanted = {"started", "source", "decision", "lease", "override", "lease-released", "priority"}
    records = [response.record for response in stub.GetAudit(audit_pb2.GetAuditRequest())]
    assert [record.sequence for record in records] == list(range(1, len(records) + 1))
    assert wanted <= {record.kind for record in records}, f"{len(records)} records, {records[-1]}"
    decision = next(record for record in records if record.kind == "decision")
    assert {"source", "asked", "stage", "allowed", "guard", "readings"} <= json.loads(decision.detail).keys()
    one = [response.record for response in stub.GetAudit(audit_pb2.GetAuditRequest(kind="decision", limit=3))]
    assert [record.kind for record in one] == ["decision"] * 3
    verified = stub.VerifyAudit(audit_pb2.VerifyAuditRequest())
    assert verified.intact and verified.records >= len(records)


def test_statistics_count_what_the_cabinets_accepted(channel: grpc.Channel, bench: PlcBench) -> None:
    stub = decision_pb2_grpc.DecisionServiceStub(channel)
    statistics = stub.GetDecisionStatistics(decision_pb2.GetDecisionStatisticsRequest())
    accepted = sum(cabinet.plans_accepted for cabinet in bench.cabinets.values())
    assert abs(statistics.plans_accepted - accepted) <= 2, "at most what is under way"
    assert statistics.clock_rate == RATE
    assert 0 < statistics.decision_ms_p50 <= statistics.decision_ms_p99 < 100
