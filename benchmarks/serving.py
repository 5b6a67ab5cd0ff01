"""What the controller costs: decisions over gRPC, ticks, memory, and how many junctions one core carries.

Every part runs in processes of its own, pinned and before other work where the system allows it. They may be
run alone: `python -m benchmarks._rpc measure`, `_decisions`, `_lateness`, `_start`, `_pauses`, `_city`,
`_modbus_city`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks._table import Figure, main

CITY = 1300
CITY_RUNS = 3
"""What a neighbour on the same processor takes from the caches changes from minute to minute: one run took
56 % of a core and the next of the same code 72."""
CORES = ("--core", "1", "--watcher", "0")
NEVER = ("late_ticks", "lost", "watcher_failures")
MODBUS = 250
CHEAP, DEAR = 1.25, 1.6
"""Most that a decision may cost over an empty echo: with a policy of microseconds, and with a dearer one."""
STREAMED = 1.4
RPC = "gRPC over loopback, mutual TLS, against an empty echo"


def measure() -> Sequence[Figure]:
    """Decisions against an empty echo and a bare model, lateness, pauses, start, memory, junctions a core."""
    cores, load = os.cpu_count() or 0, os.getloadavg()[0]
    return [
        Figure("machine", f"load average of other programs before, on {cores} cores", load),
        *_rpc(_part("_rpc", "measure")),
        *_decisions(_part("_decisions")),
        *_lateness(_part("_lateness")),
        *_start(_part("_start")),
        *_pauses(_part("_pauses")),
        *_city([_part("_city", "--junctions", str(CITY), *CORES) for _ in range(CITY_RUNS)]),
        *_modbus(_part("_modbus_city", "measure", "--junctions", str(MODBUS))),
    ]


def _part(name: str, *arguments: str) -> dict[str, Any]:
    """One part's figures; its last line is what it prints."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _rpc(found: Mapping[str, Mapping[str, float]]) -> list[Figure]:
    limits = {
        "cheap observation": (CHEAP, STREAMED),
        "cheap readings": (None, None),
        "shipped readings": (DEAR, None),
    }
    figures: list[Figure] = []
    for case, (unary, stream) in limits.items():
        for kind, limit in (("unary", unary), ("stream", stream)):
            for share in ("p50", "p99"):
                name = f"{kind} decision, {case}, {share} over the echo's"
                figures.append(Figure(RPC, name, found[case][f"{kind}_{share}"], limit))
    echo = found["cheap observation"]
    figures += [
        Figure(RPC, f"{kind} echo, us (median)", echo[f"{kind}_echo_us"]) for kind in ("unary", "stream")
    ]
    return figures


def _decisions(found: Mapping[str, Mapping[str, float]]) -> list[Figure]:
    in_bytes, cadence = found["bytes"], found["cadence"]
    model, at = "shipped policy in process", "shipped policy every 100 ms"
    return [
        Figure(model, "bare model, us (median)", in_bytes["bare_us"]),
        Figure(
            model, "bytes to bytes, packed observation, over the bare model", in_bytes["observation"], 1.5
        ),
        Figure(model, "bytes to bytes, packed readings, over the bare model", in_bytes["readings"]),
        Figure(at, "decision p50 over back to back, warmed before the tick", cadence["warmed"], 1.5),
        Figure(at, "decision p99 over back to back p99, warmed before the tick", cadence["warmed_p99"], 2.0),
        Figure(at, "decision p99 over back to back p50, warmed", cadence["warmed_p99_over_p50"]),
        Figure(at, "back to back p99 over its own p50, at those moments", cadence["warmed_behind"]),
        Figure(at, "decision p50 over back to back, cold", cadence["cold"]),
    ]


def _pauses(found: Mapping[str, float]) -> list[Figure]:
    case = "state of 10,000 junctions, 40,000 decisions"
    figures = [
        Figure(case, "decisions made", found["decisions"], 0.95 * 40_000, at_least=True),
        Figure(case, "worst collection as the controller keeps it, ms", found["kept_ms"], 1.0),
        Figure(
            case,
            "worst by the clock, its wait for other threads and programs included, ms",
            found["kept_waited_ms"],
        ),
        Figure(case, "objects of cycles found by collections", found["kept_objects"]),
    ]
    for generation in range(3):
        count = found[f"kept_collections_{generation}"]
        figures.append(Figure(case, f"collections of generation {generation}", count))
    return [*figures, Figure(case, "worst collection by default, ms", found["by_default_ms"])]


def _lateness(found: Mapping[str, Mapping[str, float]]) -> list[Figure]:
    real, plain = found["real_time"], found["plain"]
    case = "10 junctions, 100 ticks a second"
    return [
        Figure(case, "lateness p99.9, real time, a hog on each core, ms", real["lateness_ms_p999"], 0.4),
        Figure(case, "lateness p50, real time, a hog on each core, ms", real["lateness_ms_p50"]),
        Figure(case, "lateness p99.9, plain, other programs running, ms", plain["lateness_ms_p999"], 3.0),
        Figure(case, "lateness p50, plain, other programs running, ms", plain["lateness_ms_p50"]),
    ]


def _start(found: Mapping[str, float]) -> list[Figure]:
    case = "one junction, mutual TLS, shipped policy"
    return [
        Figure(case, "start to every junction ticked, s", found["ready_s"], 1.0),
        Figure(case, "of that on the processor, s", found["ready_cpu_s"]),
        Figure(case, "resident memory after some decisions, MiB", found["rss_mib"], 90.0),
        Figure(case, "of that its own, not files', MiB", found["rss_own_mib"]),
        Figure(case, "most during the start, MiB", found["rss_peak_mib"]),
    ]


def _city(runs: Sequence[Mapping[str, float]]) -> list[Figure]:
    """Medians of the runs, and the worst where a single one is too many."""
    case = f"{CITY:,} junctions in memory, one process, one core"
    found = {name: median(run[name] for run in runs) for name in runs[0]}
    found |= {name: max(run[name] for run in runs) for name in NEVER}
    return [
        Figure(case, "junction ticks a second", found["ticks_per_s"], CITY * 10 * 0.99, at_least=True),
        Figure(case, "decisions a second", found["decisions_per_s"], CITY * 0.99, at_least=True),
        Figure(case, "processor, share of a core", found["cpu_share"], 0.7),
        Figure(case, f"the most of {len(runs)} runs", max(run["cpu_share"] for run in runs)),
        Figure(case, "lateness p99, ms", found["lateness_ms_p99"], 20.0),
        Figure(case, "due to all done p99, ms", found["done_ms_p99"]),
        Figure(case, "ticks over a period late or left out", found["late_ticks"], 0),
        Figure(case, "plans or leases that ran out", found["lost"], 0),
        Figure(case, "resident memory, MiB", found["rss_mib"]),
        *_watched(case, found),
    ]


def _modbus(found: Mapping[str, float]) -> list[Figure]:
    case = f"{MODBUS} junctions over Modbus TCP, controller on one core, PLCs on the other"
    return [
        Figure(case, "cabinets online at the end", found["online"], MODBUS, at_least=True),
        Figure(case, "junction ticks a second", found["ticks_per_s"], MODBUS * 10 * 0.99, at_least=True),
        Figure(
            case,
            "decisions a second, each a plan taken",
            found["decisions_per_s"],
            MODBUS * 0.99,
            at_least=True,
        ),
        Figure(case, "lateness p99, ms", found["lateness_ms_p99"], 20.0),
        Figure(case, "controller, share of its core", found["cpu_share"], 1.0),
        Figure(case, "PLCs, share of their core", found["plc_cpu_share"]),
        Figure(case, "read there and back p50, ms", found["read_ms_p50"]),
        Figure(case, "lamp violations", found["violations"], 0),
        *_watched(case, found),
    ]


def _watched(case: str, found: Mapping[str, float]) -> list[Figure]:
    """What one got who watched meanwhile."""
    return [
        Figure(case, "states a second, 50 junctions watched", found["states_per_s"], 47.5, at_least=True),
        Figure(case, "scrapes of the metrics meanwhile", found["scrapes"], 2, at_least=True),
        Figure(case, "longest scrape, s", found["scrape_s_longest"]),
        Figure(case, "calls of the watcher that failed", found["watcher_failures"], 0),
    ]


if __name__ == "__main__":
    sys.exit(main(measure))
