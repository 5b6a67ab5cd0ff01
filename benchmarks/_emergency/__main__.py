"""Make the emergency table: three arms on paired seeds, at the peak of three networks."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import _commit
from benchmarks._emergency.verdicts import COLUMNS, verdicts
from stopline_agents.emergency import Arm
from stopline_agents.emergency_figures import ArmFigures
from stopline_agents.emergency_table import compare_arms, summary
from stopline_envs.scenario import load_scenario
from stopline_policy.bundle import SHIPPED, read_bundle
from stopline_policy.manifest import MODEL_FILE

ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = ROOT / "benchmarks" / "results" / "emergency.json"
WINDOWS = {"arterial": (600, 2100), "cologne8": (25_800, 27_300), "ingolstadt21": (58_200, 59_700)}
"""Seconds of each scenario: 25 minutes of its peak hold three vehicles and their consequences."""
EVERY_S = 300
Kept = dict[str, dict[Arm, ArmFigures]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not kept, print the table and write the result file."""
    options = _options(arguments)
    work: Path = options.work / f"{_digest(options.controller)}.jsonl"
    kept = _read(work)
    seeds = range(1, options.seeds + 1)
    free: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in options.maps}
    # Seed by seed over all maps, so that a table of what is there so far is a table of all maps.
    for seed in seeds:
        for name in options.maps:
            if _key(name, seed) not in kept and not options.table_only:
                scenario = load_scenario(name).between(*WINDOWS[name])
                found = compare_arms(scenario, options.controller, seed, EVERY_S, free[name])
                kept[_key(name, seed)] = found
                _append(work, _key(name, seed), found)
                print(f"{name} seed {seed} of {options.seeds}", file=sys.stderr, flush=True)
    result = _result(options, kept, seeds)
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show(result)
    return 0


def show(result: Mapping[str, Any]) -> None:
    """Print the table of a result, then which bars hold."""
    console = Console(width=None if sys.stdout.isatty() else 170)
    for name, found in result["maps"].items():
        table = Table(
            "", *found["arms"], title=f"{name}, {found['runs']} paired runs, {found['vehicles']} vehicles"
        )
        for column in COLUMNS:
            table.add_row(column.title, *(column.cell(row) for row in found["arms"].values()))
        console.print(table)
        for bar in found["bar"]:
            console.print(
                f"  {'holds' if bar['holds'] else 'NOT reached'}: {bar['figure']}: {bar['value']:.3g}"
            )


def _result(options: argparse.Namespace, kept: Kept, seeds: Sequence[int]) -> dict[str, Any]:
    maps: dict[str, Any] = {}
    for name in options.maps:
        runs = [kept[_key(name, seed)] for seed in seeds if _key(name, seed) in kept]
        if not runs:
            continue
        arms = {str(arm): summary([run[arm] for run in runs]) for arm in Arm}
        maps[name] = {
            "window_s": list(WINDOWS[name]),
            "runs": len(runs),
            "vehicles": arms[Arm.PRIORITY]["vehicles"],
            "arms": arms,
            "bar": verdicts(arms),
        }
    return {
        "command": "make bench-emergency"
        + (f" ARGS='--controller {options.controller}'" if options.controller != CONTROLLER else ""),
        "commit": _commit.head(),
        "controller": options.controller,
        **({"bundle": _digest(options.controller)} if options.controller == "bundle" else {}),
        "every_s": EVERY_S,
        "red_running": "off in every arm: SUMO's bluelight device is not used, and nobody makes way",
        "free_flow": "the same vehicle on the same way, empty network, all signals green",
        "maps": maps,
    }


CONTROLLER = "actuated"


def _key(name: str, seed: int) -> str:
    return f"{name} {WINDOWS[name][0]}-{WINDOWS[name][1]} every {EVERY_S} seed {seed}"


def _digest(controller: str) -> str:
    """The controller by name; a bundle by the hash of its model, so that another one is run anew."""
    if controller != "bundle":
        return "".join(letter if letter.isalnum() else "_" for letter in controller)
    return f"bundle-{read_bundle(SHIPPED).manifest.files[MODEL_FILE].sha256[:12]}"


def _read(path: Path) -> Kept:
    if not path.is_file():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["key"]: {Arm(arm): ArmFigures(**found) for arm, found in row["arms"].items()} for row in rows}


def _append(path: Path, key: str, found: Mapping[Arm, ArmFigures]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    row = {
        "key": key,
        "commit": _commit.head(),
        "arms": {str(arm): asdict(one) for arm, one in found.items()},
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks._emergency", description=__doc__)
    parser.add_argument(
        "--maps", type=lambda text: text.split(","), default=list(WINDOWS), help="comma separated"
    )
    parser.add_argument("--seeds", type=int, default=30, help="paired runs per map")
    parser.add_argument(
        "--controller", default=CONTROLLER, help="the control without priority, as in evaluate"
    )
    parser.add_argument("--table-only", action="store_true", help="make the table of the runs that are kept")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "bench-emergency", help="kept runs")
    parser.add_argument("--json", type=Path, default=RESULT, help="result file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
