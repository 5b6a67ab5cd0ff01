"""What happens at the cabinets when the controller is killed, stopped, doubled or restarted."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from stopline.v1 import (
    junction_pb2,
    junction_pb2_grpc,
    override_pb2,
    override_pb2_grpc,
    state_pb2,
)
from stopline_cabinets.words import Mode
from stopline_controller.audit import AuditLog
from tests.controller.bench import PlcBench, ServeProcess, until
from tests.controller.sites import write_site

RATE = 5.0
LIMIT_S = 1.0


def _remote(bench: PlcBench) -> bool:
    return all(cabinet.core.mode is Mode.REMOTE for cabinet in bench.cabinets.values())


def _token(server: ServeProcess) -> int:
    """The fencing token of a lease that is given back at once."""
    with server.channel() as own:
        stub = override_pb2_grpc.OverrideServiceStub(own)
        request = override_pb2.AcquireLeaseRequest(junction_id="A", operator="kim", ttl_s=5, reason="test")
        lease = stub.AcquireLease(request).lease
        stub.ReleaseLease(
            override_pb2.ReleaseLeaseRequest(lease_id=lease.lease_id, fencing_token=lease.fencing_token)
        )
    return lease.fencing_token


def _local(bench: PlcBench) -> bool:
    return all(cabinet.core.mode is Mode.LOCAL for cabinet in bench.cabinets.values())


def test_kill_9_leaves_the_cabinets_on_their_local_plan_within_the_heartbeat_limit(tmp_path: Path) -> None:
    with PlcBench("A", "B") as bench:
        site = write_site(tmp_path, bench.tables(limit_s=LIMIT_S), interval=1.0)
        with ServeProcess(site) as server:
            until(lambda: _remote(bench), 10, "remote")
            token = _token(server)
            time.sleep(1.5)
            server.kill()
            killed = time.monotonic()
            until(lambda: _local(bench), 5, "local plan")
            assert time.monotonic() - killed <= LIMIT_S + 0.2, "one tick and one look later than the limit"
        accepted = sum(cabinet.plans_accepted for cabinet in bench.cabinets.values())
        log = AuditLog(tmp_path / "state" / "audit.sqlite")
        assert log.verify().intact
        decisions = list(log.read(kind="decision"))
        log.close()
        assert len(decisions) >= accepted > 0, "no plan reached a cabinet without its record"

        with ServeProcess(site) as again:
            until(lambda: _remote(bench), 10, f"remote again; {again.log.read_text()}")
            assert _token(again) > token, "no token of the first life is worth anything in the second"
            time.sleep(1.0)
        assert _local(bench)
        log = AuditLog(tmp_path / "state" / "audit.sqlite")
        verified = log.verify()
        log.close()
        assert verified.intact and verified.records > len(decisions), "one chain over both lives"
        assert bench.violations() == []


def test_a_stopped_process_loses_the_cabinets_and_regains_them(tmp_path: Path) -> None:
    with PlcBench("A", rate=RATE) as bench:
        site = write_site(
            tmp_path, bench.tables(limit_s=LIMIT_S), controller=f"clock_rate = {RATE}", interval=1.0
        )
        with ServeProcess(site) as server:
            until(lambda: _remote(bench), 10, "remote")
            server.process.send_signal(signal.SIGSTOP)
            until(lambda: _local(bench), LIMIT_S / RATE + 0.5, "local plan while the controller stands still")
            server.process.send_signal(signal.SIGCONT)
            until(lambda: _remote(bench), 5, f"remote again; {server.log.read_text()}")
        assert bench.violations() == []


def test_a_second_controller_does_not_get_the_cabinet(tmp_path: Path) -> None:
    with PlcBench("A", rate=RATE) as bench:
        sites = []
        for name in ("first", "second"):
            folder = tmp_path / name
            folder.mkdir()
            rate = f'clock_rate = {RATE}\nname = "{name}"'
            sites.append(write_site(folder, bench.tables(), controller=rate, interval=1.0))
        with ServeProcess(sites[0]):
            until(lambda: _remote(bench), 10, "remote")
            owner = bench.cabinets["A"].state().owner
            with ServeProcess(sites[1]) as second, second.channel() as channel:
                stub = junction_pb2_grpc.JunctionServiceStub(channel)
                stream = stub.WatchState(junction_pb2.WatchStateRequest())
                state = next(
                    r.state for r in stream if any("leased by first" in alarm for alarm in r.state.alarms)
                )
                stream.cancel()
                assert state.cabinet_online
            assert bench.cabinets["A"].state().owner == owner
            assert _remote(bench), "the first one never lost it"


def test_a_second_process_on_the_same_site_is_refused(tmp_path: Path) -> None:
    site = write_site(tmp_path)
    with ServeProcess(site) as first:
        with first.log.open("ab") as log:  # its own log goes on beside ours
            second = subprocess.run(
                [sys.executable, "-c", "from stopline_cli.main import app; app()", "serve", str(site)],
                check=False,
                stdout=log,
                stderr=subprocess.PIPE,
                text=True,
                timeout=20,
            )
        assert second.returncode == 1
        assert "in use by another running controller" in second.stderr


def test_a_cabinet_that_reboots_is_learnt_anew(tmp_path: Path) -> None:
    with PlcBench("A", rate=RATE) as bench:
        site = write_site(tmp_path, bench.tables(), controller=f"clock_rate = {RATE}", interval=1.0)
        with ServeProcess(site) as server:
            until(lambda: _remote(bench), 10, "remote")
            cabinet = bench.cabinets["A"]
            # A power cut is dark first; green to red at once would rightly trip the monitor.
            dark = bench.clock.tenths()
            bench.do(lambda: cabinet.core.set_flash(True, bench.clock.tenths()))
            until(lambda: bench.clock.tenths() > dark + 2, 3, "the monitor saw it")
            until(lambda: cabinet.state().owner == 0, 3, "the lease of a flashing cabinet is given up")
            bench.do(cabinet.restart)
            until(lambda: bench.cabinets["A"].core.mode is Mode.STARTUP, 2, "start-up")
            until(lambda: _remote(bench), 8, f"remote again; {server.log.read_text()}")
        assert bench.violations() == []


def test_a_manual_panel_is_not_fought(tmp_path: Path) -> None:
    with PlcBench("A", rate=RATE) as bench:
        site = write_site(tmp_path, bench.tables(), controller=f"clock_rate = {RATE}", interval=1.0)
        with ServeProcess(site) as server, server.channel() as channel:
            until(lambda: _remote(bench), 10, "remote")
            cabinet = bench.cabinets["A"]
            bench.do(lambda: cabinet.core.set_manual(1))
            stub = junction_pb2_grpc.JunctionServiceStub(channel)
            stream = stub.WatchState(junction_pb2.WatchStateRequest())
            state = next(r.state for r in stream if r.state.cabinet_mode == state_pb2.CABINET_MODE_MANUAL)
            stream.cancel()
            assert state.source == state_pb2.SOURCE_CABINET
            until(lambda: cabinet.state().owner == 0, 3, "the lease is given up")
            plans = cabinet.plans_accepted
            time.sleep(0.5)
            assert cabinet.plans_accepted == plans
            bench.do(lambda: cabinet.core.set_manual(None))
            until(lambda: _remote(bench), 5, "remote again by itself")
        assert bench.violations() == []
