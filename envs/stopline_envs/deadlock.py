"""Vehicles that lock one another: SUMO never frees them, and no lamp does.

Some networks do this by themselves, under every controller and on some seeds. Where vehicles turn round in a
street 11 m long between two nodes without signals (cologne3), each of a ring stands where the next
has to go. Where a street of 1 m lies before a stop line (ingolstadt7), a vehicle may arrive there in a lane
that its route does not go on from, beside one that keeps it from changing. A jam that goes through a stop
line is another matter and not counted, nor are vehicles that give way to one another inside a node.
"""

from __future__ import annotations

from typing import Any

STANDING_S = 300.0
"""Shortest standstill that counts."""
REACH_M = 30.0


def deadlocked(vehicles: Any) -> frozenset[str]:
    """Names of the vehicles that no lamp can free; `vehicles` is libsumo's `vehicle`."""
    standing = [name for name in vehicles.getIDList() if vehicles.getWaitingTime(name) >= STANDING_S]
    leaders = {name: vehicles.getLeader(name, REACH_M) for name in standing}
    before = {
        name: leader[0]
        for name, leader in leaders.items()
        if leader is not None and not _stop_line_within(vehicles, name, leader[1])
    }
    heads = (name for name, leader in leaders.items() if leader is None)
    return _in_rings(before).union(name for name in heads if _in_the_wrong_lane(vehicles, name))


def _in_rings(before: dict[str, str]) -> frozenset[str]:
    """Who comes back to itself by going from each vehicle to the one it stands behind."""
    seen: set[str] = set()
    found: set[str] = set()
    for name in before:
        path: list[str] = []
        here = name
        while here in before and here not in seen:
            seen.add(here)
            path.append(here)
            here = before[here]
        if here in path:
            found.update(path[path.index(here) :])
    return frozenset(found)


def _stop_line_within(vehicles: Any, name: str, gap: float) -> bool:
    """Whether a stop line lies between a vehicle and the one it stands behind, `gap` m ahead."""
    signals = vehicles.getNextTLS(name)
    # SUMO's gap leaves out the room that a driver keeps.
    return bool(signals) and bool(signals[0][2] <= gap + vehicles.getMinGap(name))


def _in_the_wrong_lane(vehicles: Any, name: str) -> bool:
    """Whether the vehicle would have to change lanes to follow its route."""
    own = vehicles.getLaneID(name)
    return any(lane == own and offset != 0 for lane, _, _, offset, *_ in vehicles.getBestLanes(name))
