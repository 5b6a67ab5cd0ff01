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
    "reached": ("reached %", 100.0),
    "travel_ratio": ("travel time / free", 1.0),
    "time_loss_s": ("time loss s", 1.0),
    "without_stop": ("junctions without stop %", 100.0),
    "side": ("crossed junctions %", 100.0),
    "network": ("network delay %", 100.0),
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
        "reached: within 1.15 of the free travel time, or 70 % of the time loss gone; crossed junctions and "
        f"network: the others' loss against no priority. Wrote {out / 'emergency.json'}"
    )
    if any(figures["violations"] for figures in table["arms"].values()):
        typer.echo("error: the conflict monitor saw violations", err=True)
        raise typer.Exit(1)


def _row(arm: str, figures: dict[str, Any]) -> dict[str, object]:
    cells: dict[str, object] = {"arm": arm, "vehicles": figures["vehicles"]}
    for name, (label, factor) in SHOWN.items():
        mean, (low, high) = figures[name]["mean"], figures[name]["ci95"]
        cells[label] = f"{factor * mean:.1f} ({factor * low:.1f} to {factor * high:.1f})"
    return {**cells, "violations": figures["violations"]}
