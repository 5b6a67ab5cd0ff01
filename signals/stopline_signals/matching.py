"""From a vehicle's position to the stop lines ahead of it: matched to an approach, then along its route.

What a receiver tells is wrong by some metres and silent in places, so a match is judged by distance, course
and where the vehicle was a moment ago, and outlives a short gap. Without a route the way is predicted: of the
approaches that may follow, the one the map names first.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from stopline_signals.approach_map import ApproachMap, Line, Point
from stopline_signals.plausible import FASTEST_MPS, SLACK_M
from stopline_signals.vehicles import Ahead, Fix, RouteStop, VehicleReport

KEPT_S = 6.0
"""A vehicle seen on no approach is taken for so long to drive on: it crosses a junction, or has no sky."""
HORIZON_M = 800.0
"""How far ahead a way is predicted; a wrong guess further on would cost others for nothing."""
MOST_PREDICTED = 4
"""Junctions that are predicted at most."""
KEPT_TRACKS = 1_000
TYPICAL_M = 5.0
"""Error of a position that states none (standard deviation of a receiver in a street)."""
SLOW_MPS = 1.5
"""Below this a receiver's course is noise."""


class Placed(NamedTuple):
    """Where a position is: on which approach (empty: none), m to its stop line, m beside its path."""

    approach: str = ""
    distance_m: float = 0.0
    beside_m: float = 0.0
    ahead: tuple[Ahead, ...] = ()
    """Junctions ahead, nearest first."""
    predicted: bool = False
    """Whether the way ahead is a guess, for no route was given or the vehicle has left it."""
    reason: str = ""


class Tracker:
    """Matches the positions of all vehicles; not for several threads at once."""

    def __init__(self, approaches: ApproachMap) -> None:
        self._map = approaches
        self._pieces = _Pieces(approaches.lines)
        self._tracks: dict[str, _Track] = {}

    def place(
        self, vehicle: str, fix: Fix, speed_mps: float, route: Sequence[RouteStop], now: float
    ) -> Placed:
        """Where the vehicle is and what is ahead of it; `now` in seconds, `route` in the order it drives."""
        track = self._track(vehicle, now)
        track.look(self._map.metres(fix.latitude, fix.longitude), fix, speed_mps, now)
        best = min(self._candidates(track, fix, speed_mps, route), default=None)
        if best is None:
            return track.held(now)
        ahead, on_route = self._ahead(best.approach, best.distance_m, route)
        reason = "" if on_route or not route else "is off its route"
        placed = Placed(best.approach, best.distance_m, best.beside_m, ahead, not on_route, reason)
        track.keep(placed, now)
        return placed

    def forget(self, vehicle: str) -> None:
        """The vehicle's trip is over."""
        self._tracks.pop(vehicle, None)

    def lie(self, report: VehicleReport) -> str:
        """Why the stated metres cannot be true where the vehicle is; empty when they can."""
        if report.position is None:
            return ""
        here = self._map.metres(report.position.latitude, report.position.longitude)
        for ahead in report.ahead:
            stated = max(ahead.distance_m, FASTEST_MPS * ahead.eta_s)
            lines = [
                self._map.lines[row.name]
                for row in self._map.of_junction(ahead.junction)
                if ahead.approach in ("", row.approach)
            ]
            nearest = min((math.dist(here, line.points[-1]) for line in lines), default=0.0)
            # The way along the street is never shorter than the crow's.
            if nearest > stated + report.position.accuracy_m + SLACK_M:
                return f"says {stated:.0f} m to {ahead.junction}, which is {nearest:.0f} m from its position"
        return ""

    def _track(self, vehicle: str, now: float) -> _Track:
        if len(self._tracks) > KEPT_TRACKS:
            self._tracks = {name: track for name, track in self._tracks.items() if now - track.at <= KEPT_S}
        track = self._tracks.get(vehicle)
        if track is None or now - track.at > KEPT_S:
            track = self._tracks[vehicle] = _Track(at=now, matched_at=-math.inf)
        return track

    def _candidates(
        self, track: _Track, fix: Fix, speed_mps: float, route: Sequence[RouteStop]
    ) -> Iterator[_Candidate]:
        """Approaches the vehicle may be on, the best with the lowest cost."""
        error = fix.accuracy_m or TYPICAL_M
        wanted = {stop.junction for stop in route}
        before = track.placed.approach
        then = self._map.approaches[before].then if before else ()
        for name, near in self._pieces.near(track.point):
            if near.beside_m > WIDE_M + 2 * error or (track.course is None and name not in (before, *then)):
                continue
            # One that stands at the line may seem to be beyond it.
            if near.beyond_m > (4 * error if speed_mps < SLOW_MPS else error):
                continue
            turn = 0.0 if track.course is None else abs(turned(track.course, near.course))
            if turn > WIDEST_TURN:
                continue
            cost = (near.beside_m / error) ** 2 + (turn / TYPICAL_TURN) ** 2 + UNRELATED
            if name == before:
                cost -= UNRELATED
            elif name in then:
                cost -= UNRELATED * FOLLOWING - 0.1 * then.index(name)
            if wanted and self._map.approaches[name].junction not in wanted:
                cost += OFF_ROUTE
            yield _Candidate(cost, near.left_m, name, near.beside_m)

    def _ahead(
        self, approach: str, distance_m: float, route: Sequence[RouteStop]
    ) -> tuple[tuple[Ahead, ...], bool]:
        """The junctions ahead with the metres to each, and whether they are the route's."""
        stated = tuple(self._along(approach, distance_m, route))
        return (stated, True) if stated else (tuple(self._guessed(approach, distance_m)), False)

    def _along(self, approach: str, metres: float, route: Sequence[RouteStop]) -> Iterator[Ahead]:
        """What is ahead on a stated route, as far as the map goes on."""
        name, seen = approach, set[str]()
        for stop in route[self._reached(approach, route) :]:
            ways = self._leads(name, stop.junction)
            if ways is None or stop.junction in seen:
                return
            for following in ways:
                metres += self._map.onward(name, following)
                name = following
            seen.add(stop.junction)
            side = "" if stop.group else self._map.approaches[name].approach
            yield Ahead(stop.junction, stop.group, side, metres)

    def _reached(self, approach: str, route: Sequence[RouteStop]) -> int:
        """Index of the route's junction that comes first from here; its length when none does."""
        ways = ((self._leads(approach, stop.junction), index) for index, stop in enumerate(route))
        return min(((len(way), index) for way, index in ways if way is not None), default=(0, len(route)))[1]

    def _leads(self, approach: str, junction: str) -> tuple[str, ...] | None:
        """The approaches to follow from one to a junction; empty when it is this one's, None if none."""
        ways: dict[str, tuple[str, ...]] = {approach: ()}
        for _ in range(FURTHEST + 1):
            for name, way in ways.items():
                if self._map.approaches[name].junction == junction:
                    return way
            further: dict[str, tuple[str, ...]] = {}
            for name, way in ways.items():
                for following in self._map.approaches[name].then:
                    further.setdefault(following, (*way, following))
            ways = further
        return None

    def _guessed(self, approach: str, metres: float) -> Iterator[Ahead]:
        name: str | None = approach
        seen: set[str] = set()
        while name is not None and len(seen) < MOST_PREDICTED:
            row = self._map.approaches[name]
            if row.junction in seen or (seen and metres > HORIZON_M):
                return
            seen.add(row.junction)
            yield Ahead(row.junction, "", row.approach, metres)
            following = row.then[0] if row.then else None
            metres += self._map.onward(name, following) if following else 0.0
            name = following


def turned(a: float, b: float) -> float:
    """Degrees from one course to another, -180 to 180."""
    return (b - a + 180.0) % 360.0 - 180.0


WIDE_M = 12.0
"""Half of a wide street: nobody is further beside an approach's path."""
REACH_M = WIDE_M + 2 * 50.0
WIDEST_TURN = 60.0
"""Degrees by which a vehicle's course may differ from its street's."""
TYPICAL_TURN = 25.0
UNRELATED = 4.0
"""Cost of being on an approach that does not follow from the last one, as of two standard deviations."""
FOLLOWING = 0.8
"""Share of it that one which follows is spared."""
OFF_ROUTE = 3.0
FURTHEST = 3
"""Approaches that may lie between two junctions of a stated route."""
CELL_M = 150.0
_MOVED_M = 8.0
"""From two positions so far apart a course can be told."""


class _Near(NamedTuple):
    """A position against a path: m beside it, left to its end, beyond it, and the path's course there."""

    beside_m: float
    left_m: float
    beyond_m: float
    course: float

    @property
    def off_m(self) -> float:
        """How far off the piece."""
        return self.beside_m + self.beyond_m


class _Candidate(NamedTuple):
    cost: float
    distance_m: float
    approach: str
    beside_m: float


NOWHERE = Placed()


@dataclass(slots=True)
class _Track:
    """What is known of a vehicle on its way."""

    at: float
    matched_at: float
    point: Point = (0.0, 0.0)
    course: float | None = None
    told_from: Point | None = None
    """Where its course was told from last."""
    driven_m: float = 0.0
    """Since the last match."""
    placed: Placed = NOWHERE

    def look(self, point: Point, fix: Fix, speed_mps: float, now: float) -> None:
        self.driven_m += speed_mps * (now - self.at)
        self.at, self.point = now, point
        if self.told_from is None:
            self.told_from = point
        if speed_mps < SLOW_MPS:
            return  # neither its receiver's heading nor two positions of one that stands say anything
        far = math.dist(self.told_from, point) >= max(_MOVED_M, 2 * (fix.accuracy_m or TYPICAL_M))
        if fix.heading is not None:
            self.course = fix.heading
        elif far:
            self.course = _course(self.told_from, point)
        if far:
            self.told_from = point

    def keep(self, placed: Placed, now: float) -> None:
        self.placed, self.matched_at, self.driven_m = placed, now, 0.0

    def held(self, now: float) -> Placed:
        """What was known, driven on for a while."""
        if now - self.matched_at > KEPT_S:
            why = "on no approach of the map" if self.course is not None else "its course is not known yet"
            self.placed = Placed(reason=why)
            return self.placed
        ahead = tuple(
            one._replace(distance_m=one.distance_m - self.driven_m)
            for one in self.placed.ahead
            if one.distance_m > self.driven_m
        )
        return Placed(ahead=ahead, predicted=self.placed.predicted, reason="between two approaches")


class _Pieces:
    """The pieces of all paths in a grid, so that a town's map costs no more than a corner's."""

    def __init__(self, lines: Mapping[str, Line]) -> None:
        self._lines = lines
        self._cells: defaultdict[tuple[int, int], dict[tuple[str, int], None]] = defaultdict(dict)
        for name, line in lines.items():
            for index, (a, b) in enumerate(pairwise(line.points)):
                for cell in _cells(a, b):
                    self._cells[cell][name, index] = None

    def near(self, point: Point) -> Iterable[tuple[str, _Near]]:
        """Paths near a point, each with its nearest piece."""
        best: dict[str, _Near] = {}
        for name, index in self._cells.get(_cell(point), ()):
            found = _against(self._lines[name], index, point)
            if name not in best or found.off_m < best[name].off_m:
                best[name] = found
        return best.items()


def _against(line: Line, index: int, point: Point) -> _Near:
    (ax, ay), (bx, by) = line.points[index], line.points[index + 1]
    length = line.marks[index + 1] - line.marks[index]
    if not length:
        return _Near(math.dist(point, (ax, ay)), line.length - line.marks[index], 0.0, 0.0)
    ux, uy = (bx - ax) / length, (by - ay) / length
    along = (point[0] - ax) * ux + (point[1] - ay) * uy
    last = index == len(line.points) - 2
    held = min(max(along, 0.0), length)
    # Beyond the stop line counts as beyond, not as beside.
    foot = along if last and along > length else held
    beside = math.dist(point, (ax + foot * ux, ay + foot * uy))
    left = line.length - line.marks[index] - held
    return _Near(beside, left, max(along - length, 0.0) if last else 0.0, _course((ax, ay), (bx, by)))


def _course(a: Point, b: Point) -> float:
    """Degrees clockwise from north."""
    return math.degrees(math.atan2(b[0] - a[0], b[1] - a[1])) % 360.0


def _cell(point: Point) -> tuple[int, int]:
    return math.floor(point[0] / CELL_M), math.floor(point[1] / CELL_M)


def _cells(a: Point, b: Point) -> Iterator[tuple[int, int]]:
    """Cells from which the piece may be within reach."""
    west, south = _cell((min(a[0], b[0]) - REACH_M, min(a[1], b[1]) - REACH_M))
    east, north = _cell((max(a[0], b[0]) + REACH_M, max(a[1], b[1]) + REACH_M))
    for x in range(west, east + 1):
        for y in range(south, north + 1):
            yield x, y
