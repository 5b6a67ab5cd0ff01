"""`stopline evaluate --transit`: what priority does for late buses and to everybody else."""

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
    "bus_delay_s": ("bus delay s", 1.0, 0),
    "bus_delay_saved": ("bus delay saved %", 100.0, 1),
    "others": ("others' delay %", 100.0, 1),
}


def run(
    scenario: Scenario,
    controller: str,
    seeds: Sequence[int],
    late_s: float,
    jobs: int,
    out: Path,
    as_json: bool,
) -> None:
    """Run both arms, print the table with its intervals and write ``transit.json``."""
    from stopline_agents.transit import evaluate_transit
    from stopline_cli.evaluate import progress

    with progress(len(seeds)) as advance:
        found = evaluate_transit(scenario, controller, seeds, late_s=late_s, jobs=jobs, on_run=advance)
    table: dict[str, Any] = {**found.to_table(), "command": shlex.join(["stopline", *sys.argv[1:]])}
    out.mkdir(parents=True, exist_ok=True)
    (out / "transit.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json(table)
        return
    title = f"{scenario.name} under {controller}, {len(seeds)} paired runs, {table['buses']} buses"
    print_table([_row(arm, figures) for arm, figures in table["arms"].items()], title=title)
    typer.echo(
        f"A bus that has lost {late_s:g} s or more is late. Delays against no priority. "
        f"Wrote {out / 'transit.json'}"
    )
    if any(figures["violations"] for figures in table["arms"].values()):
        typer.echo("error: the conflict monitor saw violations", err=True)
        raise typer.Exit(1)


def _row(arm: str, figures: dict[str, Any]) -> dict[str, object]:
    cells: dict[str, object] = {"arm": arm}
    for name, (label, factor, digits) in SHOWN.items():
        mean, (low, high) = figures[name]["mean"], figures[name]["ci95"]
        cells[label] = "{:.{d}f} ({:.{d}f} to {:.{d}f})".format(
            factor * mean, factor * low, factor * high, d=digits
        )
    return {**cells, "grants": figures["grants"], "violations": figures["violations"]}
