"""The high street: two signals with cycle lanes, crossings, a bus line with stops, trucks, bikes, people.

A main street west-east crossed by two side streets, all with cycle lanes. Everybody that a signal can serve
is here, in traffic light enough for tests that run it whole.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from stopline_envs.generate.roads import serve_crossings
from stopline_envs.generate.sumo_tools import run_binary, strip_header
from sumo_networks import traffic
from sumo_networks.streets import write_xml

NODES = {
    "W": (-250.0, 0.0), "J1": (0.0, 0.0), "J2": (260.0, 0.0), "E": (510.0, 0.0),
    "N1": (0.0, 200.0), "S1": (0.0, -200.0), "N2": (260.0, 200.0), "S2": (260.0, -200.0),
}  # fmt: skip
MAIN = ("W", "J1", "J2", "E")
SIDES = (("N1", "J1"), ("S1", "J1"), ("N2", "J2"), ("S2", "J2"))
SPEED, SIDE_SPEED = 13.89, 8.33

# Vehicles and bikes per hour at the peak; routes are named by the nodes they pass, with their shares.
VOLUMES = {"W": 420.0, "E": 380.0, "N1": 140.0, "S1": 120.0, "N2": 120.0, "S2": 140.0}
BIKES = {"W": 80.0, "E": 70.0, "N1": 25.0, "S1": 25.0, "N2": 25.0, "S2": 25.0}
ROUTES = {
    "W": {"W J1 J2 E": 0.7, "W J1 N1": 0.1, "W J1 J2 S2": 0.2},
    "E": {"E J2 J1 W": 0.7, "E J2 N2": 0.15, "E J2 J1 S1": 0.15},
    "N1": {"N1 J1 S1": 0.5, "N1 J1 J2 E": 0.3, "N1 J1 W": 0.2},
    "S1": {"S1 J1 N1": 0.5, "S1 J1 W": 0.25, "S1 J1 J2 E": 0.25},
    "N2": {"N2 J2 S2": 0.5, "N2 J2 E": 0.25, "N2 J2 J1 W": 0.25},
    "S2": {"S2 J2 N2": 0.5, "S2 J2 J1 W": 0.3, "S2 J2 E": 0.2},
}
PROFILE = (0.7, 1.0, 0.8)  # of the peak, in each 300 s
WALKS_PER_HOUR = 60.0  # on each of the walks below
WALKS = ("N1 J1 S1", "S1 J1 N1", "N2 J2 S2", "S2 J2 N2", "W J1 J2 E", "E J2 J1 W")
BUS_STOPS = {"J1_J2": ("stop_east", 120), "J2_J1": ("stop_west", 120)}
EMERGENCY_DEPART = 400


def build(out: Path, work: Path) -> None:
    """Write net, stops, demand and emergency route into the folder `out`."""
    net = out / "highstreet.net.xml"
    _network(net, work)
    # A bus stops on the lane for cars: lane 0 is the sidewalk, lane 1 the cycle lane.
    stops = [traffic.bus_stop(name, f"{edge}_2", at) for edge, (name, at) in BUS_STOPS.items()]
    write_xml(out / "highstreet.stops.add.xml", "additional", stops)
    write_xml(out / "highstreet.rou.xml", "routes", _demand())
    traffic.emergency(out / "highstreet.emergency.rou.xml", _edges("W J1 J2 N2"), EMERGENCY_DEPART)


def _network(net: Path, work: Path) -> None:
    nodes = [
        f'    <node id="{name}" x="{x:.1f}" y="{y:.1f}"'
        f' type="{"traffic_light" if name.startswith("J") else "priority"}"/>'
        for name, (x, y) in NODES.items()
    ]
    edges = [row for a, b in pairwise(MAIN) for row in (_main(a, b), _main(b, a))]
    edges += [row for a, b in SIDES for row in (_side(a, b), _side(b, a))]
    write_xml(work / "plain.nod.xml", "nodes", nodes)
    write_xml(work / "plain.edg.xml", "edges", edges)
    run_binary(
        "netconvert",
        {
            "node-files": work / "plain.nod.xml",
            "edge-files": work / "plain.edg.xml",
            "output-file": net,
            "no-turnarounds": True,
            "walkingareas": True,
            "crossings.guess": True,
            "crossings.guess.speed-threshold": 2,
            "default.junctions.radius": 6,
            "junctions.corner-detail": 3,
            "default.connection.cont-pos": 0,
            "tls.allred.time": 2,
            "tls.cycle.time": 80,
            "tls.left-green.time": 0,
            "tls.crossing-min.time": 7,
            "tls.crossing-clearance.time": 10,
            "offset.disable-normalization": True,
        },
    )
    strip_header(net)
    serve_crossings(net)


def _main(start: str, end: str) -> str:
    return _edge(start, end, SPEED, 9)


def _side(start: str, end: str) -> str:
    return _edge(start, end, SIDE_SPEED, 5)


def _edge(start: str, end: str, speed: float, priority: int) -> str:
    return (
        f'    <edge id="{start}_{end}" from="{start}" to="{end}" numLanes="1" speed="{speed}"'
        f' priority="{priority}" sidewalkWidth="2.0" bikeLaneWidth="1.5"/>'
    )


def _edges(nodes: str) -> list[str]:
    return [f"{a}_{b}" for a, b in pairwise(nodes.split())]


def _demand() -> list[str]:
    paths = {
        origin: {name.split()[-1]: (_edges(name), share) for name, share in choices.items()}
        for origin, choices in ROUTES.items()
    }
    bike = '    <vType id="bike" vClass="bicycle" speedFactor="normc(1,0.15,0.7,1.3)"/>'
    rows = [*traffic.TYPES, bike, *traffic.routes(paths)]
    for number, level in enumerate(PROFILE):
        rows += traffic.flows(VOLUMES, level, number)
        rows += [row.replace('id="', 'id="bike_').replace('type="traffic"', 'type="bike"')
                 for row in traffic.flows(BIKES, level, number)]  # fmt: skip
        for walk in WALKS:
            steps = _edges(walk)
            rows += traffic.walkers(walk.replace(" ", ""), steps[0], steps[-1], WALKS_PER_HOUR, number)
        if number == 0:  # by departure, or SUMO ignores them
            rows += _bus_lines()
    return rows


def _bus_lines() -> list[str]:
    rows: list[str] = []
    end = len(PROFILE) * traffic.SLICE
    for line, way, first in (("east", "W J1 J2 E", 30), ("west", "E J2 J1 W", 120)):
        stop = next(name for edge, (name, _) in BUS_STOPS.items() if edge in _edges(way))
        rows += traffic.bus_line(line, _edges(way), [stop], first=first, every=240, end=end)
    return rows
