"""Streets for a layout: lanes, speeds, turn bays and signal layouts, built into a network by netconvert."""

from __future__ import annotations

import math
import random
import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from stopline_envs.generate.layout import Layout
from stopline_envs.generate.rights import RIGHT_ON_RED
from stopline_envs.generate.sumo_tools import run_binary, strip_header

_KMH = 1 / 3.6
_MAIN_SPEEDS = (50, 50, 60, 70)
_SIDE_SPEEDS = (30, 40, 50)
_WALK, _CLEARANCE = 7, 10  # s
_STRAIGHT = math.radians(40)
_FANNED = 0.4
"""Share of the streets that fan out, where any do."""
_FAN_M = (20.0, 60.0)


@dataclass(frozen=True, slots=True)
class Road:
    """One direction of a street: through lanes, left-turn bay (m, 0: none), speed (m/s), rank.

    `fan` more lanes begin on its right `fan_m` before the stop line.
    """

    start: str
    end: str
    lanes: int
    bay: float
    speed: float
    priority: int
    fan: int = 0
    fan_m: float = 0.0

    @property
    def name(self) -> str:
        """The edge's id."""
        return f"{self.start}_{self.end}"


def lay_roads(layout: Layout, rng: random.Random) -> tuple[Road, ...]:
    """Both directions of every street: a few main roads straight through, side streets elsewhere."""
    main = _main_streets(layout, rng)
    main_lanes, main_speed = rng.choice((1, 2, 2, 2, 3)), rng.choice(_MAIN_SPEEDS) * _KMH
    side_speed = rng.choice(_SIDE_SPEEDS) * _KMH
    bays = rng.choice((0.0, 0.3, 0.6, 0.9))
    wide_side = rng.uniform(0.0, 0.4)
    roads: list[Road] = []
    for a in layout.points:
        for b in layout.links[a]:
            if a > b:
                continue
            big = frozenset((a, b)) in main
            lanes = main_lanes if big else 2 if rng.random() < wide_side else 1
            for start, end in ((a, b), (b, a)):
                bay = _bay(layout, start, end, rng) if rng.random() < bays else 0.0
                roads.append(
                    Road(start, end, lanes, bay, main_speed if big else side_speed, 10 if big else 5)
                )
    return tuple(roads)


def fanned(roads: tuple[Road, ...], layout: Layout, rng: random.Random) -> tuple[Road, ...]:
    """The same roads, some of which fan out into more lanes shortly before the stop line.

    So few lanes feed so many there that a queue's end stands out of sight while the detectors of the whole
    approach count little: as common on real streets as a bay for lefts.
    """
    return tuple(_fanned(road, layout, rng) for road in roads)


def _fanned(road: Road, layout: Layout, rng: random.Random) -> Road:
    length, lanes, chance = rng.uniform(*_FAN_M), rng.choice((1, 2)), rng.random()
    begins = max(length, road.bay)
    if chance > _FANNED or road.end.startswith("E") or layout.length(road.start, road.end) < begins + 50:
        return road
    # Both kinds of lane begin at one place: netconvert changes the street there once.
    return replace(road, fan=lanes, fan_m=round(begins, 1), bay=round(begins, 1) if road.bay else 0.0)


def build_network(
    layout: Layout,
    roads: tuple[Road, ...],
    net: Path,
    rng: random.Random,
    work: Path,
    *,
    crossings: bool,
    nema: bool = False,
    rights: bool = False,
) -> None:
    """Write the network file by netconvert, with a signal of its own layout at every junction.

    With `nema` junctions of four arms get dual rings, and netconvert makes the others actuated stages; with
    `rights` who turns right waits for all it crosses, so that it may be let go at any time.
    """
    nodes, edges = work / "plain.nod.xml", work / "plain.edg.xml"
    layouts = rng.choice((("opposites",), ("opposites", "incoming"), ("opposites", "opposites", "incoming")))
    chosen = {name: rng.choice(layouts) for name in layout.points}
    if nema:  # rings pair opposite approaches
        chosen = dict.fromkeys(chosen, "opposites")
    _write(nodes, "nodes", [_node(layout, name, chosen[name], rights=rights) for name in layout.points])
    _write(edges, "edges", [_edge(road) for road in roads])
    left_green = rng.choice((0, 6, 8))
    options: dict[str, object] = {
        "node-files": nodes,
        "edge-files": edges,
        "output-file": net,
        "no-turnarounds": True,
        "default.junctions.radius": rng.choice((4, 6, 8)),
        "junctions.corner-detail": 0,
        # Nobody waits inside a junction, where a blocked turn blocks all others and SUMO never solves it.
        "default.connection.cont-pos": 0,
        "tls.left-green.time": left_green,
        # Where lefts have a green of their own, they may or may not also turn between oncoming vehicles.
        "tls.minor-left.max-speed": rng.choice((19.44, 0)) if left_green else 19.44,
        "tls.allred.time": 2,
        "tls.cycle.time": rng.choice((60, 75, 90)),
        "tls.crossing-min.time": _WALK,
        "tls.crossing-clearance.time": _CLEARANCE,
        "sidewalks.guess": crossings,
        "sidewalks.guess.max-speed": 30,
        "sidewalks.guess.min-speed": 1,
        "crossings.guess": crossings,
    }
    if nema:
        options["tls.default-type"] = "NEMA"
    run_binary("netconvert", options)
    strip_header(net)
    if crossings:
        serve_crossings(net)


def serve_crossings(net: Path) -> None:
    """Give crossings that netconvert left without any green (at Y-junctions) a walk of their own."""
    tree = ET.parse(net)
    crossings: defaultdict[str, set[int]] = defaultdict(set)
    for row in tree.getroot().iter("connection"):
        if "tl" in row.attrib and row.attrib["from"].startswith(":"):
            crossings[row.attrib["tl"]].add(int(row.attrib["linkIndex"]))
    for logic in tree.getroot().iter("tlLogic"):
        states = [phase.attrib["state"] for phase in logic.iter("phase")]
        never = {
            link for link in crossings[logic.attrib["id"]] if not any(state[link] in "Gg" for state in states)
        }
        if never and logic.get("type") != "NEMA":  # a ring has no place for one more phase
            walk = "".join("G" if link in never else "r" for link in range(len(states[0])))
            # netconvert ends every cycle in red for all, so the walk may simply be appended.
            for duration, state in ((_WALK, walk), (_CLEARANCE, "r" * len(walk))):
                ET.SubElement(logic, "phase", {"duration": str(duration), "state": state})
    ET.indent(tree, "    ")
    tree.write(net, encoding="unicode")


def _main_streets(layout: Layout, rng: random.Random) -> set[frozenset[str]]:
    """Streets on one to three main roads: each goes straight on from an end until it meets another."""
    main: set[frozenset[str]] = set()
    starts = list(layout.ends) or list(layout.junctions)
    if layout.kind == "arterial":
        # The long way first: from the end that is furthest west.
        starts.sort(key=lambda name: layout.points[name])
        starts = starts[:1] + rng.sample(starts[1:], k=min(1, len(starts) - 1))
    else:
        rng.shuffle(starts)
        starts = starts[: rng.choice((1, 2, 2, 3))]
    for start in starts:
        here, there = start, layout.links[start][0]
        while frozenset((here, there)) not in main:
            main.add(frozenset((here, there)))
            onward = _straight_on(layout, here, there)
            if onward is None:
                break
            here, there = there, onward
    return main


def _straight_on(layout: Layout, here: str, there: str) -> str | None:
    """The street that goes on straightest from here -> there; None when all of them turn."""
    heading = layout.bearing(here, there)
    ahead = [
        (abs(_turn(heading, layout.bearing(there, far))), far) for far in layout.links[there] if far != here
    ]
    turned, far = min(ahead, default=(math.pi, ""))
    return far if turned < _STRAIGHT else None


def _turn(heading: float, onward: float) -> float:
    """Angle turned to the left, -pi to pi."""
    return (onward - heading + math.pi) % (2 * math.pi) - math.pi


def _bay(layout: Layout, start: str, end: str, rng: random.Random) -> float:
    """Length of a left-turn bay at the end of a street; 0 if nobody turns left or the street is too short."""
    if end.startswith("E"):
        return 0.0
    heading = layout.bearing(start, end)
    left = any(
        _turn(heading, layout.bearing(end, far)) > _STRAIGHT for far in layout.links[end] if far != start
    )
    bay = round(rng.uniform(30, 80), 1)
    return bay if left and layout.length(start, end) > bay + 50 else 0.0


def _node(layout: Layout, name: str, tls_layout: str, *, rights: bool) -> str:
    x, y = layout.points[name]
    kind = RIGHT_ON_RED if rights else "traffic_light"
    signal = f'type="{kind}" tlLayout="{tls_layout}"' if name.startswith("J") else 'type="priority"'
    return f'    <node id="{name}" x="{x:.1f}" y="{y:.1f}" {signal}/>'


def _edge(road: Road) -> str:
    lanes = road.fan + road.lanes + (1 if road.bay else 0)
    head = (
        f'    <edge id="{road.name}" from="{road.start}" to="{road.end}" numLanes="{lanes}"'
        f' speed="{road.speed:.2f}" priority="{road.priority}"'
    )
    if not road.bay and not road.fan:
        return head + "/>"
    # netconvert takes such lanes away where the street begins and gives them back near the stop line.
    few = " ".join(str(lane) for lane in range(road.fan, road.fan + road.lanes))
    all_lanes = " ".join(str(lane) for lane in range(lanes))
    return (
        f'{head}>\n        <split pos="0" lanes="{few}"/>\n'
        f'        <split pos="-{road.bay or road.fan_m}" lanes="{all_lanes}"/>\n    </edge>'
    )


def _write(path: Path, root: str, rows: list[str]) -> None:
    path.write_text("\n".join([f"<{root}>", *rows, f"</{root}>"]) + "\n", encoding="utf-8")
