"""Yellow, red clearance and intergreen from the geometry of the junction.

Intergreen = yellow + (clearing distance + vehicle length) / clearing speed - entering time. The clearing
distance runs from the stop line to the far side of the area shared with the other path; the clearing speed
is the lower of approach and internal-lane speed limits. The entering time is what a vehicle of the other
movement needs at 40 km/h or its speed limit, whichever is faster, from its stop line to that area.

Sources: ITE yellow and red clearance; RiLSA t_z = t_crossing + t_clearing - t_entering; MUTCD walking speed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stopline_envs.plans.movements import Movement
from stopline_envs.plans.net import Network, Point
from stopline_signals.plan import GroupKind
from stopline_signals.timing import (
    PEDESTRIAN_BUFFER_S,
    RED_CLEARANCE_MAX_S,
    VEHICLE_LENGTH_M,
    pedestrian_clearance,
    tenths,
    yellow_time,
)

CYCLIST_MPS = 4.0
TRAM_LENGTH_M = 15.0
ENTERING_MPS = 11.1
LEAST_RED_S = 1.0
SAMPLE_M = 1.0

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The way of one movement through the junction, sampled; `along` is metres from the stop line."""

    points: Points
    along: Points
    width: float
    speed: float
    """Lowest speed limit on the way through, m/s."""
    approach_speed: float

    @property
    def length(self) -> float:
        """Metres from the stop line to the far side."""
        return float(self.along[-1])


def path_of(network: Network, movement: Movement) -> Way:
    """The geometry of a movement; a straight line where the net has no internal lanes."""
    connection = movement.connection
    source = network.lanes[connection.source]
    if movement.kind is GroupKind.PEDESTRIAN:
        crossing = network.lanes[connection.target]
        points, along = _sample(crossing.shape)
        return Way(points=points, along=along, width=crossing.width, speed=1.0, approach_speed=1.0)
    inner = _inner_lanes(network, connection.via)
    shape = [point for lane in inner for point in network.lanes[lane].shape]
    if not shape:
        shape = [source.shape[-1], network.lanes[connection.target].shape[0]]
    points, along = _sample(tuple(shape))
    limits = [network.lanes[lane].speed for lane in inner] + [source.speed]
    top = CYCLIST_MPS if movement.kind is GroupKind.CYCLIST else float("inf")
    return Way(
        points=points,
        along=along,
        width=min(source.width, 2.0 if movement.kind is GroupKind.CYCLIST else source.width),
        speed=min(*limits, top),
        approach_speed=min(source.speed, top),
    )


def change_of(movement: Movement, path: Way) -> int:
    """Yellow, or pedestrian clearance, of one movement (tenths)."""
    if movement.kind is GroupKind.PEDESTRIAN:
        return pedestrian_clearance(path.length)
    return yellow_time(path.approach_speed)


def intergreen(ending: Movement, starting: Movement, out: Way, into: Way) -> int:
    """Tenths from the end of green of one movement to the start of green of another that it crosses."""
    change = change_of(ending, out)
    if ending.kind is GroupKind.PEDESTRIAN:
        return change + tenths(PEDESTRIAN_BUFFER_S)
    far, near = _shared_area(out, into)
    length = {GroupKind.CYCLIST: 0.0, GroupKind.TRANSIT: TRAM_LENGTH_M}.get(ending.kind, VEHICLE_LENGTH_M)
    clearing = (far + length) / max(out.speed, 1.0)
    entering = near / max(into.approach_speed, ENTERING_MPS) if starting.kind is GroupKind.VEHICLE else 0.0
    return change + tenths(min(max(clearing - entering, LEAST_RED_S), RED_CLEARANCE_MAX_S))


def _shared_area(out: Way, into: Way) -> tuple[float, float]:
    """Metres to the far side of the shared area on the first path, and to its near side on the second."""
    gaps = np.hypot(
        out.points[:, None, 0] - into.points[None, :, 0], out.points[:, None, 1] - into.points[None, :, 1]
    )
    close = gaps <= (out.width + into.width) / 2
    if not close.any():
        return out.length, 0.0
    far = float(out.along[np.flatnonzero(close.any(axis=1))[-1]])
    near = float(into.along[np.flatnonzero(close.any(axis=0))[0]])
    return far, near


def _inner_lanes(network: Network, via: str) -> list[str]:
    lanes: list[str] = []
    while via and via in network.lanes and via not in lanes:
        lanes.append(via)
        via = next((connection.via for connection in network.leaving.get(via, ())), "")
    return lanes


def _sample(shape: tuple[Point, ...]) -> tuple[Points, Points]:
    corners = np.asarray(shape, dtype=np.float64)
    steps = np.hypot(*np.diff(corners, axis=0).T)
    at = np.concatenate(([0.0], np.cumsum(steps)))
    count = max(2, int(at[-1] / SAMPLE_M) + 2)
    along: Points = np.arange(count, dtype=np.float64) * (float(at[-1]) / (count - 1))
    points: Points = np.stack([np.interp(along, at, corners[:, axis]) for axis in (0, 1)], axis=1)
    return points, along
