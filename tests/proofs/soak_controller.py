"""Run a controller for an hour at twenty times the speed: `python -m tests.proofs.soak_controller`.

A `stopline serve` process on a clock of rate 20 holds two virtual Modbus cabinets while states are watched,
decisions are asked for, operators take over and hand back, vehicles ask for green, and policies come and go.
Its resident memory is sampled; the claim is that a line through the lowest samples of the tenths of the
second half does not rise by more than a megabyte an hour. Violations and the audit chain are judged as in the
fault table.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stopline_signals.detectors import DetectorReading
from tests.controller.bench import ServeProcess
from tests.proofs._result import Stopwatch, write_result
from tests.proofs.controller_rig import INTERVAL_S, Outcome, Rig, rss_mib
from tests.proofs.soak_clients import CLIENTS, Client

COMMAND = "python -m tests.proofs.soak_controller"
RATE = 20.0
LIMIT_S = 10.0
"""Of the heartbeat, on the cabinets' clock: half a real second."""
SETTLING = 0.5
"""Share of the run at its beginning that does not count: caches and the allocator's pools fill."""
PARTS = 10
"""Of the run. Its lowest sample stands for each: what calls leave behind lives until the next look for it."""
MOST_MIB_PER_HOUR = 1.0
SAMPLES = 720
"""Over the whole run."""


JUDGED = ("violations", "plans_accepted", "audit_records", "chain_intact", "records_lost")


def soak(folder: Path, seconds: float) -> dict[str, Any]:
    """Run for so many real seconds; returns the figures."""
    with Rig(folder, LIMIT_S, RATE) as rig:
        rig.versions.greedy("twin", INTERVAL_S)
        site = rig.site(controller=f"clock_rate = {RATE}", extra="[limits]\ncalls_per_s = 1000", direct=True)
        with ServeProcess(site) as server:
            rig.until_remote("remote control")
            stop = threading.Event()
            clients = {name: Client(work, server, rig, stop) for name, work in CLIENTS.items()}
            try:
                samples = _sample(server, rig, seconds)
            finally:
                stop.set()
            done = {name: client.ended() for name, client in clients.items()}
        judged = rig.judged(Outcome("under control"))
    return {
        "clock_rate": RATE,
        "real_seconds": round(seconds),
        "clock_hours": round(seconds * RATE / 3600, 2),
        **trend(samples, seconds),
        **{name: judged[name] for name in JUDGED},
        "done": done,
    }


def trend(samples: Sequence[tuple[float, float]], seconds: float) -> dict[str, Any]:
    """How memory (MiB) went over the real seconds of a run: a line through the floors of its second half."""
    memory = [mib for _, mib in samples]
    parts = [[mib for at, mib in samples if int(at * PARTS / seconds) == part] for part in range(PARTS)]
    # A machine that stands still for a whole part leaves it without a sample.
    floors = [min(part) for part in parts if part]
    settled = floors[round(SETTLING * len(floors)) :]
    slope = float(np.polyfit(range(len(settled)), settled, 1)[0]) * len(floors) / seconds * 3600
    return {
        "mib_per_hour": round(slope, 2),
        "mib_lowest_by_tenths": [round(floor, 1) for floor in floors],
        "mib_most": round(max(memory), 1),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak; 0 when memory is flat and nothing else was wrong."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="real minutes")
    parser.add_argument("--out", type=Path, help="where the figures go (JSON)")
    options = parser.parse_args(arguments)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        figures = soak(Path(folder), options.minutes * 60)
    for name, value in figures.items():
        print(f"{name:16} {value}")
    problems = verdict(figures)
    print("BROKEN: " + "; ".join(problems) if problems else "flat")
    if options.out and not problems:
        write_result(options.out, COMMAND, watch, figures)
    return 1 if problems else 0


def verdict(figures: dict[str, Any], most: float = MOST_MIB_PER_HOUR) -> list[str]:
    """What does not hold."""
    found = []
    if figures["mib_per_hour"] > most:
        found.append(f"memory rises by {figures['mib_per_hour']} MiB an hour")
    if figures["violations"] or figures["records_lost"] or not figures["chain_intact"]:
        found.append("violations, or an audit that is not whole")
    if idle := [name for name, count in figures["done"].items() if not count]:
        found.append(f"did nothing: {', '.join(idle)}")
    return found


def _sample(server: ServeProcess, rig: Rig, seconds: float) -> list[tuple[float, float]]:
    """Memory over time, with traffic that changes meanwhile."""
    dice, began = random.Random(6), time.monotonic()
    samples: list[tuple[float, float]] = []
    while (elapsed := time.monotonic() - began) < seconds:
        if elapsed >= len(samples) * seconds / SAMPLES:
            samples.append((elapsed, rss_mib(server.process.pid)))
        for cabinet in rig.bench.cabinets.values():
            readings = [_reading(dice) for _ in cabinet.plan.detectors]
            rig.bench._loop.call_soon_threadsafe(cabinet.set_readings, readings)
        time.sleep(0.2)
    return samples


def _reading(dice: random.Random) -> DetectorReading:
    vehicles = dice.choice((0, 0, 1, 2, 4))
    return DetectorReading(vehicles, dice.randint(0, vehicles))


if __name__ == "__main__":
    sys.exit(main())
