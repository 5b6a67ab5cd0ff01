"""`stopline evaluate --emergency`: what priority does for emergency vehicles and to everybody else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stopline_cli.arms import Shown, keep_and_show

if TYPE_CHECKING:
    from stopline_envs.scenario import Scenario

SHOWN: Shown = {
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
    keep_and_show(
        found.to_table(),
        out / "emergency.json",
        shown=SHOWN,
        counts=("vehicles",),
        title=f"{scenario.name} under {controller}, {len(seeds)} paired runs, a vehicle every {every} s",
        said="Crossed junctions (1 min before to 5 after) and network: the others' loss against no priority.",
        as_json=as_json,
    )
