"""The map of a network's approaches: where each lies on the ground and which ones follow it.

`mapped_approaches(plan_set, degrees)` makes the entries; `degrees` turns the network's metres into latitude
and longitude: `around(origin)` for a network that lies nowhere, `projected(scenario)` for one that knows its
place on the globe.
"""

from __future__ import annotations

import gzip
import math
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from stopline_envs.plans import Network, PlanSet
from stopline_envs.plans.net import CLASSES, Connection, Lane, Point
from stopline_envs.scenario import Scenario
from stopline_envs.simulation import SumoSimulation, libsumo_module
from stopline_signals.approach_map import EARTH_M, MappedApproach
from stopline_signals.errors import NetworkError
from stopline_signals.plan import GroupKind, SignalPlan

REACH_M = 800.0
"""Metres of street before a stop line that an approach has, if no other signal comes first."""
DECIMALS = 7
"""Of a degree: 1 cm."""
MOTOR = CLASSES - {"pedestrian", "wheelchair", "bicycle", "scooter"}
"""SUMO's classes that a signal's vehicles and trams are of."""

Degrees = Callable[[Point], tuple[float, float]]
"""From metres of the network to latitude and longitude, degrees."""


def mapped_approaches(
    plan_set: PlanSet, degrees: Degrees, reach: float = REACH_M
) -> tuple[MappedApproach, ...]:
    """Each edge by which vehicles or trams come to a signal, by signals, named as the signal's plan does.

    A path follows the street upstream, through junctions without a signal along the straightest way, to the
    next signal or `reach` metres.
    """
    streets = _Streets(plan_set)
    arms = [arm for plan in plan_set.plans.values() for arm in _arms(plan_set, plan)]
    upstream = {arm.edge: streets.upstream(arm.edge, reach) for arm in arms}
    count = Counter(arm.edge for arm in arms)
    names = {arm: f"{arm.junction}/{arm.edge}" if count[arm.edge] > 1 else arm.edge for arm in arms}
    return tuple(
        MappedApproach(
            name=names[arm],
            junction=arm.junction,
            approach=arm.approach,
            path=_in_degrees(_last(upstream[arm.edge].line, reach), degrees),
            then=_then(streets, arm, upstream, names),
        )
        for arm in arms
    )


def around(origin: tuple[float, float]) -> Degrees:
    """Degrees of a network whose place x = 0, y = 0 is laid on a latitude and longitude."""
    north, east = origin

    def degrees(point: Point) -> tuple[float, float]:
        x, y = point
        return (
            north + math.degrees(y / EARTH_M),
            east + math.degrees(x / (EARTH_M * math.cos(math.radians(north)))),
        )

    return degrees


def is_projected(net: Path) -> bool:
    """Whether a network file says how its metres lie on the globe."""
    with gzip.open(net) if net.suffix == ".gz" else net.open("rb") as stream:
        for _, element in ElementTree.iterparse(stream, events=("start",)):
            if element.tag == "location":
                return bool(element.get("projParameter", "!") != "!")
            if element.tag == "edge":
                break
    return False


@contextmanager
def projected(scenario: Scenario) -> Generator[Degrees]:
    """Degrees by the network's own projection; SUMO, which has PROJ inside, runs as long as they are used.

    Raises:
        NetworkError: the network has no projection.
    """
    if not is_projected(scenario.net):
        raise NetworkError(
            f"{scenario.net}: the network does not say where on the globe it lies "
            '(<location projParameter="!">): give the latitude and longitude of its x = 0, y = 0 as '
            "--origin LAT,LON, or make it with a projection (netconvert --proj.utm, or "
            "`stopline network import` from a map)"
        )
    simulation = SumoSimulation(replace(scenario, routes=(), additional=()), 1)
    simulation.start()
    try:
        convert: Any = libsumo_module().simulation.convertGeo

        def degrees(point: Point) -> tuple[float, float]:
            longitude, latitude = convert(*point)
            return float(latitude), float(longitude)

        yield degrees
    finally:
        simulation.close()


class _Arm(NamedTuple):
    """One edge at a signal's stop line, and what the signal's plan calls it."""

    junction: str
    edge: str
    approach: str


@dataclass(frozen=True, slots=True)
class _Way:
    """From one edge to the next: `turn` is how far it bends, radians, `middle` its line in the junction."""

    source: str
    target: str
    turn: float
    middle: tuple[Point, ...]
    signals: frozenset[str]
    back: bool
    classes: frozenset[str]


class _Upstream(NamedTuple):
    """The street before a stop line: edges and ways between them, nearest first, and its line as driven."""

    edges: tuple[str, ...]
    ways: tuple[_Way, ...]
    line: tuple[Point, ...]


class _Streets:
    """The edges of a network that motor vehicles or trams may use, and the ways between them."""

    def __init__(self, plan_set: PlanSet) -> None:
        network = plan_set.network
        self._lanes: dict[str, list[Lane]] = {}
        for lane in network.lanes.values():
            if not lane.edge.startswith(":") and _classes(lane):
                self._lanes.setdefault(lane.edge, []).append(lane)
        self._middles = {edge: _middle([lane.shape for lane in lanes]) for edge, lanes in self._lanes.items()}
        self._into: dict[str, list[_Way]] = {}
        self._out: dict[str, list[_Way]] = {}
        for way in self._ways(network, plan_set.plans):
            self._into.setdefault(way.target, []).append(way)
            self._out.setdefault(way.source, []).append(way)

    def out(self, edge: str) -> list[_Way]:
        """Ways on from an edge for who comes to its signal, straightest first."""
        return _straightest(self._out.get(edge, ()), self._users(edge))

    def onward(self, edge: str) -> str:
        """The edge straight on from one; "" where the road ends."""
        return next((way.target for way in self.out(edge) if not way.back), "")

    def upstream(self, edge: str, reach: float) -> _Upstream:
        """The street to an edge's stop line, as far as the next signal or `reach` metres."""
        users, edges = self._users(edge), [edge]
        ways: list[_Way] = []
        pieces = [self._middles[edge]]
        while sum(map(_length, pieces)) < reach:
            into = [way for way in self._into.get(edges[-1], ()) if not way.back]
            straight = next(iter(_straightest(into, users)), None)
            if straight is None or straight.source in edges or any(way.signals for way in into):
                break
            ways.append(straight)
            edges.append(straight.source)
            pieces += [straight.middle, self._middles[straight.source]]
        line = [point for piece in reversed(pieces) for point in piece]
        return _Upstream(tuple(edges), tuple(ways), _without_kinks(line))

    def _users(self, edge: str) -> frozenset[str]:
        """Where cars drive a street is followed along streets where cars drive."""
        classes = frozenset[str]().union(*(_classes(lane) for lane in self._lanes.get(edge, ())))
        return frozenset({"passenger"}) if "passenger" in classes else classes

    def _ways(self, network: Network, plans: Collection[str]) -> Iterator[_Way]:
        pairs: dict[tuple[str, str], list[Connection]] = {}
        for connection in network.connections:
            source, target = (_edge_of(lane) for lane in (connection.source, connection.target))
            if source in self._lanes and target in self._lanes and _connected(network, connection):
                pairs.setdefault((source, target), []).append(connection)
        for (source, target), connections in pairs.items():
            yield _Way(
                source=source,
                target=target,
                turn=_bend(self._middles[source], self._middles[target]),
                middle=_middle([_inside(network, connection) for connection in connections]),
                signals=frozenset(c.tls for c in connections if c.tls in plans),
                back=all(c.direction == "t" for c in connections),
                classes=frozenset[str]().union(*(_connected(network, c) for c in connections)),
            )


def _arms(plan_set: PlanSet, plan: SignalPlan) -> Iterator[_Arm]:
    """The edges before a signal from which vehicles or trams drive on a group of its plan."""
    groups = [group for group in plan.groups if group.kind in _DRIVEN]
    named: dict[str, list[str]] = {}
    for movement in plan_set.movements[plan.junction].movements:
        if movement.kind in _DRIVEN and not movement.approach.startswith(":"):
            names = [group.approach for group in groups if movement.link in group.links]
            if names:
                named.setdefault(movement.approach, []).extend(names)
    for edge, names in named.items():
        yield _Arm(plan.junction, edge, edge if edge in names else names[0])


_DRIVEN = (GroupKind.VEHICLE, GroupKind.TRANSIT)


def _then(
    streets: _Streets, arm: _Arm, upstream: Mapping[str, _Upstream], names: Mapping[_Arm, str]
) -> tuple[str, ...]:
    """Names of the approaches whose paths the ways out of an arm's edge lead to, straightest first.

    Where the straightest leads to none an empty name is first: who leaves the map is not taken to turn.
    """
    found: dict[str, None] = {}
    for way in streets.out(arm.edge):
        if way.back:
            continue
        edge, passed = way.target, {arm.edge}
        while edge and edge not in passed:
            if reached := _on(edge, upstream):
                found.update(
                    {names[other]: None for near in reached for other in names if other.edge == near}
                )
                break
            passed.add(edge)
            edge = streets.onward(edge)
        else:
            found.setdefault("", None)
    names_found = tuple(name for name in found if name)
    return ("", *names_found) if names_found and next(iter(found)) == "" else names_found


def _on(edge: str, upstream: Mapping[str, _Upstream]) -> list[str]:
    """The arms' edges whose paths contain an edge, those with the fewest bends from there on first."""
    bends = {
        near: sum(way.turn for way in street.ways[: street.edges.index(edge)])
        for near, street in upstream.items()
        if edge in street.edges
    }
    return sorted(bends, key=bends.__getitem__)


def _straightest(ways: Iterable[_Way], users: frozenset[str]) -> list[_Way]:
    """Those ways that any of the users may take, straightest first."""
    return sorted((way for way in ways if way.classes & users), key=lambda way: way.turn)


def _edge_of(lane: str) -> str:
    return lane.rpartition("_")[0]


def _classes(lane: Lane) -> frozenset[str]:
    return MOTOR if lane.classes is None else lane.classes & MOTOR


def _connected(network: Network, connection: Connection) -> frozenset[str]:
    """The motor classes that may take a connection."""
    lanes = [connection.source, connection.via, connection.target]
    return MOTOR.intersection(*(_classes(network.lanes[lane]) for lane in lanes if lane in network.lanes))


def _inside(network: Network, connection: Connection) -> tuple[Point, ...]:
    """A connection's line inside its junction; nothing where the network has no lanes there."""
    points: list[Point] = []
    via, passed = connection.via, set[str]()
    while via in network.lanes and via not in passed:
        points += network.lanes[via].shape
        passed.add(via)
        via = next((following.via for following in network.leaving.get(via, ())), "")
    return tuple(points)


def _middle(shapes: Sequence[tuple[Point, ...]]) -> tuple[Point, ...]:
    """The line amid lines side by side; where they do not bend at the same places, the middle one of them."""
    if len({len(shape) for shape in shapes}) > 1:
        return shapes[len(shapes) // 2]
    count = len(shapes)
    return tuple(
        (sum(x for x, _ in row) / count, sum(y for _, y in row) / count) for row in zip(*shapes, strict=True)
    )


def _length(line: Sequence[Point]) -> float:
    return sum(math.dist(a, b) for a, b in pairwise(line))


APART_M = 3.0
"""Of two points nearer to each other one is left out: where a lane begins, an edge's middle jumps aside."""


def _without_kinks(line: Sequence[Point]) -> tuple[Point, ...]:
    """A line between the same ends without its shortest pieces."""
    kept = [line[-1]]
    for point in reversed(line[1:-1]):
        if min(math.dist(point, kept[-1]), math.dist(point, line[0])) >= APART_M:
            kept.append(point)
    return (line[0], *reversed(kept))


def _last(line: Sequence[Point], reach: float) -> tuple[Point, ...]:
    """The end of a line, `reach` metres long."""
    kept = [line[-1]]
    for a, b in pairwise(reversed(line)):
        step = math.dist(a, b)
        if step >= reach:
            share = reach / step
            kept.append((a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])))
            break
        kept.append(b)
        reach -= step
    return tuple(reversed(kept))


HEADING_M = 10.0
"""The end of an edge over which its heading counts: the last decimetres of one may point anywhere."""


def _bend(before: Sequence[Point], after: Sequence[Point]) -> float:
    """How far a way bends from one line to the next, radians."""
    enters = _last(tuple(reversed(after)), HEADING_M)[::-1]
    return abs(math.remainder(_heading(enters) - _heading(_last(before, HEADING_M)), math.tau))


def _heading(line: Sequence[Point]) -> float:
    (x0, y0), (x1, y1) = line[0], line[-1]
    return math.atan2(y1 - y0, x1 - x0)


def _in_degrees(line: Iterable[Point], degrees: Degrees) -> tuple[tuple[float, float], ...]:
    """Rounded, and points that rounding makes one are one."""
    places = (degrees(point) for point in line)
    rounded = [(round(latitude, DECIMALS), round(longitude, DECIMALS)) for latitude, longitude in places]
    return tuple(place for place, _ in groupby(rounded))
