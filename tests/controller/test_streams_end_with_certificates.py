"""An open stream ends with the certificate it was opened with, whatever it carries and whoever is silent."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest

from stopline.v1 import (
    decision_pb2_grpc,
    junction_pb2,
    junction_pb2_grpc,
    policy_pb2,
    policy_pb2_grpc,
    priority_pb2,
    priority_pb2_grpc,
)
from stopline_controller import access
from stopline_controller.access import Denied
from stopline_controller.dev_ca import Authority
from stopline_controller.identity import Role
from stopline_controller.limits import Meter, Rate
from tests.controller.bench import ServeProcess
from tests.controller.test_serve_tls import channel, listed, write_tls_site

VALID_S = 3.0
LATE_S = 1.5
"""Seconds after its certificate's end within which a stream has to be over, on a machine that is busy."""


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("centre")


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    folder = tmp_path_factory.mktemp("short")
    with ServeProcess(write_tls_site(folder, authority)) as running:
        yield running


def short_lived(server: ServeProcess, authority: Authority, role: Role) -> tuple[grpc.Channel, float]:
    """A channel of a client whose certificate ends soon, and when, seconds since 1970 UTC."""
    pair = authority.client("kim", role, datetime.timedelta(seconds=VALID_S))
    # A certificate's end has no fraction of a second.
    return channel(server.address, authority, pair), float(int(time.time() + VALID_S))


def ended(stream: Any, end: float) -> int:
    """Read until the stream is over, which has to be by the certificate's end; returns the answers before."""
    count = 0
    with pytest.raises(grpc.RpcError) as over:
        for _ in stream:
            count += 1
            assert time.time() < end + LATE_S, "served after the certificate's end"
    assert over.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "expired" in str(over.value.details()) and "connect again" in str(over.value.details())
    assert end - 1 <= time.time() < end + LATE_S
    return count


def reports(until: float, vehicle: str = "amb 1") -> Iterator[priority_pb2.ReportRequest]:
    """A vehicle's reports, four a second, until a time in seconds since 1970 UTC."""
    sequence = 0
    while time.time() < until:
        sequence += 1
        yield priority_pb2.ReportRequest(
            vehicle_id=vehicle,
            vehicle_class=priority_pb2.VEHICLE_CLASS_AMBULANCE,
            sequence=sequence,
            speed_mps=1.0,
            upcoming=[priority_pb2.UpcomingJunction(junction_id="A", approach="side", distance_m=60.0)],
        )
        time.sleep(0.25)


def test_states_are_not_watched_beyond_the_certificates_end(
    server: ServeProcess, authority: Authority
) -> None:
    own, end = short_lived(server, authority, Role.VIEWER)
    with own:
        stream = junction_pb2_grpc.JunctionServiceStub(own).WatchState(junction_pb2.WatchStateRequest())
        assert ended(stream, end) > 3
    with channel(
        server.address, authority, authority.client("lee", Role.VIEWER, datetime.timedelta(hours=1))
    ) as other:
        assert listed(other) == 1, "others are served as before"


def test_a_vehicle_has_no_priority_beyond_the_certificates_end(
    server: ServeProcess, authority: Authority
) -> None:
    own, end = short_lived(server, authority, Role.DISPATCHER)
    with own:
        stream = priority_pb2_grpc.PriorityServiceStub(own).Report(reports(end + 5))
        assert ended(stream, end) > 3


STREAMS: dict[str, tuple[Role, Callable[[grpc.Channel, Iterator[Any]], Any]]] = {
    "reports": (Role.DISPATCHER, lambda own, sent: priority_pb2_grpc.PriorityServiceStub(own).Report(sent)),
    "decisions": (
        Role.OPERATOR,
        lambda own, sent: decision_pb2_grpc.DecisionServiceStub(own).DecideStream(sent),
    ),
    "uploads": (
        Role.ENGINEER,
        # What it raises at once is raised when it is read, as the others do.
        lambda own, sent: (policy_pb2_grpc.PolicyServiceStub(own).LoadPolicy(sent) for _ in range(1)),
    ),
}


@pytest.mark.parametrize("what", STREAMS)
def test_a_silent_stream_ends_as_well(server: ServeProcess, authority: Authority, what: str) -> None:
    role, opened = STREAMS[what]
    own, end = short_lived(server, authority, role)

    def nothing() -> Iterator[Any]:
        time.sleep(VALID_S + LATE_S + 1)
        yield from ()

    with own:
        ended(opened(own, nothing()), end)


def test_an_upload_without_end_ends_as_well(server: ServeProcess, authority: Authority) -> None:
    own, end = short_lived(server, authority, Role.ENGINEER)

    def trickle() -> Iterator[policy_pb2.LoadPolicyRequest]:
        while time.time() < end + 5:
            yield policy_pb2.LoadPolicyRequest(chunk=b"x")
            time.sleep(0.25)

    with own, pytest.raises(grpc.RpcError) as over:
        policy_pb2_grpc.PolicyServiceStub(own).LoadPolicy(trickle())
    assert over.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert end - 1 <= time.time() < end + LATE_S


async def test_the_end_is_by_the_wall_clock_also_when_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "LOOK_S", 0.05)
    set_by = [0.0]
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + set_by[0])
    asyncio.get_running_loop().call_later(0.1, lambda: set_by.__setitem__(0, 3600.0))
    began = time.monotonic()
    with pytest.raises(Denied, match="expired"):
        async with access.until_end("kim", real() + 1800.0):
            await asyncio.sleep(5)
    assert time.monotonic() - began < 2


async def test_a_certificate_that_lasts_ends_nothing_and_leaves_no_timer() -> None:
    async with access.until_end("kim", time.time() + 0.2):
        await asyncio.sleep(0)
    await asyncio.sleep(0.4)
    with pytest.raises(TimeoutError):
        async with access.until_end("kim", time.time() + 100):
            raise TimeoutError("somebody else's")


async def test_a_message_read_too_late_does_not_count() -> None:
    async def sent() -> AsyncIterator[str]:
        yield "in time"
        time.sleep(0.3)  # the loop is held up, so that no timer can end the stream
        yield "late"

    got: list[str] = []
    with pytest.raises(Denied, match="expired"):
        async for message in access.metered(sent(), Meter(Rate(10, 10)), "kim", time.time() + 0.2):
            got.append(message)
    assert got == ["in time"]
