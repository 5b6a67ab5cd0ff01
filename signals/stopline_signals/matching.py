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

from stopline_signals.approach_map import ApproachMap, Line, MappedApproach, Point
from stopline_signals.plausible import FARTHEST_M, FASTEST_MPS, SLACK_M, WORST_ACCURACY_M
from stopline_signals.vehicles import Ahead, Fix, RouteStop, VehicleReport
from stopline_signals.ways import Ways, course, turned

KEPT_S = 6.0
"""A vehicle seen on no approach is taken for so long to drive on: it crosses a junction, or has no sky."""
HORIZON_M = 800.0
"""How far ahead a way is predicted; a wrong guess further on would cost others for nothing."""
MOST_PREDICTED = 4
"""Junctions that are predicted at most."""
KEPT_TRACKS = 1_000
FORGOTTEN_S = 60.0
"""For so long a silent vehicle's course and approach are remembered: it may stand at a red light."""
STAYED_M = 30.0
"""One that was not seen for a while has stayed where it was if it is found within this distance."""
TYPICAL_M = 5.0
"""Error of a position that states none (standard deviation of a receiver in a street)."""
LEAST_M = 3.0
"""Error that every position has against a map: stop lines and the middle of a street are no exact places."""
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
        self._ways = Ways(approaches)
        self._tracks: dict[str, _Track] = {}
        self._prune_at = KEPT_TRACKS

    def place(
        self, vehicle: str, fix: Fix, speed_mps: float, route: Sequence[RouteStop], now: float
    ) -> Placed:
        """Where the vehicle is and what is ahead of it; `now` in seconds, `route` in the order it drives."""
        point = self._map.metres(fix.latitude, fix.longitude)
        track = self._track(vehicle, point, now)
        track.look(point, fix, speed_mps, now)
        track.follow(tuple(route))
        best = min(self._candidates(track, fix, speed_mps), default=None)
        if best is None:
            return track.held(now)
        track.move(best.approach, self._map.approaches)
        placed = self._placed(best, track)
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
            stated = ahead.distance_m or FASTEST_MPS * ahead.eta_s
            rows = self._map.of_junction(ahead.junction)
            own = [row for row in rows if row.approach == ahead.approach] or rows
            nearest = min((math.dist(here, self._map.lines[row.name].points[-1]) for row in own), default=0.0)
            # The way along the street is never shorter than the crow's.
            if nearest > stated + report.position.accuracy_m + SLACK_M:
                return f"says {stated:.0f} m to {ahead.junction}, which is {nearest:.0f} m from its position"
        return ""

    def _track(self, vehicle: str, point: Point, now: float) -> _Track:
        if len(self._tracks) > self._prune_at:
            self._tracks = {
                name: track for name, track in self._tracks.items() if now - track.at <= FORGOTTEN_S
            }
            # Not again at every report while all of them are fresh.
            self._prune_at = max(KEPT_TRACKS, 2 * len(self._tracks))
        track = self._tracks.get(vehicle)
        if track is None or track.lost(point, now):
            track = self._tracks[vehicle] = _Track(at=now, matched_at=-math.inf)
        return track

    def _candidates(self, track: _Track, fix: Fix, speed_mps: float) -> Iterator[_Candidate]:
        """Approaches the vehicle may be on, the best with the lowest cost."""
        error = _error(fix)
        wanted = {stop.junction for stop in track.route[track.done :]}
        before = track.placed.approach
        then = self._map.approaches[before].then if before else ()
        # One that stands at the line may seem to be beyond it.
        furthest = min(4 * error, STANDING_BEYOND_M) if speed_mps < SLOW_MPS else error
        for name, near in self._pieces.near(track.point):
            if near.beside_m > WIDE_M + 2 * error or (track.course is None and name not in (before, *then)):
                continue
            turn = 0.0 if track.course is None else abs(turned(track.course, near.course))
            if turn > WIDEST_TURN or near.beyond_m > furthest:
                continue
            cost = (near.beside_m / error) ** 2 + (turn / TYPICAL_TURN) ** 2 + UNRELATED
            if name == before:
                cost -= UNRELATED
            elif name in then:
                cost -= UNRELATED * FOLLOWING - 0.1 * then.index(name)
            if wanted and self._map.approaches[name].junction not in wanted:
                cost += OFF_ROUTE
            yield _Candidate(cost, near.left_m, name, near.beside_m)

    def _placed(self, best: _Candidate, track: _Track) -> Placed:
        """The junctions ahead with the metres to each, by the route or by a guess."""
        where = (best.approach, best.distance_m, best.beside_m)
        left = track.route[track.done :]
        if track.route and not left:
            return Placed(*where, reason="its route is driven")
        if stated := tuple(self._along(best.approach, best.distance_m, left)):
            return Placed(*where, stated)
        guessed = tuple(self._guessed(best.approach, best.distance_m))
        return Placed(*where, guessed, True, "is off its route" if track.route else "")

    def _along(self, approach: str, metres: float, route: Sequence[RouteStop]) -> Iterator[Ahead]:
        """What is ahead on a stated route, as far as the map goes on."""
        name, seen = approach, set[str]()
        for stop in route[self._first(approach, route) :]:
            way = self._ways.to(name, stop.junction)
            if way is None or stop.junction in seen:
                return
            for following in way:
                metres += self._ways.metres(name, following)
                name = following
            if metres > FARTHEST_M:
                return
            seen.add(stop.junction)
            yield Ahead(stop.junction, stop.group, self._map.approaches[name].approach, metres)

    def _first(self, approach: str, route: Sequence[RouteStop]) -> int:
        """Index of the route's junction that comes first from here; its length when none does."""
        ways = ((self._ways.to(approach, stop.junction), index) for index, stop in enumerate(route))
        return min(((len(way), index) for way, index in ways if way is not None), default=(0, len(route)))[1]

    def _guessed(self, approach: str, metres: float) -> Iterator[Ahead]:
        name, seen = approach, set[str]()
        while len(seen) < MOST_PREDICTED:
            row = self._map.approaches[name]
            if row.junction in seen or (seen and metres > HORIZON_M):
                return
            seen.add(row.junction)
            yield Ahead(row.junction, "", row.approach, metres)
            following = self._ways.likeliest(name)
            if not following:
                return
            metres += self._ways.metres(name, following)
            name = following


WIDE_M = 12.0
"""Half of a wide street: nobody is further beside an approach's path."""
REACH_M = WIDE_M + 2 * WORST_ACCURACY_M
STANDING_BEYOND_M = 20.0
AT_LINE_M = 40.0
"""One that was last seen so near its stop line, or nearer, and is on another approach now, has passed it."""
WIDEST_TURN = 60.0
"""Degrees by which a vehicle's course may differ from its street's."""
TYPICAL_TURN = 25.0
UNRELATED = 4.0
"""Cost of being on an approach that does not follow from the last one, as of two standard deviations."""
FOLLOWING = 0.8
"""Share of it that one which follows is spared."""
OFF_ROUTE = 3.0
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
    """As it was matched last."""
    route: tuple[RouteStop, ...] = ()
    done: int = 0
    """How many of its junctions are behind it."""

    def lost(self, point: Point, now: float) -> bool:
        """Whether nothing of what was known holds any more."""
        gone = now - self.at
        return gone > FORGOTTEN_S or (gone > KEPT_S and math.dist(self.point, point) > STAYED_M)

    def follow(self, route: tuple[RouteStop, ...]) -> None:
        """Its route; what is behind it on one stays behind it while the route is the same."""
        if route != self.route:
            self.route, self.done = route, 0

    def move(self, approach: str, approaches: Mapping[str, MappedApproach]) -> None:
        """It is on an approach; if it has come there over a stop line, that junction of its route is done."""
        junction = approaches[approach].junction
        again = [i for i, stop in enumerate(self.route[: self.done]) if stop.junction == junction]
        if again:
            self.done = again[-1]  # it seemed to be beyond the line and was not
        elif (
            self.placed.approach not in ("", approach) and self.placed.distance_m - self.driven_m <= AT_LINE_M
        ):
            left = approaches[self.placed.approach].junction
            behind = [i for i, stop in enumerate(self.route) if i >= self.done and stop.junction == left]
            self.done = behind[0] + 1 if behind else self.done

    def look(self, point: Point, fix: Fix, speed_mps: float, now: float) -> None:
        self.driven_m += speed_mps * (now - self.at)
        self.at, self.point = now, point
        if self.told_from is None:
            self.told_from = point
        if speed_mps < SLOW_MPS:
            return  # neither its receiver's heading nor two positions of one that stands say anything
        far = math.dist(self.told_from, point) >= max(_MOVED_M, 2 * _error(fix))
        if fix.heading is not None:
            self.course = fix.heading
        elif far:
            self.course = course(self.told_from, point)
        if far:
            self.told_from = point

    def keep(self, placed: Placed, now: float) -> None:
        self.placed, self.matched_at, self.driven_m = placed, now, 0.0

    def held(self, now: float) -> Placed:
        """What was known, driven on for a while."""
        if now - self.matched_at > KEPT_S:
            why = "on no approach of the map" if self.course is not None else "its course is not known yet"
            return Placed(reason=why)
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
    beside, left = line.nearest(index, point)
    last = index == len(line.points) - 2
    beyond = max(line.along(index, point) - line.piece(index), 0.0) if last else 0.0
    # Beyond the stop line counts as beyond, not as beside.
    aside = math.sqrt(max(beside**2 - beyond**2, 0.0))
    return _Near(aside, left, beyond, course(line.points[index], line.points[index + 1]))


def _error(fix: Fix) -> float:
    """Standard deviation of a position against the map, m."""
    return max(fix.accuracy_m or TYPICAL_M, LEAST_M)


def _cell(point: Point) -> tuple[int, int]:
    return math.floor(point[0] / CELL_M), math.floor(point[1] / CELL_M)


def _cells(a: Point, b: Point) -> Iterator[tuple[int, int]]:
    """Cells from which the piece may be within reach."""
    west, south = _cell((min(a[0], b[0]) - REACH_M, min(a[1], b[1]) - REACH_M))
    east, north = _cell((max(a[0], b[0]) + REACH_M, max(a[1], b[1]) + REACH_M))
    for x in range(west, east + 1):
        for y in range(south, north + 1):
            yield x, y
