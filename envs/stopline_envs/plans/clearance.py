"""Yellow, pedestrian clearance and intergreens from the geometry of the junction.

Intergreen = yellow + (clearing distance + vehicle length) / clearing speed - entering time. The clearing
distance runs from the stop line to the far side of the area shared with the other path; the clearing speed
is the lower of approach and internal-lane speed limits. The entering time is what a vehicle of the other
movement needs at 40 km/h or its speed limit, whichever is faster, from its stop line to that area.

Sources: ITE yellow and red clearance; RiLSA t_z = t_crossing + t_clearing - t_entering; MUTCD walking speed.
"""

from __future__ import annotations

from collections.abc import Sequence

from stopline_envs.plans.grouping import GroupConflicts
from stopline_envs.plans.movements import Movement
from stopline_envs.plans.paths import shared_area
from stopline_signals.intergreens import intergreen_matrix, intergreen_of
from stopline_signals.plan import NO_CONFLICT, ConflictPath, GroupKind, SignalGroup
from stopline_signals.timing import (
    PEDESTRIAN_BUFFER_S,
    VEHICLE_LENGTH_M,
    WALKING_MPS,
    pedestrian_clearance,
    tenths,
    yellow_time,
)

TRAM_LENGTH_M = 15.0
ENTERING_MPS = 40 / 3.6
LEAST_RED_S = 1.0

Matrix = tuple[tuple[int, ...], ...]


def change_of(movement: Movement) -> int:
    """Yellow, or pedestrian clearance, of one movement (tenths)."""
    if movement.kind is GroupKind.PEDESTRIAN:
        return pedestrian_clearance(movement.way.length)
    return yellow_time(movement.way.approach_speed)


def conflict_paths(movements: Sequence[Movement], conflicts: GroupConflicts) -> tuple[ConflictPath, ...]:
    """For every two groups that conflict, the pair of movements that needs the longest intergreen."""
    return tuple(
        max((_path(pair, movements[i], movements[j]) for i, j in found), key=intergreen_of)
        for pair, found in conflicts.foe_pairs.items()
    )


def intergreens(groups: Sequence[SignalGroup], paths: Sequence[ConflictPath]) -> Matrix:
    """The matrix by geometry, with a least red after every yellow and the buffer after pedestrians."""
    matrix = intergreen_matrix(groups, paths)
    least = [
        group.change + tenths(PEDESTRIAN_BUFFER_S if group.kind is GroupKind.PEDESTRIAN else LEAST_RED_S)
        for group in groups
    ]
    return tuple(
        tuple(value if value == NO_CONFLICT else max(value, least[i]) for value in row)
        for i, row in enumerate(matrix)
    )


def _path(pair: tuple[int, int], ending: Movement, starting: Movement) -> ConflictPath:
    if ending.kind is GroupKind.PEDESTRIAN:
        return ConflictPath(
            ending=pair[0],
            starting=pair[1],
            crossing_time=0,
            clearing_m=round(ending.way.length, 2),
            vehicle_m=0.0,
            clearing_mps=WALKING_MPS,
        )
    far, near = shared_area(ending.way, starting.way)
    length = {GroupKind.CYCLIST: 0.0, GroupKind.TRANSIT: TRAM_LENGTH_M}.get(ending.kind, VEHICLE_LENGTH_M)
    head_start = starting.kind in (GroupKind.VEHICLE, GroupKind.TRANSIT)
    return ConflictPath(
        ending=pair[0],
        starting=pair[1],
        crossing_time=change_of(ending),
        clearing_m=round(far, 2),
        vehicle_m=length,
        clearing_mps=round(max(ending.way.speed, 1.0), 2),
        entering_m=round(near, 2) if head_start else 0.0,
        entering_mps=round(max(starting.way.approach_speed, ENTERING_MPS), 2) if head_start else 0.0,
    )
