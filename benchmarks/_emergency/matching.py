"""How well noisy positions are matched to approaches: `python -m benchmarks._emergency.matching`.

Vehicles of a map's own traffic are followed in SUMO under its installed programs. Once a second each tells
where it is, wrong by Gaussian noise, its course wrong by 10 degrees and missing below 1 m/s, and no route;
one report in ten is lost. What is matched is compared with the signals that SUMO knows to be ahead.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import _commit
from benchmarks._emergency.__main__ import ROOT, WINDOWS
from benchmarks._emergency.matching_columns import COLUMNS
from stopline_envs.approaches import mapped_approaches, projected
from stopline_envs.network import plans_of
from stopline_envs.plans import PlanSet
from stopline_envs.scenario import Scenario, load_scenario
from stopline_envs.simulation import SumoSimulation, libsumo_module
from stopline_signals.approach_map import ApproachMap
from stopline_signals.matching import Placed, Tracker
from stopline_signals.vehicles import Fix

RESULT = ROOT / "benchmarks" / "results" / "matching.json"
MAPS = ("cologne8", "ingolstadt21")
NOISES_M = (5.0, 10.0)
"""Standard deviation of a position on each axis."""
COURSE_NOISE = 10.0
"""Standard deviation of a course, degrees."""
COURSE_FROM_MPS = 1.0
LOST = 0.1
"""Share of reports that do not arrive."""
NEAR_M = 150.0
"""To the next stop line: reports from further away are matched too, but not judged."""
WARM_UP_S = 300
SEED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write the result file and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks._emergency.matching", description=__doc__)
    parser.add_argument("--vehicles", type=int, default=200, help="vehicles followed per map")
    parser.add_argument("--json", type=Path, default=RESULT, help="result file")
    options = parser.parse_args(arguments)
    result = {
        "command": "python -m benchmarks._emergency.matching",
        "commit": _commit.head(),
        "course_noise_degrees": COURSE_NOISE,
        "course_from_mps": COURSE_FROM_MPS,
        "lost": LOST,
        "near_m": NEAR_M,
        "rows": [row for name in MAPS for row in measured(name, options.vehicles)],
    }
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show(result)
    return 0


def show(result: Mapping[str, Any]) -> None:
    """Print the table of a result."""
    table = Table("map", "vehicles", "noise, m", *(column.title for column in COLUMNS))
    for row in result["rows"]:
        cells = (column.cell(row) for column in COLUMNS)
        table.add_row(row["map"], str(row["vehicles"]), f"{row['noise_m']:g}", *cells)
    Console(width=None if sys.stdout.isatty() else 170).print(table)


def measured(name: str, vehicles: int) -> list[dict[str, Any]]:
    """The figures of one map, a row for each noise."""
    scenario = load_scenario(name).between(*WINDOWS[name])
    plan_set = plans_of(scenario)
    with projected(scenario) as degrees:
        approaches = ApproachMap({row.name: row for row in mapped_approaches(plan_set, degrees)})
    receivers = [Receiver(noise, approaches, random.Random(f"{name} {noise}")) for noise in NOISES_M]
    followed = _follow(scenario, _names(plan_set), vehicles, receivers)
    return [{"map": name, "vehicles": followed, **receiver.figures()} for receiver in receivers]


class Stop(NamedTuple):
    """A signal ahead as SUMO knows it: m to its stop line."""

    junction: str
    approach: str
    distance_m: float


class Seen(NamedTuple):
    """A vehicle at one second: metres of the network, course in degrees clockwise from its north."""

    x: float
    y: float
    speed_mps: float
    course: float
    ahead: tuple[Stop, ...]


@dataclass
class Receiver:
    """Positions of one noise (m), matched and judged."""

    noise_m: float
    approaches: ApproachMap
    rng: random.Random
    right: int = 0
    wrong: int = 0
    unmatched: int = 0
    errors: list[float] = field(default_factory=list[float])
    foretold: dict[tuple[str, int], bool] = field(default_factory=dict[tuple[str, int], bool])
    unfounded: dict[tuple[str, int], bool] = field(default_factory=dict[tuple[str, int], bool])
    """Where no further signal came: whether one was foretold."""
    """By vehicle and signals still ahead: whether the last look before the nearest told the next one."""

    def __post_init__(self) -> None:
        self._tracker = Tracker(self.approaches)

    def hear(self, vehicle: str, seen: Seen, now: int) -> None:
        """One report, if it arrives."""
        if self.rng.random() < LOST:
            return
        placed = self._tracker.place(vehicle, self._fix(seen), seen.speed_mps, (), float(now))
        if seen.ahead and seen.ahead[0].distance_m <= NEAR_M:
            self._judge(vehicle, placed, seen.ahead)

    def figures(self) -> dict[str, Any]:
        """Shares of the reports near a signal, and how far off distances are."""
        reports = self.right + self.wrong + self.unmatched
        return {
            "noise_m": self.noise_m,
            "reports": reports,
            "right": round(self.right / reports, 4),
            "wrong": round(self.wrong / reports, 4),
            "unmatched": round(self.unmatched / reports, 4),
            "error_median_m": round(float(np.median(self.errors)), 2),
            "error_p95_m": round(float(np.percentile(self.errors, 95)), 2),
            "passages": len(self.foretold),
            "next_right": round(sum(self.foretold.values()) / len(self.foretold), 4),
            "last_passages": len(self.unfounded),
            "unfounded": round(sum(self.unfounded.values()) / len(self.unfounded), 4),
        }

    def _fix(self, seen: Seen) -> Fix:
        x, y = (self.rng.gauss(value, self.noise_m) for value in (seen.x, seen.y))
        latitude, longitude = _degrees(x, y)
        course = None
        if seen.speed_mps >= COURSE_FROM_MPS:
            course = (_course(seen) + self.rng.gauss(0.0, COURSE_NOISE)) % 360.0
        return Fix(latitude, longitude, course, self.noise_m)

    def _judge(self, vehicle: str, placed: Placed, ahead: Sequence[Stop]) -> None:
        truth = ahead[0]
        if not placed.approach:
            self.unmatched += 1
            return
        found = self.approaches.approaches[placed.approach]
        if (found.junction, found.approach) != (truth.junction, truth.approach):
            self.wrong += 1
            return
        self.right += 1
        self.errors.append(abs(placed.distance_m - truth.distance_m))
        following = next((stop.junction for stop in ahead if stop.junction != truth.junction), None)
        if following is not None:
            told = placed.ahead[1].junction if len(placed.ahead) > 1 else ""
            self.foretold[vehicle, len(ahead)] = told == following
        else:
            self.unfounded[vehicle, len(ahead)] = len(placed.ahead) > 1


Names = Mapping[tuple[str, int], str]
"""By signal and link the approach, as the signal's plan calls it."""


def _names(plan_set: PlanSet) -> Names:
    return {
        (plan.junction, link): group.approach
        for plan in plan_set.plans.values()
        for group in plan.groups
        for link in group.links
    }


def _follow(scenario: Scenario, names: Names, count: int, receivers: Sequence[Receiver]) -> int:
    """Follow the first vehicles with a signal on their way after the warm-up; how many there were."""
    followed: set[str] = set()
    simulation = SumoSimulation(scenario, SEED)
    simulation.start()
    try:
        sumo: Any = libsumo_module()
        while simulation.now < scenario.end:
            simulation.step()
            if simulation.now > scenario.begin + WARM_UP_S:
                entered = [v for v in sumo.simulation.getDepartedIDList() if _ahead(sumo, v, names)]
                followed.update(entered[: count - len(followed)])
            for vehicle in sorted(followed.intersection(sumo.vehicle.getIDList())):
                seen = _see(sumo, vehicle, names)
                for receiver in receivers:
                    receiver.hear(vehicle, seen, simulation.now)
    finally:
        simulation.close()
    return len(followed)


def _see(sumo: Any, vehicle: str, names: Names) -> Seen:
    x, y = sumo.vehicle.getPosition(vehicle)
    speed, course = sumo.vehicle.getSpeed(vehicle), sumo.vehicle.getAngle(vehicle)
    return Seen(float(x), float(y), float(speed), float(course), _ahead(sumo, vehicle, names))


def _ahead(sumo: Any, vehicle: str, names: Names) -> tuple[Stop, ...]:
    return tuple(
        Stop(tls, names[tls, link], float(metres))
        for tls, link, metres, _ in sumo.vehicle.getNextTLS(vehicle)
        if (tls, link) in names
    )


def _degrees(x: float, y: float) -> tuple[float, float]:
    """Latitude and longitude of a place of the running network."""
    longitude, latitude = libsumo_module().simulation.convertGeo(x, y)
    return float(latitude), float(longitude)


def _course(seen: Seen) -> float:
    """The course from true north: a network's own north is the projection's, degrees away at its rim."""
    angle = math.radians(seen.course)
    latitude, longitude = _degrees(seen.x, seen.y)
    north, east = _degrees(seen.x + 10 * math.sin(angle), seen.y + 10 * math.cos(angle))
    eastward = (east - longitude) * math.cos(math.radians(latitude))
    return math.degrees(math.atan2(eastward, north - latitude))


if __name__ == "__main__":
    sys.exit(main())
