"""Whether two workers decide twice as often as one, beside two bare simulations and one on this machine."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks._table import Figure, main

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 5
SCENARIO = "cologne8"
LIMIT = 0.9


def measure() -> Sequence[Figure]:
    """Wall time of one and of two workers, and of one and two bare simulations that never meet, in turn."""
    walls: dict[tuple[str, int], list[float]] = {}
    for _ in range(REPEATS):
        for kind in ("workers", "alone"):
            for number in (1, 2):
                walls.setdefault((kind, number), []).append(_wall(kind, number))
    ours, bare = _factor(walls, "workers"), _factor(walls, "alone")
    return [
        Figure(SCENARIO, "2 workers: decisions per second, of those of 1", ours),
        Figure(SCENARIO, "2 bare simulations: the same, what the machine allows", bare),
        Figure(SCENARIO, "2 workers: share of what the machine allows", ours / bare, LIMIT, at_least=True),
    ]


def _factor(walls: dict[tuple[str, int], list[float]], kind: str) -> float:
    return statistics.median(2 * one / two for one, two in zip(walls[kind, 1], walls[kind, 2], strict=True))


def _wall(kind: str, number: int) -> float:
    command = [sys.executable, "-m", "benchmarks._env_scaling", kind, SCENARIO, str(number)]
    return float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    sys.exit(main(measure))
