"""What leads where on a map of approaches, worked out once: what follows, how far it is, what turns back."""

from __future__ import annotations

import math

from stopline_signals.approach_map import ApproachMap, Point

FURTHEST = 3
"""Approaches that may lie between two junctions of a stated route."""
TURNING_BACK = 140.0
"""Degrees from one approach's end to the beginning of another from which on nobody goes on that way."""


class Ways:
    """What leads where on the map, worked out once."""

    def __init__(self, approaches: ApproachMap) -> None:
        self._map = approaches
        self._onward: dict[str, tuple[str, ...]] = {}
        self._reached: dict[str, dict[str, tuple[str, ...]]] = {}
        self._metres: dict[tuple[str, str], float] = {}

    def likeliest(self, name: str) -> str:
        """The approach that most likely follows; empty where that is none."""
        then = self._map.approaches[name].then
        onward = self.onward(name)
        return next((other for other in then if not other or other in onward), "")

    def onward(self, name: str) -> tuple[str, ...]:
        """The approaches that may follow without turning back."""
        if name not in self._onward:
            self._onward[name] = tuple(
                other
                for other in self._map.approaches[name].then
                if other and abs(turned(self._leaves(name), self._enters(name, other))) < TURNING_BACK
            )
        return self._onward[name]

    def to(self, name: str, junction: str) -> tuple[str, ...] | None:
        """The approaches to follow to a junction; empty when it is this one's, None when it is too far."""
        if name not in self._reached:
            self._reached[name] = self._within(name)
        return self._reached[name].get(junction)

    def metres(self, name: str, following: str) -> float:
        """From one stop line to the next."""
        key = (name, following)
        if key not in self._metres:
            self._metres[key] = self._map.onward(name, following)
        return self._metres[key]

    def _within(self, name: str) -> dict[str, tuple[str, ...]]:
        approaches = self._map.approaches
        found: dict[str, tuple[str, ...]] = {approaches[name].junction: ()}
        ways: dict[str, tuple[str, ...]] = {name: ()}
        for _ in range(FURTHEST):
            further: dict[str, tuple[str, ...]] = {}
            for here, way in ways.items():
                for following in self.onward(here):
                    further.setdefault(following, (*way, following))
            for following, way in further.items():
                found.setdefault(approaches[following].junction, way)
            ways = further
        return found

    def _leaves(self, name: str) -> float:
        points = self._map.lines[name].points
        return course(points[-2], points[-1])

    def _enters(self, name: str, following: str) -> float:
        """The course at which the following path is driven on, from where it is joined."""
        end, line = self._map.lines[name].points[-1], self._map.lines[following]
        index = min(range(len(line.points) - 1), key=lambda piece: line.nearest(piece, end)[0])
        return course(line.points[index], line.points[index + 1])


def turned(a: float, b: float) -> float:
    """Degrees from one course to another, -180 to 180."""
    return (b - a + 180.0) % 360.0 - 180.0


def course(a: Point, b: Point) -> float:
    """Degrees clockwise from north."""
    return math.degrees(math.atan2(b[0] - a[0], b[1] - a[1])) % 360.0
