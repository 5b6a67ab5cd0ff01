"""What our environments cost beside the bare simulator, and beside sumo-rl, in the very same traffic.

Decisions every 5 s (and, for two figures, every second) of simulated time, SUMO steps of 1 s, every signal of
the map controlled under the rule book: yellow, all red and least greens by the plan, rounded up to whole
seconds. Lamp states recorded once under random legal stages are repeated by every arm, sumo-rl among them, so
all simulate the same vehicles. Figures are CPU seconds from after the reset to the end, and medians of the
ratios of runs made in turn. ingolstadt21 runs its whole hour, too, with `--hour`; at the beginning there are
few vehicles for SUMO to move, and our share is largest.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks._table import Figure, main

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 5
TRACI_S = 120
"""The peer by TraCI is so slow that it is compared over the first minutes."""
ARMS = ("bare", "sensors", "core", "pettingzoo", "sumo_rl_libsumo")


@dataclass(frozen=True, slots=True)
class Case:
    """One map, how many seconds of it are run, and the least factor to sumo-rl with libsumo and by TraCI."""

    scenario: str
    seconds: int
    peer: float
    traci: float
    arms: tuple[str, ...] = ARMS


CASES = (
    Case("cologne8", 3600, 1.2, 10.0),
    Case("grid4x4", 3600, 1.2, 10.0),
    Case("ingolstadt21", 600, 1.05, 6.0),
)
FACES = Case("cologne8", 1200, 0.0, 0.0, ("bare", "sensors", "own_look", "slots"))
EVERY_SECOND = Case("cologne8", 600, 0.0, 0.0, ("bare", "sensors", "core"))
HOUR = "--hour"
SENSORS_LIMIT, BARE_LIMIT = 1.10, 1.35


def measure() -> Sequence[Figure]:
    """Time our environments beside bare SUMO, the same sensors read by hand, and sumo-rl."""
    figures: list[Figure] = []
    for part in (*map(_compared, CASES), _reported(FACES, 5), _reported(EVERY_SECOND, 1)):
        for figure in part:
            print(figure, file=sys.stderr)
            figures.append(figure)
    return figures


def _compared(case: Case) -> Iterator[Figure]:
    name = f"{case.scenario}, {_length(case)} s"
    times = _times(case.scenario, _length(case), 5, case.arms)
    for arm, spent in times.items():
        yield Figure(name, f"{TITLES[arm]}, CPU s", statistics.median(spent))
    for arm in (arm for arm in case.arms if arm in OURS):
        by_hand, bare = (SENSORS_LIMIT, BARE_LIMIT) if arm == "core" else (None, None)
        title = TITLES[arm]
        yield Figure(name, f"{title} / same sensors by hand", _ratio(times, arm, "sensors"), by_hand)
        yield Figure(name, f"{title} / bare replay", _ratio(times, arm, "bare"), bare)
    for arm in ("core", "pettingzoo"):
        limit = case.peer if arm == "core" else None
        factor = _ratio(times, "sumo_rl_libsumo", arm)
        yield Figure(name, f"sumo-rl (libsumo) / {TITLES[arm]}", factor, limit, at_least=True)
    short = _times(case.scenario, TRACI_S, 5, ("core", "sumo_rl_traci"))
    factor = _ratio(short, "sumo_rl_traci", "core")
    title = f"sumo-rl (TraCI) / environment, first {TRACI_S} s"
    yield Figure(name, title, factor, case.traci, at_least=True)


def _reported(case: Case, decision: int) -> Iterator[Figure]:
    """Held to nothing."""
    times = _times(case.scenario, case.seconds, decision, case.arms)
    name = f"{case.scenario}, {case.seconds} s, decisions every {decision} s"
    for arm in case.arms[2:]:
        yield Figure(name, f"{TITLES[arm]} / same sensors by hand", _ratio(times, arm, "sensors"))
        yield Figure(name, f"{TITLES[arm]} / bare replay", _ratio(times, arm, "bare"))


def _length(case: Case) -> int:
    return 3600 if HOUR in sys.argv else case.seconds


def _times(scenario: str, seconds: int, decision: int, arms: Sequence[str]) -> dict[str, list[float]]:
    """CPU seconds per arm and round."""
    print(f"{scenario}, {seconds} s, decisions every {decision} s", file=sys.stderr)
    words = (scenario, str(seconds), str(decision), str(REPEATS), *arms)
    command = [sys.executable, "-m", "benchmarks._env_runs", *words]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    times: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return times


OURS = {"core", "pettingzoo"}
TITLES = {
    "bare": "bare replay",
    "sensors": "same sensors by hand",
    "own_look": "our own look alone",
    "core": "environment",
    "pettingzoo": "PettingZoo face",
    "slots": "SlotVecEnv, 1 worker",
    "sumo_rl_libsumo": "sumo-rl (libsumo)",
}


def _ratio(times: dict[str, list[float]], above: str, below: str) -> float:
    return statistics.median(_each(times[above], times[below]))


def _each(above: Sequence[float], below: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(above, below, strict=True)]


if __name__ == "__main__":
    sys.exit(main(measure, [word for word in sys.argv[1:] if word != HOUR]))
