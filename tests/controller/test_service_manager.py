"""What a service manager is told: ready once control ticks, alive while every slot does; and the drain."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stopline_cabinets.words import Mode
from stopline_controller.notify import Notifier, Watchdog
from tests.controller.bench import FOLDERS, ROOT, PlcBench, ServeProcess, until
from tests.controller.sites import write_site

WATCHDOG_S = 0.4


class Manager:
    """The manager's end of the notification socket."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self.heard: list[tuple[float, str]] = []

    def listen(self, seconds: float) -> list[str]:
        """All states that arrive within some time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                text = self._socket.recv(4096).decode()
            except TimeoutError:
                break
            self.heard += [(time.monotonic(), state) for state in text.splitlines()]
        return [state for _, state in self.heard]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path)
    yield made
    made.close()


def environment(manager: Manager) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": str(round(WATCHDOG_S * 1e6))}


def test_no_heartbeat_while_one_slot_does_not_tick(manager: Manager) -> None:
    watchdog = Watchdog(Notifier(environment(manager)), 3)
    for _ in range(20):
        watchdog.pulse(0)
        watchdog.pulse(2)
    assert manager.listen(0.05) == []
    watchdog.pulse(1)
    assert manager.listen(0.05) == ["READY=1"]
    time.sleep(WATCHDOG_S / 4)
    for slot in range(3):
        watchdog.pulse(slot)
    assert manager.listen(0.05) == ["READY=1", "WATCHDOG=1"]


def test_the_watchdog_of_another_process_is_not_ours(manager: Manager) -> None:
    assert Notifier({**environment(manager), "WATCHDOG_PID": str(os.getpid())}).watchdog_s == WATCHDOG_S
    assert Notifier({**environment(manager), "WATCHDOG_PID": "1"}).watchdog_s == 0
    assert Notifier({"WATCHDOG_USEC": "400000"}).watchdog_s == 0


def test_a_manager_that_is_gone_stops_nobody(manager: Manager) -> None:
    notifier = Notifier(environment(manager))
    manager.close()
    manager.path.unlink()
    notifier.tell(WATCHDOG=1)


def test_control_itself_feeds_the_watchdog_and_silence_is_noticed(tmp_path: Path, manager: Manager) -> None:
    site = write_site(tmp_path)
    path = os.pathsep.join(str(ROOT / folder) for folder in FOLDERS)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "stopline_controller", str(site)],
            stderr=log,
            env={**os.environ, **environment(manager), "PYTHONPATH": path},
        )
    try:
        until(lambda: "READY=1" in manager.listen(0.2), 15, "ready")
        until(lambda: manager.listen(0.2).count("WATCHDOG=1") >= 3, 10, "heartbeats")
        process.send_signal(signal.SIGSTOP)
        manager.listen(0.1)
        silent = len(manager.heard)
        manager.listen(3 * WATCHDOG_S)
        assert len(manager.heard) == silent, "a process that hangs must not be called alive"
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        told = manager.listen(0.1)[silent:]
        # Control is alive until the cabinets are handed back, so a heartbeat may still follow.
        assert "STOPPING=1" in told
        assert set(told) <= {"STOPPING=1", "WATCHDOG=1"}
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_sigterm_reports_unhealthy_first_then_hands_back_then_shuts_the_door(tmp_path: Path) -> None:
    times: dict[str, float] = {}

    def watch(channel: grpc.Channel) -> None:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            for answer in stub.Watch(health_pb2.HealthCheckRequest()):
                # The last time counts: before the first tick it is unhealthy, too.
                times[health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)] = time.monotonic()
        except grpc.RpcError:
            times["closed"] = time.monotonic()

    with PlcBench("A") as bench:
        site = write_site(tmp_path, bench.tables(), controller="drain_s = 1.0")
        with ServeProcess(site) as running, running.channel() as channel:
            watching = threading.Thread(target=watch, args=(channel,))
            watching.start()
            core = bench.cabinets["A"].core
            until(lambda: core.mode is Mode.REMOTE and "SERVING" in times, 15, "control")
            running.process.terminate()
            until(lambda: core.mode is not Mode.REMOTE, 10, "the cabinet is handed back")
            times["handed back"] = time.monotonic()
            watching.join(10)
            assert running.process.wait(10) == 0
        assert core.lease is None, "released, not run out"
    assert times["SERVING"] < times["NOT_SERVING"]
    assert times["NOT_SERVING"] + 0.5 < times["handed back"] <= times["closed"], times
    told = [entry["event"] for entry in running.events()]
    assert told[-2:] == ["draining", "stopped"]
    statistics = json.loads((running.state / "statistics.json").read_text())
    assert statistics["ticks"] > 0
