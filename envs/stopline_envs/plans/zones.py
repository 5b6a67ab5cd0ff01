"""Detection zones: lane pieces upstream of a group's stop line, along every lane that leads to it.

SUMO's controlled lanes can be as short as 0.2 m, so a zone follows the links upstream to its full distance.
It ends early at the stop line of another signal and where the road begins.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stopline_envs.plans.grouping import Group
from stopline_envs.plans.movements import Movement
from stopline_envs.plans.net import Connection, Network
from stopline_envs.sensor_profiles import ZONES, SensorProfile
from stopline_signals.plan import Detector, DetectorKind, GroupKind

APPROACH_M = 1000.0
VEHICLE_SPACE_M = 7.5
"""Length one queued vehicle takes, gap included."""


@dataclass(frozen=True, slots=True)
class LaneSegment:
    """A piece of a lane, in metres from the lane's beginning.

    `to_stop_line` is the distance from the lane's end to the stop line. For a push button the lane is the
    place where pedestrians wait and `crossing` the edge they want to enter.
    """

    lane: str
    start: float
    end: float
    to_stop_line: float = 0.0
    crossing: str = ""


Zone = tuple[LaneSegment, ...]


def detectors_of(
    network: Network, groups: Iterable[Group], movements: tuple[Movement, ...], profile: SensorProfile = ZONES
) -> tuple[tuple[Detector, ...], dict[str, Zone]]:
    """The detectors of a signal's groups, and the lane segments behind each detector's name."""
    detectors: list[Detector] = []
    zones: dict[str, Zone] = {}
    for index, group in enumerate(groups):
        for detector, zone in _of_group(
            network, index, group, [movements[member] for member in group.members], profile
        ):
            detectors.append(detector)
            zones[detector.name] = zone
    return tuple(detectors), zones


def approach_lanes_of(network: Network, movements: Iterable[Movement]) -> list[str]:
    """Every lane within APPROACH_M upstream of the vehicles' stop lines, not past another signal."""
    lanes = {m.connection.source for m in movements if m.kind is not GroupKind.PEDESTRIAN}
    return sorted(_upstream(network, lanes, APPROACH_M))


def _of_group(
    network: Network, index: int, group: Group, movements: list[Movement], profile: SensorProfile
) -> Iterator[tuple[Detector, Zone]]:
    lanes = {m.connection.source for m in movements if m.kind is not GroupKind.PEDESTRIAN}
    if lanes:
        reach = _upstream(network, lanes, profile.far_m[1])
        for kind, (start, end) in (
            (DetectorKind.NEAR_ZONE, profile.near_m),
            (DetectorKind.FAR_ZONE, profile.far_m),
        ):
            zone = tuple(_cut(network, reach, start, end))
            capacity = max(1.0, sum(piece.end - piece.start for piece in zone) / VEHICLE_SPACE_M)
            yield Detector(f"{group.name}/{kind.value}", kind, index, start, end, round(capacity, 3)), zone
    waiting = [m for m in movements if m.kind is GroupKind.PEDESTRIAN]
    if waiting and not lanes:
        zone = tuple(piece for movement in waiting for piece in _kerbs(network, movement))
        yield Detector(f"{group.name}/{DetectorKind.BUTTON.value}", DetectorKind.BUTTON, index), zone


def _upstream(network: Network, lanes: set[str], reach: float) -> dict[str, float]:
    """Distance from the end of each lane within reach to the stop line, shortest way."""
    found: dict[str, float] = {}
    heap = [(0.0, lane) for lane in sorted(lanes) if lane in network.lanes]
    while heap:
        heap.sort()
        distance, lane = heap.pop(0)
        if lane in found or distance >= reach:
            continue
        found[lane] = distance
        begins = distance + network.lanes[lane].length
        for connection in network.entering.get(lane, ()):
            if not connection.tls and connection.direction != "t":
                heap.append(_through(network, connection, begins, found))
    return found


def _through(
    network: Network, connection: Connection, begins: float, found: dict[str, float]
) -> tuple[float, str]:
    """Step over a connection's internal lanes to its source lane; the internal lanes are part of the way."""
    inner: list[str] = []
    via = connection.via
    while via and via in network.lanes and via not in inner:
        inner.append(via)
        via = next((following.via for following in network.leaving.get(via, ())), "")
    for lane in reversed(inner):
        found[lane] = min(begins, found.get(lane, math.inf))
        begins += network.lanes[lane].length
    return begins, connection.source


def _cut(network: Network, reach: dict[str, float], start: float, end: float) -> Iterator[LaneSegment]:
    for lane, distance in reach.items():
        length = network.lanes[lane].length
        first, last = length - (end - distance), length - (start - distance)
        first, last = max(0.0, first), min(length, last)
        if last > first:
            yield LaneSegment(lane, round(first, 2), round(last, 2), round(distance, 2))


def _kerbs(network: Network, movement: Movement) -> Iterator[LaneSegment]:
    """The walking areas on both sides of a crossing."""
    crossing = movement.connection.target
    far = [connection.target for connection in network.leaving.get(crossing, ())]
    for lane in dict.fromkeys([movement.connection.source, *far]):
        if lane in network.lanes:
            yield LaneSegment(lane, 0.0, network.lanes[lane].length, 0.0, movement.approach)
