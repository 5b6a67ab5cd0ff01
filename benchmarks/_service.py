"""A controller as `stopline serve` runs it, watched and scraped, and what its control did meanwhile.

Everything is on that is on in the field: the gRPC server behind mutual TLS, housekeeping, the audit log, the
event log, metrics, and collections as the service keeps them.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks._watcher import watching
from stopline_controller.assembly import Controller
from stopline_controller.dev_ca import write_dev_certificates
from stopline_controller.identity import Role
from stopline_controller.serve import run

WATCHED = 50
"""Junctions whose states somebody watches."""
START_S = 120.0


def write_service(folder: Path) -> dict[str, Any]:
    """Write certificates; returns the tables of a site that serves, with metrics."""
    write_dev_certificates(folder, [], [("client", Role.ENGINEER)], datetime.timedelta(days=1))
    tls = {"certificate": "controller.pem", "key": "controller.key", "client_ca": "ca.pem"}
    return {"controller": {"listen": "127.0.0.1:0", "tls": tls}, "metrics": {"port": 0}}


def served(
    controller: Controller,
    warm_s: float,
    seconds: float,
    *,
    core: int = -1,
    meanwhile: contextlib.AbstractContextManager[object] | None = None,
    after: Callable[[], None] | None = None,
) -> dict[str, float]:
    """Serve, in the main thread, and be watched from `core`; figures of `seconds` after the warm-up.

    `meanwhile` is entered for these seconds; `after` is called at their end, control still running.
    """
    found: dict[str, float] = {}
    problem: list[BaseException] = []

    def observe() -> None:
        try:
            where = _announced(controller)
            folder = controller.site.path.parent
            watched = min(WATCHED, len(controller.controls))
            with watching(where["address"], where["metrics"], folder, watched, core) as watcher:
                time.sleep(warm_s)
                with meanwhile or contextlib.nullcontext():
                    found.update(_measured(controller, seconds))
                found.update(watcher.end())
                if after is not None:
                    after()
        except BaseException as error:
            problem.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=observe)
    thread.start()
    try:
        run(controller)
    finally:
        controller.close()
        thread.join()
    if problem:
        raise problem[0]
    return found


def _announced(controller: Controller) -> dict[str, Any]:
    path, deadline = controller.site.state_dir / "serving.json", time.monotonic() + START_S
    while not path.exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{path} is not there: the controller did not start")
        time.sleep(0.05)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _measured(controller: Controller, seconds: float) -> dict[str, float]:
    statistics = controller.statistics
    ticks, decisions, late = statistics.ticks, statistics.decisions_audited, statistics.late_ticks
    statistics.lateness.samples.clear()
    statistics.slot.samples.clear()
    began, used = time.monotonic(), cpu()
    time.sleep(seconds)
    took = time.monotonic() - began
    return {
        "seconds": took,
        "ticks_per_s": (statistics.ticks - ticks) / took,
        "decisions": statistics.decisions_audited - decisions,
        "decisions_per_s": (statistics.decisions_audited - decisions) / took,
        "late_ticks": statistics.late_ticks - late,
        "cpu_share": (cpu() - used) / took,
        "lateness_ms_p50": statistics.lateness.percentile(0.5),
        "lateness_ms_p99": statistics.lateness.percentile(0.99),
        "lateness_ms_p999": statistics.lateness.percentile(0.999),
        "done_ms_p99": statistics.slot.percentile(0.99),
    }


def cpu() -> float:
    """Seconds on the processor of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
