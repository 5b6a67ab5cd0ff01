"""`stopline evaluate --emergency`: what priority does for emergency vehicles and to everybody else."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from stopline_cli.output import print_json, print_table

if TYPE_CHECKING:
    from stopline_envs.scenario import Scenario

SHOWN = {
    "travel_ratio": ("travel time / free", 1.0, 2),
    "near_free": ("within 1.15 %", 100.0, 0),
    "loss_saved": ("time loss saved %", 100.0, 0),
    "without_stop": ("junctions without stop %", 100.0, 0),
    "green_lead_s": ("green before it s", 1.0, 0),
    "side": ("crossed junctions %", 100.0, 1),
    "added_per_crossing_s": ("added per crossing veh s", 1.0, 0),
    "network": ("network delay %", 100.0, 1),
    "recovered": ("recovered in 2 cycles %", 100.0, 0),
}


def run(
    scenario: Scenario,
    controller: str,
    seeds: Sequence[int],
    every: int,
    jobs: int,
    out: Path,
    as_json: bool,
) -> None:
    """Run all arms, print the table with its intervals and write ``emergency.json``."""
    from stopline_agents.emergency_table import evaluate_emergency
    from stopline_cli.evaluate import progress

    with progress(len(seeds)) as advance:
        found = evaluate_emergency(scenario, controller, seeds, every_s=every, jobs=jobs, on_run=advance)
    table: dict[str, Any] = {**found.to_table(), "command": shlex.join(["stopline", *sys.argv[1:]])}
    out.mkdir(parents=True, exist_ok=True)
    (out / "emergency.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json(table)
        return
    title = f"{scenario.name} under {controller}, {len(seeds)} paired runs, a vehicle every {every} s"
    print_table([_row(arm, figures) for arm, figures in table["arms"].items()], title=title)
    typer.echo(
        "Crossed junctions (1 min before to 5 after) and network: the others' loss against no priority. "
        f"Wrote {out / 'emergency.json'}"
    )
    if any(figures["violations"] for figures in table["arms"].values()):
        typer.echo("error: the conflict monitor saw violations", err=True)
        raise typer.Exit(1)


def _row(arm: str, figures: dict[str, Any]) -> dict[str, object]:
    cells: dict[str, object] = {"arm": arm, "vehicles": figures["vehicles"]}
    for name, (label, factor, digits) in SHOWN.items():
        mean, (low, high) = figures[name]["mean"], figures[name]["ci95"]
        cells[label] = "{:.{d}f} ({:.{d}f} to {:.{d}f})".format(
            factor * mean, factor * low, factor * high, d=digits
        )
    return {**cells, "violations": figures["violations"]}
