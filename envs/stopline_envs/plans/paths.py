"""The way of a movement through its junction: sampled geometry, widths and speed limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stopline_envs.plans.net import Connection, Network, Point
from stopline_signals.plan import GroupKind

CYCLIST_MPS = 4.0
CYCLIST_WIDTH_M = 2.0
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


def path_of(network: Network, connection: Connection, kind: GroupKind) -> Way:
    """The geometry of a movement; a straight line where the net has no internal lanes.

    A movement that stops again inside the junction ends there; what follows is a movement of its own.
    """
    source = network.lanes[connection.source]
    if kind is GroupKind.PEDESTRIAN:
        crossing = network.lanes[connection.target]
        points, along = _sample(crossing.shape)
        return Way(points=points, along=along, width=crossing.width, speed=1.0, approach_speed=1.0)
    inner = _inner_lanes(network, connection.via)[: 1 if connection.inner_link >= 0 else None]
    shape = [point for lane in inner for point in network.lanes[lane].shape]
    if not shape:
        shape = [source.shape[-1], network.lanes[connection.target].shape[0]]
    points, along = _sample(tuple(shape))
    limits = [network.lanes[lane].speed for lane in inner] + [source.speed]
    top = CYCLIST_MPS if kind is GroupKind.CYCLIST else float("inf")
    return Way(
        points=points,
        along=along,
        width=min(source.width, CYCLIST_WIDTH_M) if kind is GroupKind.CYCLIST else source.width,
        speed=min(*limits, top),
        approach_speed=min(source.speed, top),
    )


def meet(first: Way, second: Way) -> bool:
    """Whether two ways come so close that vehicles on them would touch."""
    return bool(_close(first, second).any())


def shared_area(out: Way, into: Way) -> tuple[float, float]:
    """Metres to the far side of the shared area on the first path, and to its near side on the second."""
    close = _close(out, into)
    if not close.any():
        return out.length, 0.0
    far = float(out.along[np.flatnonzero(close.any(axis=1))[-1]])
    near = float(into.along[np.flatnonzero(close.any(axis=0))[0]])
    return far, near


def _close(first: Way, second: Way) -> npt.NDArray[np.bool_]:
    gaps = np.hypot(
        first.points[:, None, 0] - second.points[None, :, 0],
        first.points[:, None, 1] - second.points[None, :, 1],
    )
    return np.asarray(gaps <= (first.width + second.width) / 2)


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
