"""Make the policy table: all controllers on RESCO's eight maps, then what bad sensors and other demand do."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import _commit
from benchmarks._policies.runs import CHANGES, POLICY, Kept, Task, describe, run_all
from benchmarks._policies.table import CONTROLLERS, Runs, bar, cell, verdict
from stopline_agents.statistics import estimate
from stopline_policy.bundle import SHIPPED, read_bundle
from stopline_policy.manifest import MODEL_FILE

ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = ROOT / "benchmarks" / "results" / "policies.json"
MAPS = (
    "cologne1",
    "cologne3",
    "cologne8",
    "ingolstadt1",
    "ingolstadt7",
    "ingolstadt21",
    "grid4x4",
    "arterial4x4",
)
HARD = ("cologne8", "ingolstadt7")
"""Maps on which sensors fail and demand changes."""
HARD_CONTROLLERS = ("actuated", "greedy", "rate-index", POLICY)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the table, print it and write the result file."""
    options = _options(arguments)
    seeds, few = range(1, options.seeds + 1), range(1, min(options.seeds, options.sweep_seeds) + 1)
    bundle = read_bundle(SHIPPED).manifest
    model = bundle.files[MODEL_FILE].sha256
    kept = Kept(options.work / "runs.jsonl", model)
    changes = [change for change in CHANGES if change] if not options.no_sweep else []
    earlier = rules_of(options.rules_from, seeds, few, options.maps, changes) if options.rules_from else {}
    run = [POLICY] if earlier else CONTROLLERS
    tasks = [Task(name, who, seed) for name in options.maps for who in run for seed in seeds]
    hard = [name for name in HARD if name in options.maps]
    tasks += [
        Task(name, who, seed, change)
        for change in changes
        for name in hard
        for who in HARD_CONTROLLERS
        if who in run
        for seed in few
    ]
    run_all(tasks, kept, options.jobs, _tell(time.monotonic()))
    result = {
        "command": "make bench-policies" + (" ARGS=--no-sweep" if options.no_sweep else ""),
        "commit": _commit.head(),
        "bundle": {"name": bundle.name, MODEL_FILE: model},
        "seeds": list(seeds),
        "timing": "the rule book's; every rule decides as often as suits it best on generated networks",
        **({"rules_measured_on": earlier["commit"]} if earlier else {}),
        **maps_of(kept.found, options.maps, seeds, earlier.get("maps", {})),
        "sweep_seeds": list(few),
        "sweep": _sweep(kept.found, hard, ["", *changes] if changes else [], few, earlier.get("sweep", {})),
    }
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show(result)
    return 0


def show(result: dict[str, Any]) -> None:
    """Print the table of a result."""
    console = Console(width=200)
    maps: dict[str, Any] = result["maps"]
    table = Table(title="mean exact delay, s per vehicle (95 % interval over seeds)")
    table.add_column("controller")
    for name in maps:
        table.add_column(name, justify="right")
    for who in CONTROLLERS:
        table.add_row(who, *(_cell(row[who].get("delay_s")) for row in maps.values()))
    verdicts: list[dict[str, Any]] = list(result["verdicts"].values())
    table.add_row("best rule", *(str(judged["best_rule"]) for judged in verdicts))
    table.add_row("policy less best rule", *(_difference(judged) for judged in verdicts))
    table.add_row("policy below greedy", *(f"{100 * judged['below_greedy']:.0f} %" for judged in verdicts))
    console.print(table)
    console.print(result["bar"])


def _difference(judged: dict[str, Any]) -> str:
    low, high = judged["against_best_ci95"]
    return f"{judged['against_best_s']:+.1f} ({low:+.1f} to {high:+.1f})"


def _cell(delay: dict[str, Any] | None) -> str:
    if delay is None:
        return "–"
    low, high = delay["ci95"]
    return f"{delay['mean']:.1f} ({low:.1f} to {high:.1f})"


def rules_of(
    path: Path, seeds: Sequence[int], few: Sequence[int], maps: Sequence[str], changes: Sequence[str]
) -> dict[str, Any]:
    """An earlier result of the same seeds, of which everything but the policy's rows is taken over."""
    earlier: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if earlier["seeds"] != list(seeds):
        raise SystemExit(f"{path}: its seeds are {earlier['seeds']}; pairs need the same, {list(seeds)}")
    if changes and earlier["sweep_seeds"] != list(few):
        raise SystemExit(f"{path}: its sweep has seeds {earlier['sweep_seeds']}; pairs need {list(few)}")
    missing = [name for name in maps if name not in earlier["maps"]]
    missing += [change for change in changes if change not in earlier["sweep"]]
    if missing:
        raise SystemExit(f"{path}: has no rules for {', '.join(missing)}; run them without --rules-from")
    return earlier


def maps_of(
    runs: Runs, maps: Sequence[str], seeds: Sequence[int], earlier: Mapping[str, Any]
) -> dict[str, Any]:
    rows = {
        name: {
            who: earlier[name][who] if earlier and who != POLICY else cell(runs, name, who, seeds)
            for who in CONTROLLERS
        }
        for name in maps
    }
    verdicts = {name: verdict(row) for name, row in rows.items()}
    return {
        "maps": rows,
        "verdicts": {
            name: {
                "best_rule": found.best_rule,
                "against_best_s": found.against_best.mean,
                "against_best_ci95": [found.against_best.low, found.against_best.high],
                "not_worse": found.not_worse,
                "below_greedy": found.below_greedy,
                "served": found.served,
            }
            for name, found in verdicts.items()
        },
        "bar": bar(verdicts),
    }


def _sweep(
    runs: Runs, maps: Sequence[str], changes: Sequence[str], seeds: Sequence[int], earlier: Mapping[str, Any]
) -> dict[str, Any]:
    def delay(name: str, who: str, change: str) -> dict[str, Any]:
        if earlier and who != POLICY:
            found: dict[str, Any] = earlier[change]["maps"][name][who]
            return found
        return estimate([runs[Task(name, who, seed, change).key]["delay_s"] for seed in seeds]).to_table()

    return {
        change: {
            "conditions": describe(change),
            "maps": {name: {who: delay(name, who, change) for who in HARD_CONTROLLERS} for name in maps},
        }
        for change in changes
    }


def _tell(began: float) -> Any:
    def tell(done: int, total: int) -> None:
        left = (time.monotonic() - began) / max(done, 1) * (total - done) / 60
        print(f"\r{done} of {total} runs, about {left:.0f} min left ", end="", file=sys.stderr, flush=True)

    return tell


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks._policies", description=__doc__)
    parser.add_argument(
        "--maps", type=lambda text: text.split(","), default=list(MAPS), help="comma separated"
    )
    parser.add_argument("--seeds", type=int, default=5, help="paired seeds per cell")
    parser.add_argument(
        "--sweep-seeds", type=int, default=5, help="of those, for faults, demand and RESCO's rules"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="simulations at once")
    parser.add_argument("--no-sweep", action="store_true", help="leave out faults, demand and RESCO's rules")
    parser.add_argument(
        "--rules-from", type=Path, help="a result file: run the policy alone, take the rules' rows from there"
    )
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "bench-policies", help="kept runs")
    parser.add_argument("--json", type=Path, default=RESULT, help="result file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
