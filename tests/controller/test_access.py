"""The authorisation table is whole, and what one caller may ask for has an end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from stopline.v1 import decision_pb2, decision_pb2_grpc, junction_pb2, junction_pb2_grpc
from stopline_controller.access import METHODS
from stopline_controller.identity import Role
from stopline_controller.limits import KEPT_CALLERS, LOOK_AT, Meter, Rate, Streams
from stopline_controller.server import SERVICES
from tests.controller.bench import ServeProcess
from tests.controller.sites import write_site

OTHERS: tuple[Any, ...] = (
    health_pb2.DESCRIPTOR.services_by_name["Health"],
    reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"],
)


def _methods(services: Iterable[ServiceDescriptor]) -> set[str]:
    return {f"/{service.full_name}/{method.name}" for service in services for method in service.methods}


def test_every_rpc_has_its_row_and_every_row_its_rpc() -> None:
    assert _methods(SERVICES) | _methods(OTHERS) == set(METHODS)


def test_every_proto_file_of_the_interface_is_served() -> None:
    files = Path(junction_pb2.__file__).parent.glob("*.proto")
    lines = [line for file in files for line in file.read_text().splitlines()]
    declared = {line.split()[1] for line in lines if line.startswith("service ")}
    assert declared == {service.name for service in SERVICES}


def test_reading_is_everybodys_and_each_power_has_its_role() -> None:
    def who(method: str) -> set[Role]:
        return set(METHODS[f"/stopline.v1.{method}"])

    assert who("JunctionService/WatchState") == set(Role)
    assert Role.VIEWER not in who("OverrideService/Override")
    assert who("PriorityService/Report") == {Role.DISPATCHER, Role.ENGINEER}
    assert Role.VIEWER not in who("AuditService/GetAudit")
    for method, roles in METHODS.items():
        assert Role.ENGINEER in roles, method


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    now = 0.0
    meter = Meter(Rate(10, 20), lambda: now)
    assert [meter.take("kim") for _ in range(20)] == [0.0] * 20
    assert meter.take("kim") == pytest.approx(0.1)
    assert meter.take("lee") == 0.0, "each caller has a bucket"
    now = 0.55
    assert [meter.take("kim") > 0 for _ in range(6)] == [False] * 5 + [True]
    now = 1000.0
    assert sum(meter.take("kim") == 0 for _ in range(50)) == 20


def test_callers_without_number_do_not_fill_the_memory() -> None:
    meter = Meter(Rate(1, 1), lambda: 0.0)
    for number in range(3 * KEPT_CALLERS):
        meter.take(str(number))
    assert len(meter._buckets) <= KEPT_CALLERS


def test_callers_whose_buckets_are_full_again_are_forgotten_and_nobody_else() -> None:
    now = 0.0
    meter = Meter(Rate(1, 2), lambda: now)
    for number in range(20 * LOOK_AT):
        meter.take("busy")
        meter.take(f"trip {number}")
        now += 0.5
    assert len(meter._buckets) <= 2 * LOOK_AT
    assert [meter.take("busy") > 0 for _ in range(2)][-1], "it asks for more than its rate: remembered"


def test_streams_are_counted_per_caller() -> None:
    streams = Streams(2)
    assert [streams.enter(name) for name in ("kim", "kim", "kim", "lee")] == [True, True, False, True]
    streams.leave("kim")
    assert streams.enter("kim") and streams.count() == 3


LIMITS = "[limits]\ncalls_per_s = 20\ndecisions_per_s = 50\nstreams = 3\nrequest_kib = 16"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    with ServeProcess(write_site(tmp_path_factory.mktemp("limits"), extra=LIMITS)) as running:
        yield running


def _refusal(error: pytest.ExceptionInfo[grpc.RpcError]) -> tuple[grpc.StatusCode, str]:
    return error.value.code(), str(error.value.details())


def test_too_many_calls_are_refused_until_the_bucket_fills_again(server: ServeProcess) -> None:
    with server.channel() as channel:
        stub = junction_pb2_grpc.JunctionServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            for _ in range(200):
                stub.ListJunctions(junction_pb2.ListJunctionsRequest())
        code, words = _refusal(refused)
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED and "20 a second" in words
        asyncio.run(asyncio.sleep(0.3))
        assert stub.ListJunctions(junction_pb2.ListJunctionsRequest()).junctions
    assert sum(event["event"] == "call_refused" for event in server.events()) == 1, "one line, not a flood"


def test_a_stream_of_decisions_is_metered_by_its_messages(server: ServeProcess) -> None:
    with server.channel() as channel:
        stub = decision_pb2_grpc.DecisionServiceStub(channel)
        readings = bytes(16)
        requests = (
            decision_pb2.DecideStreamRequest(
                decision=decision_pb2.DecideRequest(junction_id="A", sequence=n, readings=readings)
            )
            for n in range(1000)
        )
        answers: list[decision_pb2.DecideStreamResponse] = []
        with pytest.raises(grpc.RpcError) as refused:
            answers.extend(stub.DecideStream(requests))
        assert _refusal(refused)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert 90 <= len(answers) <= 400


def test_a_stream_too_many_is_refused_and_a_closed_one_makes_room(server: ServeProcess) -> None:
    with server.channel() as channel:
        stub = junction_pb2_grpc.JunctionServiceStub(channel)
        streams = [stub.WatchState(junction_pb2.WatchStateRequest()) for _ in range(3)]
        for stream in streams:
            next(stream)
        with pytest.raises(grpc.RpcError) as refused:
            next(stub.WatchState(junction_pb2.WatchStateRequest()))
        assert "3 streams" in _refusal(refused)[1]
        streams[0].cancel()
        asyncio.run(asyncio.sleep(0.3))
        again = stub.WatchState(junction_pb2.WatchStateRequest())
        assert next(again).state.junction_id == "A"
        for stream in (*streams, again):
            stream.cancel()


def test_a_request_too_large_is_refused(server: ServeProcess) -> None:
    with server.channel() as channel:
        stub = decision_pb2_grpc.DecisionServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.Decide(decision_pb2.DecideRequest(junction_id="A", observation=bytes(20_000)))
        assert _refusal(refused)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        with pytest.raises(grpc.RpcError) as refused:
            stub.Decide(decision_pb2.DecideRequest(junction_id="A"), metadata=(("x-much", "y" * 20_000),))
        assert _refusal(refused)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_unknown_method_is_unimplemented(server: ServeProcess) -> None:
    with server.channel() as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/stopline.v1.JunctionService/Explode"
        )
        with pytest.raises(grpc.RpcError) as refused:
            call(b"")
        assert _refusal(refused)[0] is grpc.StatusCode.UNIMPLEMENTED
