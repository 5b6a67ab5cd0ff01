"""The main program of the controller: start, serve until told to stop, hand everything back."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
import threading
from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import Any

import structlog

from stopline_controller.assembly import Controller, assemble
from stopline_controller.audit import Entry
from stopline_controller.files import write_whole
from stopline_controller.garbage import GarbageKeeper
from stopline_controller.lean import trim
from stopline_controller.logs import configure_logs
from stopline_controller.notify import Notifier, Watchdog
from stopline_controller.precise import control_event_loop, schedule_real_time
from stopline_controller.server import Server
from stopline_controller.services.decisions import statistics_message
from stopline_controller.site import Site, read_site
from stopline_controller.supervisor import Rule, Service, Supervisor
from stopline_controller.tracing import open_tracing
from stopline_controller.vitals import Vitals, watch
from stopline_signals.errors import SiteError

log = structlog.get_logger(__name__)

GRACE_S = 1.0
"""Real seconds for calls under way when the server closes."""
SWITCH_INTERVAL_S = 1e-4
"""How long the services may keep the interpreter from the control thread."""


def serve(path: Path, *, json_logs: bool | None = None) -> None:
    """Run the controller of a site file until SIGTERM or SIGINT; returns after a clean hand-back."""
    configure_logs(sys.stderr, as_json=json_logs)
    site = read_site(path)
    with _only_one(site.state_dir):
        controller = assemble(site)
        try:
            run(controller)
        finally:
            controller.close()


def run(controller: Controller) -> None:
    """Serve what was assembled until SIGTERM or SIGINT, in the main thread; it is left open."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    _run(_serve(controller))


class ControlThread:
    """The control loop in its own thread and event loop, where no client of the services can hold it up."""

    def __init__(self, controller: Controller) -> None:
        self._control = controller.loop
        self._real_time = controller.site.tables.control.real_time and controller.clock.rate == 1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._main.create_future()
        self._thread = threading.Thread(target=self._work, name="control", daemon=True)

    async def run(self) -> None:
        """Tick until `stop`; raises what ended the loop by itself."""
        if self._thread.ident is None:
            self._thread.start()
        await asyncio.shield(self._ended)

    def stop(self) -> None:
        """Ask the loop to hand back and end; `run` then returns."""
        if self._loop is not None:
            # The loop may have ended by itself a moment ago.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._control.stop)

    def _work(self) -> None:
        if self._real_time:
            schedule_real_time()
        try:
            with asyncio.Runner(loop_factory=control_event_loop) as runner:
                runner.run(self._tick())
        except BaseException as error:  # whatever ended the loop has to reach the main thread
            self._main.call_soon_threadsafe(self._ended.set_exception, error)
        else:
            self._main.call_soon_threadsafe(self._ended.set_result, None)

    async def _tick(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._control.run()


async def _serve(controller: Controller) -> None:
    server, stop = Server(controller), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    site, notifier = controller.site, Notifier()
    thread = ControlThread(controller)
    keeper = GarbageKeeper(controller.statistics.pause, len(controller.controls))
    watchdog, vitals = Watchdog(notifier, controller.loop.slots), Vitals(controller.loop.names)

    def pulse(slot: int) -> None:
        watchdog.pulse(slot)
        vitals.pulse(slot)

    controller.loop.pulse, controller.loop.tidy = pulse, keeper.pulse
    controller.loop.tracing = open_tracing(site.tables.tracing, site.tables.controller.name)
    await server.start()
    controller.audit.append([Entry("started", 0, "", "controller", {"site": str(site.path.name)})])
    supervisor = Supervisor(
        (
            Service("control", thread.run, Rule.END),
            Service("gRPC server", server.run, Rule.END),
            Service(
                "housekeeping", lambda: controller.housekeeping.run(server.certificate_alarm), Rule.RESTART
            ),
            Service("vitals", lambda: watch(vitals, controller.alarms, server.tell_health), Rule.RESTART),
            Service("memory", lambda: _keep_memory(keeper), Rule.RESTART),
            *_v2x(controller),
        ),
        controller.alarms,
    )
    keeper.settle()
    trim()
    with _metrics(controller) as metrics, _announced(site, server.address, metrics):
        log.info(
            "serving",
            address=server.address,
            metrics=metrics,
            junctions=len(controller.controls),
            rate=controller.clock.rate,
        )
        notifier.tell(STATUS=f"serving {len(controller.controls)} junctions on {server.address}")
        try:
            await supervisor.run(stop)
        finally:
            notifier.tell(STOPPING=1)
            await _drain(controller, server, thread)
            keeper.resume()
            controller.loop.tracing.close()
    log.info("stopped")


async def _drain(controller: Controller, server: Server, thread: ControlThread) -> None:
    """Say that we go, hand every cabinet back, and only then shut the door."""
    log.info("draining")
    await server.drain()
    await asyncio.sleep(controller.site.tables.controller.drain_s)
    thread.stop()
    # What ended control by itself is reported by who supervises it.
    with contextlib.suppress(Exception):
        await thread.run()
    await server.stop(GRACE_S)
    _leave_statistics(controller)


def _v2x(controller: Controller) -> list[Service]:
    """The roadside unit's socket where the site file asks for it; only then is its library looked for."""
    tables = controller.site.tables
    if tables.v2x is None:
        return []
    from stopline_controller.v2x.inlet import Inlet, check_extra

    check_extra()
    inlet = Inlet(tables.v2x, controller.reports, silence=tables.priority.report_timeout_s)
    return [Service("V2X inlet", inlet.run, Rule.RESTART)]


def _metrics(controller: Controller) -> contextlib.AbstractContextManager[str]:
    """Serve metrics where the site file asks for them; only then is their library loaded."""
    table = controller.site.tables.metrics
    if table is None:
        return contextlib.nullcontext("")
    from stopline_controller.metrics import metrics_server

    return metrics_server(controller, table)


async def _keep_memory(keeper: GarbageKeeper) -> None:
    while True:
        await asyncio.sleep(1)
        keeper.step()


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


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
def _announced(site: Site, address: str, metrics: str) -> Generator[None]:
    """Leave the addresses for programs that started this one with port 0."""
    path = site.state_dir / "serving.json"
    text = json.dumps({"address": address, "metrics": metrics, "pid": os.getpid()}) + "\n"
    if not write_whole(path, text):
        _remove(path)  # what an earlier life left there is wrong by now
    try:
        yield
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    # A disk that may only be read keeps the file; nobody's control depends on it.
    with contextlib.suppress(OSError):
        path.unlink()


def _leave_statistics(controller: Controller) -> None:
    from google.protobuf.json_format import MessageToDict

    message = statistics_message(controller.statistics, controller.clock.rate)
    table = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    # 64-bit counters are text in protobuf's JSON; here they are numbers.
    numbers = {name: int(value) if isinstance(value, str) else value for name, value in table.items()}
    write_whole(controller.site.state_dir / "statistics.json", json.dumps(numbers, indent=2) + "\n")
