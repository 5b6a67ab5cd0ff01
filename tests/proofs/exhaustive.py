"""Run the exhaustive search over every small junction: `python -m tests.proofs.exhaustive`.

Every conflict graph on one to four groups (18 up to isomorphism), the real engine and guard, tick by tick,
with all requests at every tick: keep, each stage, all red, and stages that do not exist. Intervals are 1 to 3
ticks, max red 10. Each state carries what an independent checker (`lamp_rules`) knows of the lamps' history.

* `raw`: every request straight to the engine, starts out of all red among them; also with a permissive turn,
  an on-demand crossing, and both; safety, and from every state every stage can still be reached.
* `guarded`: engine and guard, any subset of calls at every tick; all of the above, and every held call is
  served within the promise (`bounds`), whatever is asked.
* `paced`: engine and guard as the simulator runs them, a decision every one to three ticks; safety and the
  same promise.

The whole product does not fit into minutes on one core. What is left out, and why little is lost by it:

* Stages are the maximal compatible sets, with a permissive turn also those it joins: a smaller stage asks of
  the engine only what a larger one does while some of its groups are already red.
* Isomorphic junctions, and turns or crossings that a symmetry of the graph maps to each other, run once.
* A state is moved to one time, and what can matter no more is forgotten (`Search.normal`).
* All 27 combinations of green, change and clearance run on up to three groups; on four, nine that contain
  each pair of values of two intervals. Both also run `mixed`: other intervals for every group and pair.
* The guard decides on who waits and what is legal, not on how long intervals are: `guarded` and `paced` run
  three combinations and `mixed`; `guarded` runs four groups without turns and crossings, one tick each, and
  `paced` four groups with everybody calling, the worst for who waits.

Finished searches are kept in `runs/exhaustive` while the code of search and rule book stays the same: a
stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, product
from pathlib import Path
from typing import Any, NamedTuple

from stopline_signals import SignalPlan
from tests.proofs._kept import Kept
from tests.proofs._result import Stopwatch, write_result
from tests.proofs._table import ROOT
from tests.proofs.bounds import promises
from tests.proofs.graphs import Edges, Times, conflict_graphs, crossing, mixed, orbits, permissive, plain
from tests.proofs.liveness import longest_waits, stuck
from tests.proofs.search import Search, Unsafe

EVERY_TIME = tuple(Times(*times) for times in product((1, 2, 3), (1, 2, 3), (0, 1, 2)))
NINE_TIMES = tuple(time for n, time in enumerate(EVERY_TIME) if n % 3 == (n // 3 + n // 9) % 3)
FEW_TIMES = (Times(1, 1, 1), Times(2, 1, 1), Times(3, 2, 1))
PARTS = ("paced", "raw", "guarded")
PROVEN = ("engine", "transition", "guard", "plan", "events")
"""The modules of the rule book that a search runs."""
SEARCH = ("exhaustive", "search", "graphs", "bounds", "liveness", "lamp_rules")


class Job(NamedTuple):
    """One search: a plan, the calls it meets, and how requests reach the engine."""

    part: str
    kind: str
    plan: SignalPlan
    calls: tuple[int, ...]
    guarded: bool
    every: int = 0


class Result(NamedTuple):
    """What one search found; `waits` and `promised` are in ticks, the longest over all groups."""

    states: int
    edges: int
    waits: int
    promised: int
    cpu_seconds: float = 0.0


class Broken(AssertionError):
    """A search found a deadlock, or a wait that is longer than promised."""


def jobs(part: str) -> Iterator[Job]:
    """The searches of one part, small ones first."""
    for count, edges in conflict_graphs(4):
        for times in (*EVERY_TIME, None):
            yield from _jobs(part, count, edges, times)


def variants(count: int, edges: Edges, times: Times | None) -> Iterator[tuple[str, SignalPlan]]:
    """The junctions of one graph: plain, a turn, a crossing, both; None stands for mixed intervals."""
    uniform = times or Times(1, 1, 1)
    turns = list(orbits(count, edges, [turn for i, j in sorted(edges) for turn in ((i, j), (j, i))]))
    plans = [("plain", plain(count, edges, uniform))]
    plans += [("turn", permissive(count, edges, uniform, (turn[0], turn[1]))) for turn in turns]
    for (walk,) in orbits(count, edges, [(group,) for group in range(count)]):
        plans.append(("crossing", crossing(plain(count, edges, uniform), walk)))
    for turn in turns:
        for walk in set(range(count)) - set(turn):
            plan = permissive(count, edges, uniform, (turn[0], turn[1]))
            plans.append(("turn+crossing", crossing(plan, walk)))
    for kind, plan in plans:
        yield kind, plan if times else mixed(plan)


def check(job: Job) -> Result:
    """Run one search and judge it.

    Raises:
        Unsafe: a state breaks a rule of the street.
        Broken: a stage cannot be reached any more, or a call can wait longer than promised.
    """
    search = Search(job.plan, job.calls, guarded=job.guarded, every=job.every)
    found = search.run()
    if not job.every:
        lost = stuck(job.plan, found)
        if lost:
            raise Broken(f"{job.plan.junction} {job.kind}: {lost[0]}")
    promised = max(promises(job.plan, job.every))
    if not job.guarded:
        return Result(len(found.nodes), len(found.sources), 0, promised)
    waits = longest_waits(job.plan, found, job.every)
    for group, (wait, promise) in enumerate(zip(waits, promises(job.plan, job.every), strict=True)):
        if wait is None or wait > promise:
            raise Broken(f"{job}: group {group} can wait {wait} ticks, promised are {promise}")
    return Result(len(found.nodes), len(found.sources), max(wait or 0 for wait in waits), promised)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all parts, or a sample of them, print the counts per graph and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, help="write the result here, e.g. tests/proofs/results/exhaustive.json"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="only N searches, drawn with --seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "exhaustive", help="where to work")
    options = parser.parse_args(arguments)
    stopwatch = Stopwatch(tuple(map(str, proven())))
    sampled = options.sample is not None
    work = [
        (part, sample(part, options.sample, options.seed) if sampled else list(jobs(part))) for part in PARTS
    ]
    rows: list[dict[str, Any]] = []
    kept = None if sampled else Kept(options.folder, proven())
    gc.disable()  # millions of tuples and no cycles: looking for some takes a third of the time
    try:
        for part, chosen in work:
            for row in _run(part, chosen, kept):
                rows.append(row)
                if options.out:
                    _write(options.out, stopwatch, rows, {part: len(chosen) for part, chosen in work})
    except (Unsafe, Broken) as problem:
        print(f"BROKEN: {problem}")
        return 1
    finally:
        gc.enable()
    total = _total(rows)
    said = "all: {searches} searches, {states} states, {edges} edges, {cpu_seconds:.0f} s of CPU".format(
        **total
    )
    print(f"{said}: safe, live, and nobody waits longer than promised")
    return 0


def proven() -> list[Path]:
    """The files that decide what a search finds."""
    return [
        *(ROOT / "signals" / "stopline_signals" / f"{name}.py" for name in PROVEN),
        *(ROOT / "tests" / "proofs" / f"{name}.py" for name in SEARCH),
    ]


def _total(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    counts = {key: sum(row[key] for row in rows) for key in ("searches", "states", "edges")}
    return {**counts, "cpu_seconds": round(sum(row["cpu_seconds"] for row in rows), 1)}


def _write(out: Path, stopwatch: Stopwatch, rows: Sequence[dict[str, Any]], planned: dict[str, int]) -> None:
    """Write what is known so far; `complete` says whether it is all."""
    total = _total(rows)
    parts = {
        part: {**_total([row for row in rows if row["part"] == part]), "planned": count}
        for part, count in planned.items()
    }
    complete = total["searches"] == sum(planned.values())
    graphs = sum(1 for _ in conflict_graphs(4))
    figures = {"complete": complete, "graphs": graphs, **total, "parts": parts, "rows": list(rows)}
    write_result(out, "python -m tests.proofs exhaustive", stopwatch, figures)


def sample(part: str, count: int, seed: int) -> list[Job]:
    """Some of the searches of a part, none of the large ones."""
    small = [job for job in jobs(part) if len(job.plan.groups) < 4 or job.every or not job.guarded]
    chosen = random.Random(seed).sample(small, min(count, len(small)))
    return sorted(chosen, key=lambda job: job.plan.junction)


def _jobs(part: str, count: int, edges: Edges, times: Times | None) -> Iterator[Job]:
    everybody = (1 << count) - 1
    subsets = tuple(range(everybody + 1))
    if part == "raw" and (count < 4 or times is None or times in NINE_TIMES):
        for kind, plan in variants(count, edges, times):
            walks = sum(1 << g for g, group in enumerate(plan.groups) if group.on_demand)
            yield Job(part, kind, plan, tuple(sorted({calls & walks for calls in subsets})), False)
    elif part == "guarded" and count < 4 and (times is None or times in FEW_TIMES):
        for kind, plan in variants(count, edges, times):
            yield Job(part, kind, plan, subsets, True)
    elif part == "guarded" and times == FEW_TIMES[0]:
        yield Job(part, "plain", plain(count, edges, times), subsets, True)
    elif part == "paced" and (times is None or times in FEW_TIMES):
        for kind, plan in variants(count, edges, times):
            for calls, every in product(subsets[1:] if count < 4 else (everybody,), (1, 2, 3)):
                yield Job(part, kind, plan, (calls,), True, every)


def _checked(job: Job, kept: Kept | None) -> Result:
    """What an earlier run found of this search, or what it finds now."""
    known = kept.get(job) if kept else None
    if known:
        return Result(**known)  # type: ignore[arg-type]  # a kept row has the fields of a result
    began = time.process_time()
    found = check(job)
    found = found._replace(cpu_seconds=time.process_time() - began)
    if kept:
        kept.put(job, found._asdict())
    return found


def _run(part: str, chosen: Iterable[Job], kept: Kept | None) -> Iterator[dict[str, Any]]:
    """One row per graph, printed as soon as the searches of the graph are done."""
    for graph, searches in groupby(chosen, key=lambda job: job.plan.junction):
        results = [_checked(job, kept) for job in searches]
        longest = max(results, key=lambda result: result.waits)
        row = {
            "part": part,
            "graph": graph,
            "searches": len(results),
            "states": sum(result.states for result in results),
            "edges": sum(result.edges for result in results),
            "longest_wait": longest.waits,
            "promised": longest.promised if longest.waits else 0,
            "cpu_seconds": round(sum(result.cpu_seconds for result in results), 2),
        }
        waits = ", longest wait {longest_wait} of {promised} ticks" if longest.waits else ""
        text = "{part:8} {graph:15} {searches:5} searches {states:8} states {edges:9} edges" + waits
        print(text.format(**row), flush=True)
        yield row


if __name__ == "__main__":
    sys.exit(main())
