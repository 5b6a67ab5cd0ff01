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
    before = {name: _leader(vehicles, name) for name in standing}
    heads = (name for name in standing if vehicles.getLeader(name, REACH_M) is None)
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


def _leader(vehicles: Any, name: str) -> str:
    """The vehicle that this one stands behind; none when a stop line lies between them."""
    leader, gap = vehicles.getLeader(name, REACH_M) or ("", 0.0)
    signals = vehicles.getNextTLS(name) if leader else ()
    # SUMO's gap leaves out the room that a driver keeps.
    return "" if signals and signals[0][2] <= gap + vehicles.getMinGap(name) else str(leader)


def _in_the_wrong_lane(vehicles: Any, name: str) -> bool:
    """Whether the vehicle would have to change lanes to follow its route."""
    own = vehicles.getLaneID(name)
    return any(lane == own and offset != 0 for lane, _, _, offset, *_ in vehicles.getBestLanes(name))
