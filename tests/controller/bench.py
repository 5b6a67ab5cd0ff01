"""A test bench: virtual PLC cabinets behind real Modbus TCP, and a real `stopline serve` process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import grpc

from stopline_hil.clock import RunningClock
from stopline_hil.example import crossroads
from stopline_hil.modbus_plc import PlcCabinet

ROOT = Path(__file__).resolve().parents[2]
START_S = 45
"""Long enough for a machine that does ten other things."""
FOLDERS = ("signals", "proto", "envs", "agents", "controller", "hil", "cli")


def until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until something holds; fails with `what` when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        time.sleep(0.01)


class PlcBench:
    """Virtual PLC cabinets of crossroads, running in a thread of this process."""

    def __init__(self, *names: str, rate: float = 1.0) -> None:
        self.clock = RunningClock(rate=rate)
        self.cabinets = {name: PlcCabinet(replace(crossroads(), junction=name), self.clock) for name in names}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._tasks: list[asyncio.Task[None]] = []

    def __enter__(self) -> PlcBench:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(5)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def tables(self, *, limit_s: float = 1.0) -> Mapping[str, str]:
        """Cabinet tables of a site file."""
        return {
            name: f'driver = "modbus"\naddress = "127.0.0.1:{cabinet.port}"\nheartbeat_limit_s = {limit_s}'
            for name, cabinet in self.cabinets.items()
        }

    def do(self, action: Callable[[], object]) -> None:
        """Do something to the cabinets between two of their ticks."""

        async def act() -> None:
            action()

        asyncio.run_coroutine_threadsafe(act(), self._loop).result(5)

    def violations(self) -> list[object]:
        return [violation for cabinet in self.cabinets.values() for violation in cabinet.violations]

    async def _start(self) -> None:
        for cabinet in self.cabinets.values():
            await cabinet.start()
            self._tasks.append(asyncio.create_task(cabinet.run(0.005)))

    async def _stop(self) -> None:
        for task in self._tasks:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for cabinet in self.cabinets.values():
            await cabinet.stop()


class ServeProcess:
    """`stopline serve` in a process of its own."""

    def __init__(self, site: Path, env: Mapping[str, str] | None = None, *, first: str = "") -> None:
        """`first` is Python that the process runs before it serves: a mistake of ours put into the code."""
        self.state = site.parent / "state"
        path = os.pathsep.join(str(ROOT / folder) for folder in FOLDERS)
        self.log = site.parent / "serve.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    f"{first}\nfrom stopline_cli.main import app; app()",
                    "serve",
                    str(site),
                ],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": path, **(env or {})},
            )
        self.address = ""

    def __enter__(self) -> ServeProcess:
        serving = self.state / "serving.json"
        try:
            until(lambda: self._mine(serving), START_S, f"serving; log: {self.log.read_text()}")
        except AssertionError:
            self.kill()  # nobody else would: a start that fails is not exited
            raise
        self.address = json.loads(serving.read_text())["address"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise

    def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(self.address)

    def events(self) -> list[dict[str, object]]:
        """The structured log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def _mine(self, serving: Path) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return bool(json.loads(serving.read_text())["pid"] == self.process.pid)
        except (OSError, ValueError):
            return False
