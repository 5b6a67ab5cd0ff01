"""The policies of a real controller process: by command, by role, and over a kill."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from stopline.v1 import policy_pb2, policy_pb2_grpc
from stopline_cabinets.words import Mode
from stopline_cli.policy_client import pieces, zipped
from stopline_controller.audit import AuditLog
from stopline_controller.dev_ca import Authority
from stopline_controller.identity import Role
from stopline_controller.texts import LONGEST_NAME, LONGEST_REASON
from tests.controller.bench import PlcBench, ServeProcess, until
from tests.controller.sites import write_site
from tests.controller.test_operator_commands import stopline
from tests.controller.test_serve_tls import TLS, channel, write_server
from tests.controller.versions import Versions, policy_table

RATE = 10.0
HOUR = datetime.timedelta(hours=1)


@pytest.fixture(scope="module")
def bench() -> Iterator[PlcBench]:
    with PlcBench("A", rate=RATE) as running:
        yield running
        assert running.violations() == []


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    made = Versions(tmp_path_factory.mktemp("policies"))
    made.greedy("first")
    return made


@pytest.fixture(scope="module")
def site(bench: PlcBench, versions: Versions) -> Path:
    tables = bench.tables(limit_s=3)
    return write_site(
        versions.folder,
        tables,
        controller=f"clock_rate = {RATE}",
        policy=policy_table("first.bundle"),
        extra="[limits]\nrequest_kib = 16",
    )


def _typed(server: ServeProcess, *words: str) -> list[dict[str, object]]:
    done = stopline("policy", *words, "--json", STOPLINE_ADDRESS=server.address, USER="kim")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    return shown if isinstance(shown, list) else [shown]


def _states(stub: policy_pb2_grpc.PolicyServiceStub) -> dict[str, str]:
    versions = stub.ListPolicies(policy_pb2.ListPoliciesRequest()).versions
    return {v.name: policy_pb2.PolicyState.Name(v.state).removeprefix("POLICY_STATE_") for v in versions}


def _activate(stub: policy_pb2_grpc.PolicyServiceStub, sha256: str) -> policy_pb2.ActivatePolicyResponse:
    return stub.ActivatePolicy(
        policy_pb2.ActivatePolicyRequest(bundle_sha256=sha256, operator="kim", reason="by mistake")
    )


def test_an_engineer_at_the_terminal_takes_a_version_all_the_way_and_a_kill_forgets_nothing(
    site: Path, versions: Versions, bench: PlcBench
) -> None:
    with ServeProcess(site) as server:
        stub = policy_pb2_grpc.PolicyServiceStub(server.channel())
        assert _states(stub) == {"first": "ACTIVE"}
        sha = str(_typed(server, "load", str(versions.stubborn(2)))[0]["bundle_sha256"])
        assert _states(stub) == {"stubborn": "LOADED", "first": "ACTIVE"}
        assert _typed(server, "shadow", sha[:8])[0]["state"] == "shadow"
        until(lambda: _shadow(stub).compared >= 3, 10, "compared")
        went = _typed(server, "activate", sha[:8], "--reason", "better")[0]
        assert went["in_charge"] == "stubborn" and went["audit_sequence"]
        until(lambda: bench.cabinets["A"].core.state(0).stage == 2, 10, "the stage it always wants")
        server.kill()
    with ServeProcess(site) as server:
        stub = policy_pb2_grpc.PolicyServiceStub(server.channel())
        listed = _typed(server, "list")
        assert [(row["name"], row["state"]) for row in listed] == [
            ("stubborn", "active"),
            ("first", "loaded"),
        ]
        assert _typed(server, "rollback", "--reason", "complaints")[0]["in_charge"] == "first"
    log = AuditLog(server.state / "audit.sqlite")
    kinds = [record.kind for record in log.read() if record.actor == "kim"]
    assert kinds == ["policy-shadow", "policy-shadow-ended", "policy-activated", "policy-rolled-back"]
    assert log.verify().intact
    log.close()


def test_a_policy_that_fails_in_charge_is_taken_back_without_the_cabinet_noticing(
    tmp_path: Path, bench: PlcBench
) -> None:
    versions = Versions(tmp_path)
    versions.greedy("first")
    rate = f"clock_rate = {RATE}"
    site = write_site(tmp_path, bench.tables(limit_s=3), controller=rate, policy=policy_table("first.bundle"))
    core = bench.cabinets["A"].core
    with ServeProcess(site) as server:
        stub = policy_pb2_grpc.PolicyServiceStub(server.channel())
        until(lambda: core.mode is Mode.REMOTE, 10, "remote control")
        sha = stub.LoadPolicy(_sent(versions.nan())).version.bundle_sha256
        _activate(stub, sha)
        until(lambda: _states(stub)["nan"] == "ROLLED_BACK" or core.mode is not Mode.REMOTE, 10, "taken back")
        assert core.mode is Mode.REMOTE and _states(stub)["first"] == "ACTIVE"
        with pytest.raises(grpc.RpcError, match="was rolled back"):
            _activate(stub, sha)


def test_what_is_no_bundle_is_refused_with_its_reason_and_leaves_nothing(
    site: Path, versions: Versions, tmp_path: Path
) -> None:
    stranger = Versions(tmp_path).greedy("stranger")
    with ServeProcess(site) as server:
        stub = policy_pb2_grpc.PolicyServiceStub(server.channel())
        before = _states(stub)
        done = stopline("policy", "load", str(versions.corrupt()), STOPLINE_ADDRESS=server.address)
        assert done.returncode == 1 and "does not match its hash" in done.stderr
        assert str(versions.folder) not in done.stderr, "the controller's folders are its own business"
        for sent, words in (
            (_sent(stranger), "not signed by a trusted key"),
            (
                iter([policy_pb2.LoadPolicyRequest(chunk=b"PK" + bytes(10_000))]),
                "neither a directory nor a zip",
            ),
            (iter(()), "nothing was sent"),
        ):
            with pytest.raises(grpc.RpcError, match=words):
                stub.LoadPolicy(sent)
        assert _states(stub) == before
        assert {path.suffix for path in (server.state / "policies").iterdir()} <= {".zip", ".json"}
    log = AuditLog(server.state / "audit.sqlite")
    assert len(list(log.read(kind="policy-refused"))) == 4
    log.close()


def test_only_engineers_change_policies_and_a_supervisor_may_take_one_back(tmp_path: Path) -> None:
    authority = Authority.create("centre")
    versions = Versions(tmp_path)
    versions.greedy("first")
    write_server(tmp_path, authority)
    (tmp_path / "ca.pem").write_bytes(authority.pair.certificate)
    site = write_site(tmp_path, controller=TLS, policy=policy_table("first.bundle"))
    site.write_text(site.read_text().replace("insecure = true\n", ""))
    denied = grpc.StatusCode.PERMISSION_DENIED
    with ServeProcess(site) as server:
        for role in Role:
            with channel(server.address, authority, authority.client("kim", role, HOUR)) as own:
                stub = policy_pb2_grpc.PolicyServiceStub(own)
                assert len(stub.ListPolicies(policy_pb2.ListPoliciesRequest()).versions) == 1
                codes = [_code(change) for change in _changes(stub)]
                assert (codes == [denied] * 3) is (role is not Role.ENGINEER), (role, codes)
                back = _code(_rolling_back(stub))
                assert (back is denied) is (role not in (Role.SUPERVISOR, Role.ENGINEER)), role


def _changes(stub: policy_pb2_grpc.PolicyServiceStub) -> list[Callable[[], object]]:
    return [
        lambda: stub.ShadowPolicy(policy_pb2.ShadowPolicyRequest()),
        lambda: stub.LoadPolicy(iter([policy_pb2.LoadPolicyRequest(chunk=b"PK")])),
        lambda: stub.ActivatePolicy(policy_pb2.ActivatePolicyRequest()),
    ]


def _rolling_back(stub: policy_pb2_grpc.PolicyServiceStub) -> Callable[[], object]:
    return lambda: stub.RollBackPolicy(policy_pb2.RollBackPolicyRequest())


def _code(call: Callable[[], object]) -> grpc.StatusCode | None:
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    return None


def _shadow(stub: policy_pb2_grpc.PolicyServiceStub) -> policy_pb2.ShadowFigures:
    versions = stub.ListPolicies(policy_pb2.ListPoliciesRequest()).versions
    return next(version.shadow for version in versions if version.HasField("shadow"))


def _sent(bundle: Path) -> Iterator[policy_pb2.LoadPolicyRequest]:
    return pieces(zipped(bundle))


@pytest.fixture
def stub(site: Path) -> Iterator[policy_pb2_grpc.PolicyServiceStub]:
    with ServeProcess(site) as server:
        yield policy_pb2_grpc.PolicyServiceStub(server.channel())


def test_texts_without_end_are_refused_and_change_nothing(stub: policy_pb2_grpc.PolicyServiceStub) -> None:
    before, long = _states(stub), "y" * (LONGEST_REASON + 1)
    refused: list[tuple[Any, Message]] = [
        (stub.ShadowPolicy, policy_pb2.ShadowPolicyRequest(operator="x" * (LONGEST_NAME + 1))),
        (stub.ActivatePolicy, policy_pb2.ActivatePolicyRequest(bundle_sha256="0" * (LONGEST_NAME + 1))),
        (stub.ActivatePolicy, policy_pb2.ActivatePolicyRequest(bundle_sha256="none", reason=long)),
        (stub.RollBackPolicy, policy_pb2.RollBackPolicyRequest(reason=long)),
    ]
    for call, request in refused:
        with pytest.raises(grpc.RpcError) as refusal:
            call(request)
        assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "at most" in str(refusal.value.details())
    assert _states(stub) == before
