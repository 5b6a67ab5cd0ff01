"""The arterial: nine signals along 2.1 km of main road, irregular spacing, four-arm and T-junctions.

West to east. Two lanes each way at 50 km/h with left-turn bays; J4 and J8 cross other main roads (two lanes
each way, protected lefts), the rest cross or meet side streets of one lane. Crossings at every junction, two
bus lines, an ambulance's route from the west through eight signals and left at J8.
"""

from __future__ import annotations

from itertools import pairwise, permutations
from pathlib import Path

from sumo_networks import timing, traffic
from sumo_networks.streets import Arm, Streets, write_xml
from sumo_networks.timing import Lefts

#            name  x     y    north    south    left turns
JUNCTIONS = (
    ("J1", 0, 0, "minor", "minor", Lefts.BOTH),
    ("J2", 290, 0, "minor", None, Lefts.BOTH),
    ("J3", 480, 10, "minor", "minor", Lefts.PERMISSIVE),
    ("J4", 830, 30, "major", "major", Lefts.PROTECTED),
    ("J5", 1010, 30, None, "minor", Lefts.BOTH),
    ("J6", 1330, 10, "minor", "minor", Lefts.PERMISSIVE),
    ("J7", 1490, 0, "minor", None, Lefts.BOTH),
    ("J8", 1870, -10, "major", "major", Lefts.PROTECTED),
    ("J9", 2110, 0, "minor", "minor", Lefts.PERMISSIVE),
)  # fmt: skip
CHAIN = ("W", *(row[0] for row in JUNCTIONS), "E")
SHORT = {"J6", "J7"}  # 160 m apart: their bays are shorter

# Vehicles per hour at the peak, out of each end; the same figures weigh the destinations.
VOLUMES = {
    "W": 702.0, "E": 630.0, "N1": 126.0, "S1": 108.0, "N2": 135.0, "N3": 108.0, "S3": 126.0, "N4": 315.0,
    "S4": 297.0, "S5": 135.0, "N6": 99.0, "S6": 117.0, "N7": 126.0, "N8": 306.0, "S8": 324.0, "N9": 108.0,
    "S9": 99.0,
}  # fmt: skip
# Share of the peak in each 300 s: light, near capacity from 900 s to 1800 s, then down.
PROFILE = (0.45, 0.55, 0.70, 0.90, 1.0, 1.0, 0.90, 0.75, 0.60, 0.50, 0.45, 0.40)
END = len(PROFILE) * traffic.SLICE
BUS_STOPS = ("J2", "J4", "J6", "J8")
CYCLE = 90
SPEED_FACTOR = 0.85
WALKS_PER_HOUR = 8.0  # on each of a junction's ordered pairs of arms
EMERGENCY_DEPART = 1200


def build(out: Path, work: Path) -> None:
    """Write net, demand, stops, emergency route and the `fixed` programs into the folder `out`."""
    arms = _arms()
    net = out / "arterial.net.xml"
    _streets(arms).build(net, work)
    programs = [
        timing.Program(name, timing.read_links(net, name, arms[name]), stages, [30] * len(stages))
        for name, *_, lefts in JUNCTIONS
        for stages in [timing.stage_table(arms[name], lefts)]
    ]
    timing.install(net, programs)
    paths = {
        origin: {
            end: (_path(origin, end, arms), _attraction(origin, end)) for end in VOLUMES if end != origin
        }
        for origin in VOLUMES
    }
    peak = work / "peak.rou.xml"
    traffic.peak_hour(peak, paths, VOLUMES)
    timing.webster(net, peak, programs, work, cycle=CYCLE)
    timing.coordinate(net, peak, programs, work, speed_factor=SPEED_FACTOR)
    rows = [row for program in programs for row in program.element("webster")]
    write_xml(out / "arterial.tls.add.xml", "additional", rows)
    _demand(out, arms, paths)
    traffic.emergency(out / "arterial.emergency.rou.xml", _path("W", "N8", arms), EMERGENCY_DEPART)


def _attraction(origin: str, end: str) -> float:
    """Weight of a destination: its own volume, more for straight across, less with every signal between."""
    if {origin, end} == {"W", "E"}:
        return 0.5 * VOLUMES[end]
    hops = abs(_position(origin) - _position(end))
    return VOLUMES[end] * (4.0 if hops == 0 else 0.75**hops)


def _position(end: str) -> int:
    return CHAIN.index(end if end in CHAIN else f"J{end[1:]}")


def _demand(
    out: Path, arms: dict[str, list[Arm]], paths: dict[str, dict[str, tuple[list[str], float]]]
) -> None:
    stops: list[str] = []
    lines: list[str] = []
    for line, ends in (("east", ("W", "E")), ("west", ("E", "W"))):
        edges = _path(*ends, arms)
        # Stops lie behind the junction, where a bus does not stand in the queue.
        called = [edge for edge in edges if edge.split("_")[0] in BUS_STOPS and not edge.endswith("_bay")]
        stops += [traffic.bus_stop(f"stop_{edge}", f"{edge}_1", 35) for edge in called]
        names = [f"stop_{edge}" for edge in called]
        lines += traffic.bus_line(line, edges, names, first=60 if line == "east" else 180, every=300, end=END)
    write_xml(out / "arterial.stops.add.xml", "additional", stops)
    rows = [*traffic.TYPES, *traffic.routes(paths)]
    for number, level in enumerate(PROFILE):
        rows += [*traffic.flows(VOLUMES, level, number), *_walks(arms, number)]
        # SUMO wants departures in order: the buses begin inside the first slice.
        rows += lines if number == 0 else []
    write_xml(out / "arterial.rou.xml", "routes", rows)


def _walks(arms: dict[str, list[Arm]], number: int) -> list[str]:
    rows: list[str] = []
    for name, around in arms.items():
        for start, end in permutations(around, 2):
            source = f"{start.far}_{name}" + ("_bay" if start.bay else "")
            label = f"{name}_{start.bearing}{end.bearing}"
            rows += traffic.walkers(label, source, f"{name}_{end.far}", WALKS_PER_HOUR, number)
    return rows


def _arms() -> dict[str, list[Arm]]:
    result: dict[str, list[Arm]] = {}
    for number, (name, _, _, north, south, _) in enumerate(JUNCTIONS, 1):
        full = north is not None and south is not None
        row = [_main("W", CHAIN[number - 1], name, left=north is not None, crossing=True)]
        if north is not None:
            row.append(_side("N", name, north))
        row.append(_main("E", CHAIN[number + 1], name, left=south is not None, crossing=full))
        if south is not None:
            row.append(_side("S", name, south))
        result[name] = row
    return result


def _main(bearing: str, far: str, name: str, *, left: bool, crossing: bool) -> Arm:
    bay = (50.0 if {far, name} == SHORT else 75.0) if left else 0.0
    return Arm(bearing=bearing, far=far, through=2, bay=bay, speed=13.89, priority=10, crossing=crossing)


def _side(bearing: str, name: str, kind: str) -> Arm:
    far = f"{bearing}{name[1:]}"
    if kind == "major":
        return Arm(bearing=bearing, far=far, through=2, bay=60, speed=13.89, priority=8)
    return Arm(bearing=bearing, far=far, through=1, bay=45, speed=11.11, priority=5)


def _streets(arms: dict[str, list[Arm]]) -> Streets:
    streets = Streets()
    streets.node("W", JUNCTIONS[0][1] - 380, 0)
    streets.node("E", JUNCTIONS[-1][1] + 380, 0)
    for name, x, y, *_ in JUNCTIONS:
        streets.node(name, x, y, "traffic_light")
        for arm in arms[name]:
            if arm.bearing in "NS":
                reach = (380 if arm.through == 2 else 280) * (1 if arm.bearing == "N" else -1)
                streets.node(arm.far, x, y + reach)
    for name, around in arms.items():
        for arm in around:
            streets.street(arm.far, name, arm, bay=arm.bay)
            if arm.far not in arms:
                streets.street(name, arm.far, arm, bay=0)
    for name, around in arms.items():
        streets.junction(name, around)
    return streets


def _path(origin: str, end: str, arms: dict[str, list[Arm]]) -> list[str]:
    """The edges from one end to another: along the main road there is only one way."""
    first = origin if origin in CHAIN else f"J{origin[1:]}"
    last = end if end in CHAIN else f"J{end[1:]}"
    a, b = CHAIN.index(first), CHAIN.index(last)
    nodes = list(CHAIN[a : b + 1] if a <= b else CHAIN[b : a + 1][::-1])
    nodes = [*([origin] if origin not in CHAIN else []), *nodes, *([end] if end not in CHAIN else [])]
    edges: list[str] = []
    for start, stop in pairwise(nodes):
        edges.append(f"{start}_{stop}")
        if any(arm.far == start and arm.bay for arm in arms.get(stop, [])):
            edges.append(f"{start}_{stop}_bay")
    return edges
