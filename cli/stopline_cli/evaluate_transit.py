"""`stopline evaluate --transit`: what priority does for late buses and to everybody else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stopline_cli.arms import Shown, keep_and_show

if TYPE_CHECKING:
    from stopline_envs.scenario import Scenario

SHOWN: Shown = {
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
    table = found.to_table()
    keep_and_show(
        table,
        out / "transit.json",
        shown=SHOWN,
        counts=("grants",),
        title=f"{scenario.name} under {controller}, {len(seeds)} paired runs, {table['buses']} buses",
        said=f"A bus that has lost {late_s:g} s or more is late. Delays against no priority.",
        as_json=as_json,
    )
