"""Many cabinets over real Modbus TCP: virtual PLCs in one process and core, the controller in another.

The controller serves and is watched as in the field; who watches has the core of the PLCs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks._city import write_city
from benchmarks._service import cpu, served, write_service
from stopline_controller.assembly import Controller, assemble
from stopline_controller.site import read_site
from stopline_hil.clock import RunningClock
from stopline_hil.example import crossroads
from stopline_hil.modbus_plc import PlcCabinet

TICK_S = 0.1
WARM_S = 8.0
SLICES = 20
"""The PLCs tick in so many groups, spread over a tick, as devices of their own would."""


async def plcs(count: int) -> None:
    """Run PLCs until a line is read; prints their ports, and at the end how busy this was."""
    clock = RunningClock()
    cabinets = [PlcCabinet(replace(crossroads(), junction=f"J{n}"), clock) for n in range(count)]
    for cabinet in cabinets:
        await cabinet.start()
    print(json.dumps([cabinet.port for cabinet in cabinets]), flush=True)
    gc.collect()
    gc.freeze()
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    began, used = time.monotonic(), cpu()
    while not ended.done():
        for first in range(SLICES):
            for cabinet in cabinets[first::SLICES]:
                cabinet.tick(clock.tenths())
            await asyncio.sleep(TICK_S / SLICES)
    busy = (cpu() - used) / (time.monotonic() - began)
    violations = sum(len(cabinet.violations) for cabinet in cabinets)
    print(json.dumps({"plc_cpu_share": busy, "violations": violations}), flush=True)
    for cabinet in cabinets:
        await cabinet.stop()


def measure(count: int, seconds: float) -> dict[str, Any]:
    """Figures of the controller, with the busy share of the PLCs' core beside it."""
    command = [sys.executable, "-m", "benchmarks._modbus_city", "plcs", "--junctions", str(count)]
    # What the PLCs need they get first: it is the controller that is measured.
    other = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: _settle(0),  # noqa: PLW1509  # one thread
    )
    assert other.stdin is not None and other.stdout is not None
    _settle(1)
    try:
        ports = json.loads(other.stdout.readline())
        folder = Path(tempfile.mkdtemp(prefix="stopline-modbus-"))
        site = write_city(folder, count, "modbus", 1.0, ports, write_service(folder))
        controller = assemble(read_site(site))
        at_end: dict[str, float] = {}
        found: dict[str, Any] = served(
            controller, WARM_S, seconds, core=0, after=lambda: at_end.update(_cabinets(controller))
        )
        found |= at_end
        other.stdin.write("\n")
        other.stdin.flush()
        found.update(json.loads(other.stdout.readline()))
        return found
    finally:
        other.terminate()
        other.wait(10)


def _cabinets(controller: Controller) -> dict[str, float]:
    """Figures of the links, while they are up."""
    statistics = controller.statistics
    return {
        "missed_reads": sum(junction.late for junction in controller.loop.junctions),
        "plans_refused": statistics.plans_refused,
        "read_ms_p50": statistics.read.percentile(0.5),
        "read_ms_p99": statistics.read.percentile(0.99),
        "online": sum(snapshot.online for snapshot in controller.hub.latest.values()),
    }


def _settle(core: int) -> None:
    os.sched_setaffinity(0, {core})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the PLCs, or measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("plcs", "measure"))
    parser.add_argument("--junctions", type=int, default=250)
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args(arguments)
    if options.what == "plcs":
        import uvloop

        uvloop.run(plcs(options.junctions))
        return
    from stopline_controller.logs import configure_logs

    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        configure_logs(nowhere)
        print(json.dumps(measure(options.junctions, options.seconds)))


if __name__ == "__main__":
    main()
