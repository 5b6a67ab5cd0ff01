"""Monitor cards of irregular junctions: conflicts by where lines cross, least times by the second book."""

from __future__ import annotations

import math
from itertools import permutations

from stopline_mmu import Card, Channel, book
from tests.signals.irregular import Junction, Lane

Point = tuple[float, float]
HALF_ARM = 8
"""Degrees between the middle of an arm and its stop line, and its exit."""


def card_of(junction: Junction) -> Card:
    """The card, from geometry alone; channels are the lanes, then the crossings."""
    lanes = junction.lanes
    channels = [_channel(junction, lane) for lane in lanes]
    channels += [_walk(junction, arm) for arm in junction.crossings]
    pairs = list(permutations(range(len(channels)), 2))
    hits = {pair: _hits(junction, lanes, *pair) for pair in pairs}
    return Card(
        channels=tuple(channels),
        compatible=frozenset(pair for pair in pairs if not hits[pair]),
        yields=frozenset(p for p in pairs if hits[p] and all(waits for _, waits in hits[p])),
        oncoming=frozenset(
            p for p in pairs if max(p) < len(lanes) and hits[p] and all(waits for _, waits in hits[p])
        ),
        clearance={
            (i, j): _clearance(junction, lanes, i, max(metres for metres, _ in hits[i, j]))
            for i, j in pairs
            if hits[i, j]
        },
    )


def _channel(junction: Junction, lane: Lane) -> Channel:
    yellow = book.yellow(junction.speeds[lane.arm])
    return Channel(name=lane.name, min_green=50, min_change=yellow, min_red=20)


def _walk(junction: Junction, arm: int) -> Channel:
    metres = junction.walk_m(arm)
    return Channel(
        name=f"walk{arm}",
        pedestrian=True,
        min_green=book.walk(metres),
        min_change=book.pedestrian_change(metres),
        min_red=20,
    )


def _clearance(junction: Junction, lanes: tuple[Lane, ...], ending: int, metres: float) -> int:
    if ending >= len(lanes):
        return book.pedestrian_change(junction.walk_m(junction.crossings[ending - len(lanes)])) + 30
    speed = junction.speeds[lanes[ending].arm]
    return book.yellow(speed) + book.red(round(metres, 3), speed)


def _hits(junction: Junction, lanes: tuple[Lane, ...], i: int, j: int) -> list[tuple[float, bool]]:
    """Where i and j meet: metres i has gone by then, and whether i may wait there for j."""
    if min(i, j) >= len(lanes):
        return []
    if i >= len(lanes):
        return [(0.0, False) for _, _ in _hits(junction, lanes, j, i)]
    lane = lanes[i]
    if j >= len(lanes):
        arm = junction.crossings[j - len(lanes)]
        if arm == lane.arm:
            return [(0.0, False)]
        return [(_length(junction, lane.arm, arm), _side(junction, lane.arm, arm) != 0)] * (arm in lane.to)
    other = lanes[j]
    found: list[tuple[float, bool]] = []
    for a in lane.to:
        for b in other.to:
            metres = _meet(junction, (lane.arm, a), (other.arm, b)) if lane.arm != other.arm else None
            if metres is not None:
                left = _side(junction, lane.arm, a) > 0 and _side(junction, other.arm, b) <= 0
                found.append((metres, left and _faces(junction, lane.arm, other.arm)))
    return found


def _at(junction: Junction, degrees: float) -> Point:
    return (
        junction.radius * math.cos(math.radians(degrees)),
        junction.radius * math.sin(math.radians(degrees)),
    )


def _way(junction: Junction, arm: int, to: int) -> tuple[Point, Point]:
    """From the stop line, right of the arm's middle for who drives in, to the exit."""
    return _at(junction, junction.arms[arm] + HALF_ARM), _at(junction, junction.arms[to] - HALF_ARM)


def _length(junction: Junction, arm: int, to: int) -> float:
    return math.dist(*_way(junction, arm, to))


def _side(junction: Junction, arm: int, to: int) -> int:
    """-1: turns right, 1: left, 0: goes straight on, within 28 degrees."""
    inward, outward = math.radians(junction.arms[arm] + 180), math.radians(junction.arms[to])
    turn = math.atan2(math.sin(outward - inward), math.cos(outward - inward))
    return 0 if abs(turn) < math.radians(28) else int(math.copysign(1, turn))


def _faces(junction: Junction, arm: int, other: int) -> bool:
    between = math.cos(math.radians(junction.arms[arm] - junction.arms[other]))
    return between < math.cos(math.radians(138))


def _meet(junction: Junction, one: tuple[int, int], other: tuple[int, int]) -> float | None:
    """Metres along the first way to where the ways cross or merge; None when they do not."""
    if one[1] == other[1]:
        return _length(junction, *one)
    (ax, ay), (bx, by) = _way(junction, *one)
    (cx, cy), (dx, dy) = _way(junction, *other)
    area = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx)
    if abs(area) < 1e-9:
        return None
    t = ((cx - ax) * (dy - cy) - (cy - ay) * (dx - cx)) / area
    u = ((cx - ax) * (by - ay) - (cy - ay) * (bx - ax)) / area
    return t * math.dist((ax, ay), (bx, by)) if 0 <= t <= 1 and 0 <= u <= 1 else None
