"""The intergreen matrix of a junction from its geometry: the longest need of each pair of groups counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stopline_signals.plan import NO_CONFLICT, ConflictPath, SignalGroup
from stopline_signals.timing import UserClass, intergreen_time, tenths


def rilsa_path(
    ending: int, starting: int, clearing_m: float, entering_m: float, out: UserClass, into: UserClass
) -> ConflictPath:
    """A row of the geometry table by RiLSA: metres from each stop line to the point of conflict."""
    return ConflictPath(
        ending=ending,
        starting=starting,
        crossing_time=tenths(out.crossing_s),
        clearing_m=clearing_m,
        vehicle_m=out.length_m,
        clearing_mps=out.clearing_mps,
        entering_m=entering_m if into.entering_mps > 0 else 0.0,
        entering_mps=into.entering_mps,
    )


def intergreen_of(path: ConflictPath) -> int:
    """RiLSA t_z of one row, tenths."""
    return intergreen_time(
        path.crossing_time,
        path.clearing_m,
        path.vehicle_m,
        path.clearing_mps,
        path.entering_m,
        path.entering_mps,
    )


def needed_intergreens(paths: Iterable[ConflictPath]) -> dict[tuple[int, int], int]:
    """For each (ending, starting) pair with a row, the largest t_z of its rows."""
    needed: dict[tuple[int, int], int] = {}
    for path in paths:
        pair = path.ending, path.starting
        needed[pair] = max(needed.get(pair, 0), intergreen_of(path))
    return needed


def intergreen_matrix(
    groups: Sequence[SignalGroup], paths: Iterable[ConflictPath]
) -> tuple[tuple[int, ...], ...]:
    """The matrix of a plan with these paths; a pair with a row in either direction conflicts in both.

    No value is under the change interval of the group that ends, which is shown whole.
    """
    needed = needed_intergreens(paths)
    count = range(len(groups))
    return tuple(
        tuple(
            max(needed.get((i, j), 0), groups[i].change)
            if i != j and ((i, j) in needed or (j, i) in needed)
            else NO_CONFLICT
            for j in count
        )
        for i in count
    )
