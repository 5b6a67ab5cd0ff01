"""Mutual TLS: who is served, who may what, and what an expired or renewed certificate does."""

from __future__ import annotations

import datetime
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from stopline.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    junction_pb2,
    junction_pb2_grpc,
    override_pb2,
    override_pb2_grpc,
)
from stopline_controller.dev_ca import Authority, Pair
from stopline_controller.identity import Role
from tests.controller.bench import ServeProcess, until
from tests.controller.sites import write_site

HOUR = datetime.timedelta(hours=1)
TLS = '[controller.tls]\ncertificate = "cert.pem"\nkey = "key.pem"\nclient_ca = "ca.pem"'


def write_tls_site(folder: Path, authority: Authority, valid: datetime.timedelta = HOUR) -> Path:
    write_server(folder, authority, valid)
    (folder / "ca.pem").write_bytes(authority.pair.certificate)
    site = write_site(folder, controller=TLS)
    site.write_text(site.read_text().replace("insecure = true\n", ""))
    return site


def write_server(folder: Path, authority: Authority, valid: datetime.timedelta = HOUR) -> None:
    pair = authority.server((), valid)
    (folder / "key.pem").write_bytes(pair.key)
    (folder / "cert.pem").write_bytes(pair.certificate)


def channel(address: str, authority: Authority, pair: Pair | None) -> grpc.Channel:
    own = (pair.key, pair.certificate) if pair else (None, None)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(authority.pair.certificate, *own))


def listed(over: grpc.Channel) -> int:
    stub = junction_pb2_grpc.JunctionServiceStub(over)
    return len(stub.ListJunctions(junction_pb2.ListJunctionsRequest(), timeout=5).junctions)


def refusal(over: grpc.Channel) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as refused:
        listed(over)
    return refused.value.code()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("centre")


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    folder = tmp_path_factory.mktemp("tls")
    with ServeProcess(write_tls_site(folder, authority)) as running:
        yield running


def test_only_clients_with_a_certificate_of_the_authority_are_served(
    server: ServeProcess, authority: Authority
) -> None:
    stranger = Authority.create("stranger")
    with channel(server.address, authority, authority.client("kim", Role.OPERATOR, HOUR)) as own:
        assert listed(own) == 1
    refused = {
        "no certificate": channel(server.address, authority, None),
        "a stranger's": channel(server.address, authority, stranger.client("kim", Role.OPERATOR, HOUR)),
        "plaintext": grpc.insecure_channel(server.address),
        "expired": channel(server.address, authority, authority.client("kim", Role.OPERATOR, -HOUR / 60)),
    }
    for what, other in refused.items():
        with other:
            assert refusal(other) is grpc.StatusCode.UNAVAILABLE, what


@pytest.mark.parametrize("role", ["", "king", "operator,urn:stopline:role:viewer"])
def test_a_certificate_without_a_role_is_not_served(
    server: ServeProcess, authority: Authority, role: str
) -> None:
    with channel(server.address, authority, authority.client("kim", role, HOUR)) as own:
        assert refusal(own) is grpc.StatusCode.UNAUTHENTICATED


def test_a_role_may_what_its_row_says_and_nothing_else(server: ServeProcess, authority: Authority) -> None:
    request = override_pb2.AcquireLeaseRequest(junction_id="A", ttl_s=20, reason="test")
    for role in (Role.VIEWER, Role.DISPATCHER):
        with channel(server.address, authority, authority.client("vic", role, HOUR)) as own:
            assert listed(own) == 1
            with pytest.raises(grpc.RpcError) as refused:
                override_pb2_grpc.OverrideServiceStub(own).AcquireLease(request)
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert "operator, supervisor, engineer" in str(refused.value.details())


def test_a_lease_is_its_holders_alone_and_a_higher_role_takes_over(
    server: ServeProcess, authority: Authority
) -> None:
    people = {"kim": Role.OPERATOR, "lee": Role.OPERATOR, "max": Role.SUPERVISOR}
    channels = {
        name: channel(server.address, authority, authority.client(name, role, HOUR))
        for name, role in people.items()
    }
    desks = {name: override_pb2_grpc.OverrideServiceStub(own) for name, own in channels.items()}
    request = override_pb2.AcquireLeaseRequest(junction_id="A", ttl_s=60, reason="works", priority=0)
    lease = desks["kim"].AcquireLease(request).lease
    assert (lease.operator, lease.role) == ("kim", override_pb2.ROLE_OPERATOR)
    stolen = override_pb2.ReleaseLeaseRequest(lease_id=lease.lease_id, fencing_token=lease.fencing_token)
    with pytest.raises(grpc.RpcError, match="kim's"):
        desks["lee"].ReleaseLease(stolen)
    hold = override_pb2.OverrideRequest(
        lease_id=lease.lease_id, fencing_token=lease.fencing_token, sequence=1, hold=override_pb2.HoldStage()
    )
    assert "kim's" in desks["lee"].Override(hold).reason
    with pytest.raises(grpc.RpcError, match="held by kim"):
        desks["lee"].AcquireLease(request)

    def held() -> bool:
        hold.sequence += 1
        return desks["kim"].Override(hold).status != override_pb2.OVERRIDE_STATUS_REJECTED

    until(held, 5, "held once the cabinet was read")
    replayed = desks["kim"].Override(hold)
    assert replayed.status == override_pb2.OVERRIDE_STATUS_REJECTED and "replay" in replayed.reason
    hold.sequence = 0
    assert "number your requests" in desks["kim"].Override(hold).reason
    taken = desks["max"].AcquireLease(request).lease
    assert taken.fencing_token > lease.fencing_token
    with pytest.raises(grpc.RpcError, match="taken over"):
        desks["kim"].RenewLease(
            override_pb2.RenewLeaseRequest(
                lease_id=lease.lease_id, fencing_token=lease.fencing_token, ttl_s=20
            )
        )
    records = audit_pb2_grpc.AuditServiceStub(channels["kim"]).GetAudit(
        audit_pb2.GetAuditRequest(kind="lease-taken-over")
    )
    detail = json.loads(next(iter(records)).record.detail)
    assert detail == {"taken_from": "kim", "certificate": "max", "role": "supervisor"}
    desks["max"].ReleaseLease(
        override_pb2.ReleaseLeaseRequest(lease_id=taken.lease_id, fencing_token=taken.fencing_token)
    )
    for own in channels.values():
        own.close()


def test_a_certificate_that_expires_ends_the_service_of_its_open_connection(
    server: ServeProcess, authority: Authority
) -> None:
    short = datetime.timedelta(seconds=2)
    with channel(server.address, authority, authority.client("kim", Role.OPERATOR, short)) as own:
        assert listed(own) == 1
        time.sleep(2.1)
        assert refusal(own) is grpc.StatusCode.UNAUTHENTICATED


def test_no_secret_is_written_anywhere(server: ServeProcess, authority: Authority) -> None:
    with channel(server.address, authority, authority.client("kim", Role.OPERATOR, HOUR)) as own:
        listed(own)
    keys = [(server.state.parent / "key.pem").read_bytes()]
    secrets = [line for key in keys for line in key.splitlines() if not line.startswith(b"-----")]
    written = [path for path in (*server.state.iterdir(), server.log) if path.is_file()]
    assert len(written) >= 3
    for path in written:
        content = path.read_bytes()
        assert not any(secret in content for secret in secrets), path.name
        assert b"PRIVATE KEY" not in content, path.name


def test_a_renewed_certificate_is_taken_up_without_a_restart(tmp_path: Path, authority: Authority) -> None:
    site = write_tls_site(tmp_path, authority)
    kim = authority.client("kim", Role.OPERATOR, HOUR)

    with ServeProcess(site) as running:

        def served() -> bool:
            with channel(running.address, authority, kim) as another:
                try:
                    return listed(another) == 1
                except grpc.RpcError as error:
                    assert error.code() is grpc.StatusCode.UNAVAILABLE
                    return False

        with channel(running.address, authority, kim) as own:
            assert listed(own) == 1
            write_server(tmp_path, authority, datetime.timedelta(seconds=1))
            stub = junction_pb2_grpc.JunctionServiceStub(own)
            states = stub.WatchState(junction_pb2.WatchStateRequest())
            alarmed = next(r.state for r in states if r.state.alarms)
            assert any("server certificate" in alarm for alarm in alarmed.alarms)
            until(lambda: not served(), 10, "expired: no new client")
            before = next(states).state
            assert next(states).state.sequence > before.sequence, "open streams go on, and so does control"
            states.cancel()
        write_server(tmp_path, authority, 24 * 90 * HOUR)
        os.utime(tmp_path / "cert.pem")
        with channel(running.address, authority, kim) as again:
            assert listed(again) == 1
            stub = junction_pb2_grpc.JunctionServiceStub(again)
            states = stub.WatchState(junction_pb2.WatchStateRequest())
            quiet = next(r.state for r in states if not r.state.alarms)
            states.cancel()
            assert quiet.cabinet_online
        assert any(event["event"] == "certificate_renewed" for event in running.events())


def test_a_key_of_another_certificate_is_refused_at_the_start(tmp_path: Path, authority: Authority) -> None:
    site = write_tls_site(tmp_path, authority)
    (tmp_path / "key.pem").write_bytes(authority.server((), HOUR).key)
    with pytest.raises(AssertionError, match="is not the key of"), ServeProcess(site):
        pass
