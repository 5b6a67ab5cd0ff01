"""The faults of the controller's fault table, one function each; `FAULTS` is the table."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from stopline.v1 import (
    junction_pb2,
    junction_pb2_grpc,
    override_pb2,
    override_pb2_grpc,
    policy_pb2,
    policy_pb2_grpc,
    state_pb2,
)
from stopline_cabinets.words import Mode
from stopline_cli.policy_client import pieces, zipped
from stopline_controller.audit_chain import Filter, read_records
from stopline_controller.dev_ca import Authority
from stopline_controller.identity import Role
from tests.controller.bench import ServeProcess, until
from tests.controller.test_serve_tls import TLS, channel, listed, write_server
from tests.proofs.controller_rig import (
    INTERVAL_S,
    LOADED_S,
    Outcome,
    Rig,
    go_on,
    rss_mib,
    stop,
    until_alarm,
    watching,
)

LOCAL = "every cabinet on its local plan"
UNDER_CONTROL = "under control throughout"
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
HOUR_S = 3600


class Missing(Exception):
    """This machine cannot bring the fault about; says what is missing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: what is done and how long it lasts; `quick` rows run with every change, shortened."""

    name: str
    how: str
    run: Callable[[Rig, float], Outcome]
    seconds: float
    quick: float = 0.0
    """Seconds when run as a test; 0: not run as one."""


def kill(rig: Rig, seconds: float) -> Outcome:
    site = rig.site()
    with ServeProcess(site) as server:
        rig.until_remote("remote control")
        rig.keeps_control(seconds)
        server.kill()
        to_safe = rig.until_local()
    began = rig.now()
    with ServeProcess(site):
        rig.until_remote("remote control after the restart")
        recovered = rig.now() - began
        rig.keeps_control(seconds)
    return Outcome(LOCAL, to_safe, recovered, {"heartbeat_limit_s": rig.limit_s})


def stopped(rig: Rig, seconds: float) -> Outcome:
    with ServeProcess(rig.site()) as server:
        rig.until_remote("remote control")
        rig.keeps_control(2.0)
        stop(server)
        to_safe = rig.until_local()
        plans = rig.plans()
        time.sleep(seconds)
        assert rig.all_in(Mode.LOCAL) and rig.plans() == plans, "nothing comes from a stopped process"
        go_on(server)
        recovered = rig.until_remote("remote control again")
        rig.keeps_control(2.0)
    return Outcome(LOCAL, to_safe, recovered, {"heartbeat_limit_s": rig.limit_s})


def disk_full(rig: Rig, seconds: float) -> Outcome:
    site = rig.site()
    state = site.parent / "state"
    with _small_disk(state), ServeProcess(site) as server, watching(server) as following:
        rig.until_remote("remote control")
        filler = state / "filler"
        # Without a buffer, whose rest would be refused once more when the file is closed.
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(65536))
        until_alarm(following, "audit log cannot be written")
        plans = rig.keeps_control(seconds)
        filler.unlink()
        freed = rig.now()
        until_alarm(following, "audit log cannot be written", stands=False)
        until_alarm(following, "events cannot be written", stands=False)
        recovered = rig.now() - freed
        rig.keeps_control(2.0)
        events = {str(event["event"]) for event in server.events()}
        assert {"audit_cannot_write", "audit_writes_again"} <= events
        shutil.copytree(state, rig.folder / "kept", ignore=shutil.ignore_patterns("lock", "beats*"))
    rig.states[:] = [rig.folder / "kept"]
    return Outcome(UNDER_CONTROL, 0.0, recovered, {"plans_while_full": plans})


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """A file system of 3 MiB at this folder."""
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        raise Missing("the right to mount a tmpfs")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def clock_step(rig: Rig, seconds: float) -> Outcome:
    if not FAKETIME.exists():
        raise Missing("libfaketime (Debian package faketime)")
    offset = rig.folder / "offset"
    offset.write_text("+0\n")
    env = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with ServeProcess(rig.site(), env) as server:
        rig.until_remote("remote control")
        with server.channel() as own:
            lease = _lease(own, ttl=60)
            for step in (HOUR_S, -HOUR_S, 0):
                offset.write_text(f"{step:+d}\n")
                until(lambda: abs(_ahead_s(server) - step) < 60, LOADED_S, f"a clock {step} s off")  # noqa: B023 (called in this turn)
                rig.keeps_control(seconds / 3)
                renewed = override_pb2_grpc.OverrideServiceStub(own).RenewLease(
                    override_pb2.RenewLeaseRequest(
                        lease_id=lease.lease_id, fencing_token=lease.fencing_token, ttl_s=60
                    )
                )
                assert 55 < renewed.lease.remaining_s <= 60, "a lease runs on the monotonic clock"
    steps = [round(row["seconds"]) for row in _details(rig, "clock-step")]
    assert steps == [HOUR_S, -2 * HOUR_S, HOUR_S], steps
    return Outcome(UNDER_CONTROL, 0.0, 0.0, {"steps_recorded_s": steps})


def _ahead_s(server: ServeProcess) -> float:
    """By how much the wall clock of the controller is ahead of ours."""
    with watching(server) as following:
        return following().wall_time.ToNanoseconds() / 1e9 - time.time()


def expired_certificate(rig: Rig, seconds: float) -> Outcome:
    authority = Authority.create("centre")
    site = rig.site(controller=TLS)
    site.write_text(site.read_text().replace("insecure = true\n", ""))
    hour = datetime.timedelta(hours=1)
    write_server(site.parent, authority, hour)
    (site.parent / "ca.pem").write_bytes(authority.pair.certificate)
    kim = authority.client("kim", Role.OPERATOR, hour)
    with ServeProcess(site) as server:

        def served() -> bool:
            with channel(server.address, authority, kim) as own, contextlib.suppress(grpc.RpcError):
                return listed(own) == 2
            return False

        rig.until_remote("remote control")
        until(served, LOADED_S, "served")
        write_server(site.parent, authority, datetime.timedelta(seconds=1))
        until(lambda: not served(), LOADED_S, "refused once the certificate is over")
        plans = rig.keeps_control(seconds)
        write_server(site.parent, authority, 24 * 90 * hour)
        renewed = rig.now()
        until(served, LOADED_S, "served with the new certificate")
        recovered = rig.now() - renewed
    return Outcome("under control, new clients refused", 0.0, recovered, {"plans_meanwhile": plans})


def nan_policy(rig: Rig, seconds: float) -> Outcome:
    with ServeProcess(rig.site()) as server, server.channel() as own:
        rig.until_remote("remote control")
        stub = policy_pb2_grpc.PolicyServiceStub(own)
        sha = stub.LoadPolicy(pieces(zipped(rig.versions.nan(INTERVAL_S)))).version.bundle_sha256
        stub.ActivatePolicy(
            policy_pb2.ActivatePolicyRequest(bundle_sha256=sha, operator="kim", reason="fault")
        )
        began = rig.now()

        def rolled_back() -> bool:
            return any(
                version.state == policy_pb2.POLICY_STATE_ROLLED_BACK
                for version in stub.ListPolicies(policy_pb2.ListPoliciesRequest()).versions
            )

        until(rolled_back, LOADED_S, "rolled back")
        recovered = rig.now() - began
        plans = rig.keeps_control(seconds)
    return Outcome(UNDER_CONTROL, 0.0, recovered, {"plans_after": plans, "decides": "the version before"})


def corrupt_bundle(rig: Rig, seconds: float) -> Outcome:
    site = rig.site()
    with ServeProcess(site) as server, server.channel() as own:
        rig.until_remote("remote control")
        stub = policy_pb2_grpc.PolicyServiceStub(own)
        with contextlib.suppress(grpc.RpcError):
            stub.LoadPolicy(pieces(zipped(rig.versions.corrupt())))
            raise AssertionError("a corrupt bundle was taken")
        sha = stub.LoadPolicy(
            pieces(zipped(rig.versions.stubborn(1, interval=INTERVAL_S)))
        ).version.bundle_sha256
        stub.ActivatePolicy(
            policy_pb2.ActivatePolicyRequest(bundle_sha256=sha, operator="kim", reason="to be damaged")
        )
        rig.keeps_control(seconds)
    stored = site.parent / "state" / "policies" / f"{sha}.zip"
    stored.write_bytes(stored.read_bytes()[:-200])
    began = rig.now()
    with ServeProcess(site) as server, server.channel() as own:
        rig.until_remote("remote control with the version before")
        recovered = rig.now() - began
        name = policy_pb2_grpc.PolicyServiceStub(own).GetPolicy(policy_pb2.GetPolicyRequest()).name
        assert name == "first", name
        rig.keeps_control(seconds)
    return Outcome(UNDER_CONTROL, 0.0, recovered, {"upload": "refused", "damaged_on_disk": "passed over"})


def client_flood(rig: Rig, seconds: float) -> Outcome:
    script = Path(__file__).with_name("flood.py")
    with ServeProcess(rig.site()) as server:
        rig.until_remote("remote control")
        quiet = rig.keeps_control(seconds)
        command = [sys.executable, str(script), server.address, str(seconds)]
        path = os.pathsep.join([*sys.path])
        flood = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
        )
        plans = rig.keeps_control(seconds)
        out = flood.communicate(timeout=LOADED_S)[0].split()
        with server.channel() as own:
            began = time.monotonic()
            assert listed(own) == 2
            answered = time.monotonic() - began
    served, refused = int(out[0]), int(out[1])
    assert refused > served, "the limits refuse most of it"
    notes = {
        "calls_served": served,
        "calls_refused": refused,
        "plans_quiet": quiet,
        "plans_flooded": plans,
        "answer_afterwards_s": round(answered, 3),
    }
    return Outcome(UNDER_CONTROL, 0.0, 0.0, notes)


def slow_consumer(rig: Rig, seconds: float) -> Outcome:
    with ServeProcess(rig.site()) as server, server.channel() as own, watching(server) as following:
        rig.until_remote("remote control")
        stub = junction_pb2_grpc.JunctionServiceStub(own)
        slow = [stub.WatchState(junction_pb2.WatchStateRequest()) for _ in range(20)]
        first = [next(stream).state.sequence for stream in slow]
        before = rss_mib(server.process.pid)
        rig.keeps_control(seconds)
        grown = rss_mib(server.process.pid) - before
        fresh = following()
        lag_s = time.time() - fresh.wall_time.ToNanoseconds() / 1e9
        while lag_s > 1.0:
            fresh = following()
            lag_s = time.time() - fresh.wall_time.ToNanoseconds() / 1e9
        for stream in slow:
            stream.cancel()
    assert grown < 10, f"{grown:.1f} MiB more for readers that do not read"
    notes = {
        "streams_not_read": len(first),
        "memory_mib": round(grown, 1),
        "other_reader_lag_s": round(lag_s, 2),
    }
    return Outcome(UNDER_CONTROL, 0.0, 0.0, notes)


def half_open_cabinet(rig: Rig, seconds: float) -> Outcome:
    with ServeProcess(rig.site()) as server, watching(server) as following:
        rig.until_remote("remote control")
        rig.half_open(rig.wires, True)
        to_safe = rig.until_local()
        deadline = time.monotonic() + LOADED_S
        while following().cabinet_online:
            assert time.monotonic() < deadline, "never told"
        time.sleep(seconds)
        rig.half_open(rig.wires, False)
        recovered = rig.until_remote("remote control again")
        rig.keeps_control(2.0)
    return Outcome(LOCAL, to_safe, recovered, {"heartbeat_limit_s": rig.limit_s})


def half_open_client(rig: Rig, seconds: float) -> Outcome:
    with ServeProcess(rig.site()) as server, watching(server) as following:
        rig.until_remote("remote control")
        wire = rig.wire(int(server.address.rpartition(":")[2]))
        with grpc.insecure_channel(f"127.0.0.1:{wire.port}") as own:
            lease = _lease(own, ttl=seconds)
            request = override_pb2.OverrideRequest(
                lease_id=lease.lease_id, fencing_token=lease.fencing_token, hold=override_pb2.HoldStage()
            )
            override_pb2_grpc.OverrideServiceStub(own).Override(request)
            _until_source(following, state_pb2.SOURCE_CENTRE)
            rig.half_open({"client": wire}, True)
            silent = rig.now()
            _until_source(following, state_pb2.SOURCE_POLICY)
            recovered = rig.now() - silent
            rig.keeps_control(2.0)
        rig.run(wire.close())
    assert recovered <= seconds + 2
    return Outcome("under control, the override until its lease ends", 0.0, recovered, {"lease_s": seconds})


def two_controllers(rig: Rig, seconds: float) -> Outcome:
    sites = [rig.site(name=name, controller=f'name = "{name}"') for name in ("first", "second")]
    with ServeProcess(sites[0]) as first:
        rig.until_remote("remote control")
        owner = rig.bench.cabinets["A"].state().owner
        with ServeProcess(sites[1]) as second, watching(second) as following:
            until_alarm(following, "leased by first")
            rig.keeps_control(seconds)
            assert rig.bench.cabinets["A"].state().owner == owner
            first.kill()
            killed = rig.now()
            until(lambda: _owners(rig).isdisjoint({0, owner}), LOADED_S, "taken over")
            recovered = rig.now() - killed
            rig.until_remote("remote control by the second")
            rig.keeps_control(2.0)
    return Outcome("under control by the one that came first", 0.0, recovered, {"then": "first one killed"})


def _owners(rig: Rig) -> set[int]:
    return {cabinet.state().owner for cabinet in rig.bench.cabinets.values()}


def _lease(own: grpc.Channel, ttl: float) -> override_pb2.Lease:
    request = override_pb2.AcquireLeaseRequest(junction_id="A", operator="kim", ttl_s=ttl, reason="fault")
    return override_pb2_grpc.OverrideServiceStub(own).AcquireLease(request).lease


def _until_source(
    following: Callable[[], state_pb2.JunctionState], source: state_pb2.Source.ValueType
) -> None:
    deadline = time.monotonic() + 2 * LOADED_S
    while following().source != source:
        assert time.monotonic() < deadline, f"never {state_pb2.Source.Name(source)}"


def _details(rig: Rig, kind: str) -> list[dict[str, Any]]:
    found = read_records(rig.states[0] / "audit.sqlite", Filter(kind=kind))
    return [json.loads(record.detail) for record in found]


FAULTS = (
    Fault("kill -9", "SIGKILL, then a new process", kill, 3),
    Fault("SIGSTOP 30 s", "SIGSTOP, then SIGCONT", stopped, 30),
    Fault("disk full", "state directory on a tmpfs of 3 MiB, filled, then freed", disk_full, 10, quick=1),
    Fault("clock step ± 1 h", "libfaketime: the wall clock of the process", clock_step, 9, quick=4.5),
    Fault("expired certificate", "the server's certificate runs out", expired_certificate, 6),
    Fault("NaN policy", "activated over a good one", nan_policy, 3),
    Fault("corrupt bundle", "one uploaded, and the one in charge damaged on disk", corrupt_bundle, 3),
    Fault("client flood", "64 callers at once, as fast as they can", client_flood, 10),
    Fault("slow consumer", "20 state streams that are not read", slow_consumer, 20),
    Fault("half-open cabinet", "the connection stands and carries nothing", half_open_cabinet, 5, quick=0.5),
    Fault("half-open client", "an operator's connection, with a lease in force", half_open_client, 6),
    Fault("two controllers", "both at the same cabinets", two_controllers, 4),
)
