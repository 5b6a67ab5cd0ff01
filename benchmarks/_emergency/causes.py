"""Where emergency vehicles with priority still lose time: `python -m benchmarks._emergency.causes`.

Second by second the share of the speed a vehicle would like to drive that it did not drive is put down to
what was before it: a signal that is not green, others who stand before a green one, others who drive, or
nothing at all (it gathers speed, or turns). The last is lost on an empty road too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import _commit
from benchmarks._emergency.__main__ import CONTROLLER, EVERY_S, ROOT, WINDOWS
from stopline_agents.controllers import make_controller
from stopline_agents.emergency import Arm, Trip, run_arm
from stopline_agents.emergency_table import departures_of
from stopline_envs.emergency import Sighting
from stopline_envs.emergency_ways import emergency_ways, free_travel_time
from stopline_envs.scenario import load_scenario
from stopline_envs.simulation import libsumo_module
from stopline_signals.detectors import QUEUED_BELOW_MPS

RESULT = ROOT / "benchmarks" / "results" / "emergency_causes.json"
NEAR_M = 150.0
"""A signal further away is not what holds a vehicle up now."""
HEADWAY_S, LEAST_GAP_M = 3.0, 10.0
"""Who is ahead by less than this much time, and a gap of standing vehicles, holds a vehicle up."""
CAUSES: tuple[str, ...] = (
    "a signal that is not green",
    "others who stand",
    "others who drive",
    "a free road",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and write the result file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks._emergency.causes", description=__doc__)
    parser.add_argument("--seeds", type=int, default=6, help="runs per map")
    parser.add_argument("--json", type=Path, default=RESULT, help="result file")
    options = parser.parse_args(arguments)
    maps = {name: causes(name, range(1, options.seeds + 1)) for name in WINDOWS}
    result = {
        "command": "python -m benchmarks._emergency.causes",
        "commit": _commit.head(),
        "runs": options.seeds,
        "maps": maps,
    }
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name, found in maps.items():
        print(name, found)
    return 0


def causes(name: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Seconds lost per vehicle and cause, of vehicles that arrived and others alike, over some seeds."""
    scenario = load_scenario(name).between(*WINDOWS[name])
    lost: dict[str, float] = dict.fromkeys(CAUSES, 0.0)
    vehicles = 0
    free = 0.0

    def note(seen: Mapping[str, Sighting]) -> None:
        for vehicle, sighting in seen.items():
            lost[_cause(vehicle, sighting)] += max(0.0, 1.0 - sighting.speed_mps / sighting.desired_mps)

    for seed in seeds:
        departures = departures_of(scenario, EVERY_S)
        ways = emergency_ways(scenario, len(departures), seed)
        trips = [Trip(departs, way) for departs, way in zip(departures, ways, strict=True)]
        outcome = run_arm(scenario, make_controller(CONTROLLER), seed, Arm.PRIORITY, trips, on_second=note)
        vehicles += len(outcome.trips)
        free += sum(free_travel_time(scenario, trip.edges) for trip in trips)
    per_vehicle = {cause: round(lost[cause] / vehicles, 1) for cause in CAUSES}
    return {"vehicles": vehicles, "free_s": round(free / vehicles, 1), "lost_s": per_vehicle}


def _cause(vehicle: str, seen: Sighting) -> str:
    """What is before the vehicle in this second."""
    leader: tuple[str, float] | None = libsumo_module().vehicle.getLeader(vehicle, NEAR_M)
    if seen.ahead and seen.ahead[0].distance_m <= NEAR_M and seen.ahead[0].letter not in "Gg":
        return CAUSES[0]
    if leader and leader[0] and leader[1] <= HEADWAY_S * seen.speed_mps + LEAST_GAP_M:
        stands = libsumo_module().vehicle.getSpeed(leader[0]) < QUEUED_BELOW_MPS
        return CAUSES[1] if stands else CAUSES[2]
    return CAUSES[3]


if __name__ == "__main__":
    sys.exit(main())
