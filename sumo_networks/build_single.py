"""The single junction: four arms, left-turn bays on all, crossings on all, people walking.

West-east two lanes each way, north-south one, all at 50 km/h. Left turns run on stages of their own. An
ambulance's route turns left from west to north.
"""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

from sumo_networks import timing, traffic
from sumo_networks.streets import CLOCKWISE, Arm, Streets, write_xml

REACH = 320.0  # m from the junction to the end of each arm
ARMS = [
    Arm(bearing="W", far="W", through=2, bay=75, speed=13.89, priority=10),
    Arm(bearing="N", far="N", through=1, bay=55, speed=13.89, priority=8),
    Arm(bearing="E", far="E", through=2, bay=75, speed=13.89, priority=10),
    Arm(bearing="S", far="S", through=1, bay=55, speed=13.89, priority=8),
]
PLACES = {"W": (-REACH, 0.0), "N": (0.0, REACH), "E": (REACH, 0.0), "S": (0.0, -REACH)}

# Vehicles per hour at the peak, and where they go: ahead, left, right.
VOLUMES = {"W": 800.0, "N": 340.0, "E": 720.0, "S": 360.0}
TURNS = {"s": 0.66, "l": 0.18, "r": 0.16}
# Share of the peak in each 300 s: light, near capacity from 900 s to 1800 s, then down.
PROFILE = (0.45, 0.55, 0.75, 0.95, 1.0, 1.0, 0.90, 0.75, 0.60, 0.50, 0.45, 0.40)
CYCLE = 100  # s
WALKS_PER_HOUR = 16.0  # on each of the twelve ordered pairs of arms
EMERGENCY_DEPART = 1200


def build(out: Path, work: Path) -> None:
    """Write net, demand, emergency route and the `fixed` program into the folder `out`."""
    net = out / "single.net.xml"
    _streets().build(net, work)
    stages = timing.stage_table(ARMS, timing.Lefts.PROTECTED)
    program = timing.Program("J", timing.read_links(net, "J", ARMS), stages, [30] * len(stages))
    timing.install(net, [program])
    paths = {arm.bearing: _targets(arm) for arm in ARMS}
    peak = work / "peak.rou.xml"
    traffic.peak_hour(peak, paths, VOLUMES)
    timing.webster(net, peak, [program], work, cycle=CYCLE)
    write_xml(out / "single.tls.add.xml", "additional", program.element("webster"))
    rows = [*traffic.TYPES, *traffic.routes(paths)]
    for number, level in enumerate(PROFILE):
        rows += traffic.flows(VOLUMES, level, number)
        for a, b in permutations(ARMS, 2):
            label = f"{a.far}{b.far}"
            rows += traffic.walkers(label, f"{a.far}_J_bay", f"J_{b.far}", WALKS_PER_HOUR, number)
    write_xml(out / "single.rou.xml", "routes", rows)
    traffic.emergency(out / "single.emergency.rou.xml", _path("W", "N"), EMERGENCY_DEPART)


def _streets() -> Streets:
    streets = Streets()
    streets.node("J", 0, 0, "traffic_light")
    for arm in ARMS:
        streets.node(arm.far, *PLACES[arm.far])
        streets.street(arm.far, "J", arm, bay=arm.bay)
        streets.street("J", arm.far, arm, bay=0)
    streets.junction("J", ARMS)
    return streets


def _targets(arm: Arm) -> dict[str, tuple[list[str], float]]:
    here = CLOCKWISE.index(arm.bearing)
    ends = {turn: CLOCKWISE[(here + steps) % 4] for turn, steps in (("l", 1), ("s", 2), ("r", 3))}
    return {end: (_path(arm.far, end), TURNS[turn]) for turn, end in ends.items()}


def _path(start: str, end: str) -> list[str]:
    return [f"{start}_J", f"{start}_J_bay", f"J_{end}"]
