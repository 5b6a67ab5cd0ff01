"""The main program of the controller: start, serve until told to stop, hand everything back."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import Any

import structlog
from google.protobuf.json_format import MessageToDict

from stopline_controller.assembly import Controller, assemble
from stopline_controller.audit import Entry
from stopline_controller.logs import configure_logs
from stopline_controller.server import Server
from stopline_controller.services.decisions import statistics_message
from stopline_controller.site import Site, read_site
from stopline_signals.errors import SiteError, StoplineError

log = structlog.get_logger(__name__)

GRACE_S = 1.0
"""Real seconds for calls under way when the server closes."""
SWITCH_INTERVAL_S = 1e-4
"""How long the services may keep the interpreter from the control thread."""


class ControlFailed(StoplineError):
    """The control loop ended by itself; the cabinets fall back to their local plans."""


def serve(path: Path, *, json_logs: bool | None = None) -> None:
    """Run the controller of a site file until SIGTERM or SIGINT; returns after a clean hand-back."""
    configure_logs(sys.stderr, as_json=json_logs)
    site = read_site(path)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with _only_one(site.state_dir):
        controller = assemble(site)
        try:
            _run(_serve(controller))
        finally:
            controller.close()


class ControlThread:
    """The control loop in its own thread and event loop, where no client of the services can hold it up."""

    def __init__(self, controller: Controller) -> None:
        self.failure: BaseException | None = None
        self._control = controller.loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="control", daemon=True)

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the loop to hand back and end."""
        if self._loop is not None:
            # The loop may have ended by itself a moment ago.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._control.stop)

    async def ended(self) -> None:
        """Wait for the end of the loop."""
        await self._ended.wait()

    def _work(self) -> None:
        try:
            asyncio.run(self._tick())
        except BaseException as error:  # whatever ended the loop has to reach the main thread
            self.failure = error
        self._main.call_soon_threadsafe(self._ended.set)

    async def _tick(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._control.run()


async def _serve(controller: Controller) -> None:
    server, stop = Server(controller), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start()
    thread = ControlThread(controller)
    controller.audit.append([Entry("started", 0, "", "controller", {"site": str(controller.site.path.name)})])
    # What lives as long as the process need not be looked through by every collection.
    gc.collect()
    gc.freeze()
    thread.start()
    with _announced(controller.site, server.address):
        log.info(
            "serving", address=server.address, junctions=len(controller.controls), rate=controller.clock.rate
        )
        watching = asyncio.create_task(controller.housekeeping.run(server.certificate_alarm))
        await _first(stop.wait(), thread.ended())
        watching.cancel()
        log.info("draining")
        await server.drain()
        thread.stop()
        await thread.ended()
        await server.stop(GRACE_S)
    _leave_statistics(controller)
    if thread.failure is not None:
        raise ControlFailed(f"the control loop ended: {thread.failure!r}") from thread.failure
    log.info("stopped")


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()


@contextlib.contextmanager
def _only_one(state_dir: Path) -> Generator[None]:
    """Keep a second controller from the same state directory."""
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SiteError(f"{state_dir}: in use by another running controller; stop it first") from None
        yield


@contextlib.contextmanager
def _announced(site: Site, address: str) -> Generator[None]:
    """Leave the address for programs that started this one with port 0."""
    path = site.state_dir / "serving.json"
    path.write_text(json.dumps({"address": address, "pid": os.getpid()}) + "\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _leave_statistics(controller: Controller) -> None:
    message = statistics_message(controller.statistics, controller.clock.rate)
    table = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    # 64-bit counters are text in protobuf's JSON; here they are numbers.
    numbers = {name: int(value) if isinstance(value, str) else value for name, value in table.items()}
    (controller.site.state_dir / "statistics.json").write_text(json.dumps(numbers, indent=2) + "\n")
