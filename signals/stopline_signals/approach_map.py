"""Where the approaches of signals lie on the ground, so that a position can be told to be on one of them.

A map is one TOML file that all controllers of a town may share::

    format = "stopline-approaches-1"

    [[approach]]
    name = "J1_J2"                                    # of this entry
    junction = "J2"                                   # whose stop line is at the path's end
    approach = "west"                                 # as that junction's plan calls it
    path = [[52.26012, 10.52001], [52.26015, 10.52288]]  # latitude, longitude, in the direction of travel
    then = ["J2_J3", "J2_J7"]                            # what may follow, likeliest first; "": off the map
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, cast

from stopline_signals.errors import StoplineError

FORMAT = "stopline-approaches-1"
EARTH_M = 6_371_008.8
"""Mean radius (IUGG)."""
WIDEST_M = 100_000.0
"""Extent of a map. On its plane metres are 0.2 % off 10 km from the middle at 52 degrees, 1 % at the rim."""
LONGEST_PIECE_M = 5_000.0
"""Between two points of a path; more is a slip of the pen, such as latitude and longitude exchanged."""

Point = tuple[float, float]
"""Metres east and north of the map's origin."""


class MapError(StoplineError):
    """A map that cannot be used; every mistake is named with its entry."""


class MappedApproach(NamedTuple):
    """One approach: its path in degrees (latitude, longitude) ends at the stop line of its junction."""

    name: str
    junction: str
    approach: str
    path: tuple[tuple[float, float], ...]
    then: tuple[str, ...] = ()
    """Approaches that may follow, likeliest first; an empty name says that a way leads off the map."""


@dataclass(frozen=True, slots=True)
class Line:
    """A path on the plane, in metres, with the metres from its start to each of its points."""

    points: tuple[Point, ...]
    marks: tuple[float, ...]

    @property
    def length(self) -> float:
        """Metres from its start to the stop line."""
        return self.marks[-1]

    def nearest(self, index: int, point: Point) -> tuple[float, float]:
        """Metres from a point to a piece of the path, and from there along it to the stop line."""
        (ax, ay), (bx, by) = self.points[index], self.points[index + 1]
        whole = self.piece(index)
        along = min(max(self.along(index, point), 0.0), whole)
        share = along / whole if whole else 0.0
        foot = (ax + share * (bx - ax), ay + share * (by - ay))
        return math.dist(point, foot), self.length - self.marks[index] - along

    def piece(self, index: int) -> float:
        """Length of a piece, m."""
        return self.marks[index + 1] - self.marks[index]

    def along(self, index: int, point: Point) -> float:
        """Metres from a piece's beginning to beside a point: under 0 before it, over its length beyond."""
        (ax, ay), (bx, by) = self.points[index], self.points[index + 1]
        whole = self.piece(index)
        return ((point[0] - ax) * (bx - ax) + (point[1] - ay) * (by - ay)) / whole if whole else 0.0


@dataclass(frozen=True)
class ApproachMap:
    """Approaches by name, on a plane about their middle."""

    approaches: Mapping[str, MappedApproach] = field(default_factory=dict[str, MappedApproach])

    @cached_property
    def origin(self) -> tuple[float, float]:
        """Latitude and longitude of the plane's origin, degrees."""
        points = [point for row in self.approaches.values() for point in row.path]
        if not points:
            return 0.0, 0.0
        return (
            (min(p[0] for p in points) + max(p[0] for p in points)) / 2,
            (min(p[1] for p in points) + max(p[1] for p in points)) / 2,
        )

    @cached_property
    def lines(self) -> Mapping[str, Line]:
        """Each approach's path in metres."""
        return {
            name: _line([self.metres(*point) for point in row.path]) for name, row in self.approaches.items()
        }

    def metres(self, latitude: float, longitude: float) -> Point:
        """A place on the plane (equirectangular)."""
        north, east = self.origin
        return (
            math.radians(longitude - east) * EARTH_M * math.cos(math.radians(north)),
            math.radians(latitude - north) * EARTH_M,
        )

    def of_junction(self, junction: str) -> tuple[MappedApproach, ...]:
        """The approaches of one junction."""
        return self._by_junction.get(junction, ())

    @cached_property
    def _by_junction(self) -> Mapping[str, tuple[MappedApproach, ...]]:
        found: dict[str, tuple[MappedApproach, ...]] = {}
        for row in self.approaches.values():
            found[row.junction] = (*found.get(row.junction, ()), row)
        return found

    def onward(self, name: str, following: str) -> float:
        """Metres from one approach's stop line to that of the next: across the junction, then along its path.

        A path may be joined in its middle, so it counts from where it is nearest to the first stop line.
        """
        end, line = self.lines[name].points[-1], self.lines[following]
        across, left = min(line.nearest(index, end) for index in range(len(line.points) - 1))
        return across + left


def apart_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Metres between two places of a town, given by latitude and longitude."""
    north = math.radians(b[0] - a[0])
    east = math.radians(b[1] - a[1]) * math.cos(math.radians(a[0]))
    return EARTH_M * math.hypot(north, east)


def map_from_table(table: Mapping[str, Any], where: str) -> ApproachMap:
    """A map from parsed TOML; MapError lists all mistakes, `where` is the file's name."""
    problems: list[str] = []
    if table.get("format") != FORMAT:
        problems.append(f"format must be {FORMAT!r}, found {table.get('format')!r}")
    found = table.get("approach")
    rows = cast("list[Mapping[str, Any]]", found) if isinstance(found, list) else []
    if not rows:
        problems.append("has no [[approach]]")
    approaches: dict[str, MappedApproach] = {}
    for number, row in enumerate(rows, 1):
        entry = f"approach {number}"
        try:
            entry = f"approach {row.get('name') or number}"
            made = _approach(row)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            problems.append(f"{entry}: {_words(error)}")
            continue
        if made.name in approaches:
            problems.append(f"{entry}: there are two of that name")
        approaches[made.name] = made
    for made in approaches.values():
        problems += [
            f"approach {made.name}: then names {name!r}, which is none of the map's"
            for name in made.then
            if name and name not in approaches
        ]
    made_map = ApproachMap(approaches)
    problems += [] if problems else _extent(made_map)
    if problems:
        raise MapError("\n".join([f"{where}: {len(problems)} mistakes", *(f"  {text}" for text in problems)]))
    return made_map


def map_to_table(approaches: Sequence[MappedApproach]) -> dict[str, Any]:
    """What `map_from_table` reads."""
    return {
        "format": FORMAT,
        "approach": [
            {
                "name": row.name,
                "junction": row.junction,
                "approach": row.approach,
                "path": [[latitude, longitude] for latitude, longitude in row.path],
                "then": list(row.then),
            }
            for row in approaches
        ],
    }


_TEXTS = ("name", "junction", "approach")


def _approach(row: Mapping[str, Any]) -> MappedApproach:
    unknown = sorted(set(row) - {*_TEXTS, "path", "then"})
    if unknown:
        raise ValueError(f"unknown {', '.join(unknown)}; known are {', '.join((*_TEXTS, 'path', 'then'))}")
    for name in _TEXTS:
        if not isinstance(row[name], str) or not row[name]:
            raise ValueError(f"{name} must be a text")
    path = tuple((float(latitude), float(longitude)) for latitude, longitude in row["path"])
    if len(path) < 2:
        raise ValueError("path needs two points or more")
    for latitude, longitude in path:
        if not abs(latitude) <= 90 or not abs(longitude) <= 180:
            raise ValueError(f"[{latitude}, {longitude}] is no latitude and longitude")
    return MappedApproach(
        row["name"], row["junction"], row["approach"], path, tuple(str(name) for name in row.get("then", ()))
    )


def _words(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    if isinstance(error, AttributeError):
        return "must be a table"
    if isinstance(error, TypeError):
        return "path must be a list of [latitude, longitude], then a list of names"
    return str(error)


def _extent(made: ApproachMap) -> list[str]:
    """What makes the plane wrong, or the map."""
    problems: list[str] = []
    for name, line in made.lines.items():
        longest = max(math.dist(a, b) for a, b in pairwise(line.points))
        if longest > LONGEST_PIECE_M:
            problems.append(f"approach {name}: {longest:.0f} m between two points of its path")
        elif line.length <= 0:
            problems.append(f"approach {name}: its path has no length")
    points = [point for line in made.lines.values() for point in line.points]
    for axis in (0, 1):
        if max(p[axis] for p in points) - min(p[axis] for p in points) > WIDEST_M:
            return [*problems, f"is wider than {WIDEST_M / 1000:g} km: a town's map is meant"]
    return problems


def _line(points: Sequence[Point]) -> Line:
    marks = [0.0]
    for a, b in pairwise(points):
        marks.append(marks[-1] + math.dist(a, b))
    return Line(tuple(points), tuple(marks))
