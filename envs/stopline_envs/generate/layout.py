"""Street layouts to train on: topology from SUMO's netgenerate, cut to an exact number of junctions."""

from __future__ import annotations

import math
import random
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from stopline_envs.generate.sumo_tools import run_binary
from stopline_signals.errors import ScenarioError

Point = tuple[float, float]
Links = dict[str, set[str]]
_ATTEMPTS = 12
_SHORTEST = 70.0  # m between two junctions: shorter and their shapes would meet


class Kind(StrEnum):
    """What sort of place a generated network looks like."""

    GRID = "grid"
    TOWN = "town"
    SPIDER = "spider"
    ARTERIAL = "arterial"


@dataclass(frozen=True, slots=True)
class Layout:
    """Junctions (signalised, three arms or more) and ends of streets, with the streets between them.

    `points` in metres; `links` is symmetric; names are J1.. and E1.. in the order they were chosen.
    """

    kind: Kind
    points: dict[str, Point]
    links: dict[str, tuple[str, ...]]

    @property
    def junctions(self) -> tuple[str, ...]:
        """The junctions to signalise."""
        return tuple(name for name in self.points if name.startswith("J"))

    @property
    def ends(self) -> tuple[str, ...]:
        """The dead ends where traffic enters and leaves."""
        return tuple(name for name in self.points if name.startswith("E"))

    def length(self, a: str, b: str) -> float:
        """Straight distance, m."""
        return math.dist(self.points[a], self.points[b])

    def bearing(self, a: str, b: str) -> float:
        """Direction of b seen from a, radians."""
        return math.atan2(self.points[b][1] - self.points[a][1], self.points[b][0] - self.points[a][0])


def make_layout(kind: Kind, count: int, rng: random.Random, work: Path) -> Layout:
    """A layout of exactly `count` junctions; raises ScenarioError if none came out of a dozen attempts."""
    for attempt in range(_ATTEMPTS):
        points, links = _read(_generate(kind, count + attempt, rng, work))
        _contract(links)
        if kind is Kind.ARTERIAL:
            points = _stretched(points, rng)
        points = _jittered(points, links, rng)
        chosen = _grow(points, links, count, rng)
        if chosen:
            return _cut(kind, points, links, chosen, rng)
    raise ScenarioError(
        f"no {kind} network with {count} signals came out: ask for fewer signals or another kind"
    )


def _generate(kind: Kind, count: int, rng: random.Random, work: Path) -> Path:
    """Run netgenerate for a topology with at least `count` junctions; the plain files' prefix."""
    prefix = work / f"base{count}"
    short = rng.random() < 0.25
    spacing = rng.uniform(80, 130) if short else rng.uniform(130, 330)
    seed = rng.randrange(1, 2**31)
    options = {"plain-output-prefix": prefix, "seed": seed, **_shape(kind, count, spacing, rng)}
    switch = {Kind.TOWN: "--rand", Kind.SPIDER: "--spider"}.get(kind, "--grid")
    run_binary("netgenerate", options, [switch])
    return prefix


def _shape(kind: Kind, count: int, spacing: float, rng: random.Random) -> dict[str, object]:
    """Netgenerate's options for a place of a kind with at least `count` junctions about `spacing` m apart."""
    match kind:
        case Kind.GRID:
            across = max(2, round(math.sqrt(count)) + rng.choice((0, 0, 1)))
            return {
                "grid.x-number": across,
                "grid.y-number": math.ceil(count / across),
                "grid.x-length": round(spacing, 1),
                "grid.y-length": round(spacing * rng.uniform(0.7, 1.4), 1),
                "grid.attach-length": 200,
            }
        case Kind.ARTERIAL:
            return {
                "grid.x-number": max(2, count),
                "grid.y-number": 1,
                "grid.x-length": 200,
                "grid.attach-length": 200,
            }
        case Kind.SPIDER:
            arms = rng.choice((4, 5, 6) if count > 5 else (3, 4, 5))
            return {
                "spider.arm-number": arms,
                "spider.circle-number": max(1, math.ceil(count / arms)),
                "spider.space-radius": round(max(spacing, 110), 1),
                "spider.attach-length": 200,
                "spider.omit-center": arms == 6,
            }
        case Kind.TOWN:
            return {
                "rand.iterations": 14 * count + 30,
                "rand.min-distance": round(spacing * 0.7, 1),
                "rand.max-distance": round(spacing * 1.6, 1),
                "rand.min-angle": 50,
                "rand.connectivity": round(rng.uniform(0.85, 0.98), 2),
            }


def _read(prefix: Path) -> tuple[dict[str, Point], Links]:
    nodes = ET.parse(f"{prefix}.nod.xml").getroot().iter("node")
    points = {row.attrib["id"]: (float(row.attrib["x"]), float(row.attrib["y"])) for row in nodes}
    links: Links = {name: set() for name in points}
    for row in ET.parse(f"{prefix}.edg.xml").getroot().iter("edge"):
        links[row.attrib["from"]].add(row.attrib["to"])
        links[row.attrib["to"]].add(row.attrib["from"])
    return points, links


def _contract(links: Links) -> None:
    """Turn bends (two arms) into straight streets, where that makes no double street."""
    for name in sorted(links):
        if len(links[name]) != 2:
            continue
        a, b = sorted(links[name])
        if b not in links[a]:
            links[a].add(b)
            links[b].add(a)
            _remove(links, name)


def _remove(links: Links, name: str) -> None:
    for other in links.pop(name):
        links[other].discard(name)


def _stretched(points: dict[str, Point], rng: random.Random) -> dict[str, Point]:
    """Irregular distances along a row of junctions."""
    columns = sorted({x for x, _ in points.values()})
    places = [0.0]
    for _ in columns[1:]:
        gap = rng.uniform(80, 160) if rng.random() < 0.3 else rng.uniform(160, 420)
        places.append(places[-1] + gap)
    moved = dict(zip(columns, places, strict=True))
    return {name: (moved[x], y) for name, (x, y) in points.items()}


def _jittered(points: dict[str, Point], links: Links, rng: random.Random) -> dict[str, Point]:
    """Move every node a little, up to a tenth of its shortest street."""
    amount = rng.choice((0.0, 0.05, 0.10))
    result: dict[str, Point] = {}
    for name in sorted(points):
        x, y = points[name]
        reach = amount * min(
            (math.dist(points[name], points[other]) for other in links.get(name, ())), default=0.0
        )
        result[name] = (x + rng.uniform(-reach, reach), y + rng.uniform(-reach, reach))
    return result


def _grow(points: dict[str, Point], links: Links, count: int, rng: random.Random) -> list[str]:
    """A connected set of `count` nodes of three to five arms, in growing order; empty if there is none."""
    fit = {name for name, around in links.items() if 3 <= len(around) <= 5}
    starts = sorted(fit)
    rng.shuffle(starts)
    for start in starts:
        chosen = [start]
        while len(chosen) < count:
            edge = sorted({far for name in chosen for far in links[name] if far in fit and far not in chosen})
            edge = [
                far for far in edge if all(math.dist(points[far], points[n]) >= _SHORTEST for n in chosen)
            ]
            if not edge:
                break
            chosen.append(rng.choice(edge))
        if len(chosen) == count:
            return chosen
    return []


def _cut(kind: Kind, points: dict[str, Point], links: Links, chosen: list[str], rng: random.Random) -> Layout:
    """Keep the chosen nodes; streets that led elsewhere become dead ends, some of them are left out."""
    names = {name: f"J{number}" for number, name in enumerate(chosen, 1)}
    result_points = {names[name]: points[name] for name in chosen}
    result_links: dict[str, list[str]] = {name: [] for name in result_points}
    tee = rng.uniform(0.0, 0.6)
    ends = 0
    for name in chosen:
        inside = sorted(names[far] for far in links[name] if far in names)
        outside = sorted(far for far in links[name] if far not in names)
        # A T-junction here and there, but never fewer than three arms.
        if len(inside) + len(outside) > 3 and outside and rng.random() < tee:
            outside.remove(rng.choice(outside))
        result_links[names[name]] += inside
        for far in outside:
            ends += 1
            end = f"E{ends}"
            result_points[end] = _towards(points[name], points[far], rng.uniform(170, 320))
            result_links[names[name]].append(end)
            result_links[end] = [names[name]]
    return Layout(kind, result_points, {name: tuple(around) for name, around in result_links.items()})


def _towards(start: Point, target: Point, length: float) -> Point:
    angle = math.atan2(target[1] - start[1], target[0] - start[0])
    return start[0] + length * math.cos(angle), start[1] + length * math.sin(angle)
