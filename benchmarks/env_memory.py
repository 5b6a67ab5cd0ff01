"""Whether memory stays flat over hundreds of episodes in one process, SUMO loaded anew for each.

Bare libsumo, started and closed, keeps some 60 bytes of every `<personFlow>` it loads; where the demand has
many of them that is what grows, so the arterial with its thousand is reported and held to nothing.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks._table import Figure, main
from stopline_envs.episodes import Episodes
from stopline_envs.network import plans_of
from stopline_envs.scenario import load_scenario
from stopline_envs.slots import SlotSettings

EPISODES, WARM, WINDOW = 200, 20, 20
"""Episodes in all, those at the beginning left out, and how many make the mean at either end."""
SECONDS = 60
LIMITS_PERCENT = {"cologne8": 2.0, "arterial": None}


def measure() -> Sequence[Figure]:
    """Run 200 short episodes in one process and compare its memory early and late."""
    figures: list[Figure] = []
    for name, limit in LIMITS_PERCENT.items():
        sizes = _sizes(name)
        early = statistics.mean(sizes[WARM : WARM + WINDOW])
        growth = 100.0 * (statistics.mean(sizes[-WINDOW:]) - early) / early
        case = f"{name}, {EPISODES} episodes of {SECONDS} s"
        figures.append(Figure(case, f"resident memory after {WARM} episodes, MB", early))
        figures.append(Figure(case, "growth to the last episodes, %", growth, limit))
    return figures


def _sizes(name: str) -> list[float]:
    """Resident memory after every episode, MB."""
    scenario = load_scenario(name)
    scenario = scenario.between(end=scenario.begin + SECONDS)
    episodes = Episodes(scenario, len(plans_of(scenario).plans), SlotSettings(), 1, 0)
    rng = np.random.default_rng(1)
    sizes: list[float] = []
    try:
        _, masks = episodes.reset()
        while len(sizes) < EPISODES:
            stepped = episodes.step([int(rng.choice(np.flatnonzero(mask))) for mask in masks])
            masks = stepped.masks
            if stepped.dones[0]:
                sizes.append(_resident_mb())
    finally:
        episodes.close()
    return sizes


def _resident_mb() -> float:
    """Of this process alone; Linux."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(row for row in status.splitlines() if row.startswith("VmRSS"))
    return int(line.split()[1]) / 1024.0


if __name__ == "__main__":
    sys.exit(main(measure))
