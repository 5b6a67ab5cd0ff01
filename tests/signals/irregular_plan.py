"""Signal plans of irregular junctions: conflicts by the order of points on a circle, times by ITE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stopline_signals import NO_CONFLICT, GroupKind, SignalGroup, SignalPlan, Stage
from stopline_signals.plan import Preempt
from stopline_signals.timing import pedestrian_clearance, red_clearance, walk_time, yellow_time
from tests.signals.irregular import Junction, Lane

BUFFER = 30
Matrix = list[list[bool]]


def plan_of(junction: Junction) -> SignalPlan:
    """A plan with as many stages as it takes to serve every group, and two preempts."""
    lanes = junction.lanes
    count = len(lanes) + len(junction.crossings)
    conflict = [[_conflict(junction, lanes, i, j) for j in range(count)] for i in range(count)]
    yields = [[conflict[i][j] and _yields(junction, lanes, i, j) for j in range(count)] for i in range(count)]
    groups = [_vehicles(junction, lane) for lane in lanes]
    groups = [
        replace(
            group,
            oncoming=tuple(lanes[j].name for j in range(len(lanes)) if yields[i][j]),
        )
        for i, group in enumerate(groups)
    ]
    groups += [_walk(junction, arm) for arm in junction.crossings]
    owed = [_owed(junction, lanes, i, group) for i, group in enumerate(groups)]
    return SignalPlan(
        junction="irregular",
        groups=tuple(groups),
        stages=_stages(conflict, yields),
        intergreen=tuple(
            tuple(owed[i] if conflict[i][j] else NO_CONFLICT for j in range(count)) for i in range(count)
        ),
        yields=tuple(map(tuple, yields)),
        preempts=_preempts(len(_stages(conflict, yields))),
    )


def _vehicles(junction: Junction, lane: Lane) -> SignalGroup:
    speed = junction.speeds[lane.arm]
    return SignalGroup(name=lane.name, yellow=yellow_time(speed), min_green=50, max_red=400)


def _walk(junction: Junction, arm: int) -> SignalGroup:
    metres = junction.walk_m(arm)
    return SignalGroup(
        name=f"walk{arm}",
        kind=GroupKind.PEDESTRIAN,
        walk=walk_time(metres),
        clearance=pedestrian_clearance(metres),
        max_red=500,
        on_demand=True,
    )


def _owed(junction: Junction, lanes: Sequence[Lane], i: int, group: SignalGroup) -> int:
    if i >= len(lanes):
        return group.change + BUFFER
    return group.change + red_clearance(2 * junction.radius, junction.speeds[lanes[i].arm])


def _conflict(junction: Junction, lanes: Sequence[Lane], i: int, j: int) -> bool:
    if i == j or min(i, j) >= len(lanes):
        return False
    if max(i, j) >= len(lanes):
        lane, arm = lanes[min(i, j)], junction.crossings[max(i, j) - len(lanes)]
        return lane.arm == arm or arm in lane.to
    one, other = lanes[i], lanes[j]
    if one.arm == other.arm:
        return False
    return any(a == b or _cross(junction, one.arm, a, other.arm, b) for a in one.to for b in other.to)


def _cross(junction: Junction, arm: int, to: int, other: int, other_to: int) -> bool:
    """Whether two ways cross: counter-clockwise, each arm's exit comes just before its entry."""
    count = len(junction.arms)

    def from_here(position: int) -> int:
        return (position - (2 * arm + 1)) % (2 * count)

    end = from_here(2 * to)
    return (from_here(2 * other + 1) < end) != (from_here(2 * other_to) < end)


def _yields(junction: Junction, lanes: Sequence[Lane], i: int, j: int) -> bool:
    """Whether i may run permissive beside j: turns wait for people, left turns for oncoming traffic."""
    if i >= len(lanes):
        return False
    lane = lanes[i]
    if j >= len(lanes):
        arm = junction.crossings[j - len(lanes)]
        return arm != lane.arm and not 152 < junction.bend(lane.arm, arm) < 208
    other = lanes[j]
    faces = 138 < junction.bend(lane.arm, other.arm) < 222
    hits = [
        (a, b) for a in lane.to for b in other.to if a == b or _cross(junction, lane.arm, a, other.arm, b)
    ]
    return faces and all(junction.bend(lane.arm, a) > 208 >= junction.bend(other.arm, b) for a, b in hits)


def _stages(conflict: Matrix, yields: Matrix) -> tuple[Stage, ...]:
    """One stage begun by each group, filled in the order of the groups; each only once."""
    count = len(conflict)
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], None] = {}
    for first in range(count):
        found.setdefault(_fill([*range(first, count), *range(first)], conflict, yields))
    return tuple(Stage(f"s{n}", *members) for n, members in enumerate(found))


def _fill(order: list[int], conflict: Matrix, yields: Matrix) -> tuple[tuple[int, ...], tuple[int, ...]]:
    protected: list[int] = []
    permissive: list[int] = []
    for group in order:
        foes = [other for other in (*protected, *permissive) if conflict[group][other]]
        if not foes:
            protected.append(group)
        elif all(yields[group][other] for other in foes):
            permissive.append(group)
    return tuple(sorted(protected)), tuple(sorted(permissive))


def _preempts(stages: int) -> tuple[Preempt, ...]:
    fire = Preempt(name="fire", dwell=0, priority=3, min_duration=100, max_presence=900, delay=5)
    if stages < 2:
        return (fire,)
    return fire, Preempt(name="rail", dwell=stages - 1, rail=True, priority=9, track_clear=0, min_duration=50)
