"""Vehicles that wait for one another in a ring: SUMO never frees them, and no lamp does.

Where a network has very short streets between nodes without signals (cologne3 has one of 11 m, in which
vehicles turn round), two or four vehicles may each stand in the place that the next one needs. It happens
under every controller, on some seeds. A jam that goes through a stop line is another matter and not counted.
"""

from __future__ import annotations

from typing import Any

STANDING_S = 300.0
"""Shortest standstill that may be part of a ring."""
REACH_M = 30.0
LINE_M = 2.5
"""A vehicle this near the rear of the one before it, or nearer, has no stop line between them."""


def deadlocked(vehicles: Any) -> frozenset[str]:
    """Names of vehicles in rings in which no stop line lies; `vehicles` is libsumo's `vehicle`."""
    before = {name: _leader(vehicles, name) for name in _standing(vehicles)}
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


def _standing(vehicles: Any) -> list[str]:
    return [name for name in vehicles.getIDList() if vehicles.getWaitingTime(name) >= STANDING_S]


def _leader(vehicles: Any, name: str) -> str:
    """The vehicle that this one stands behind; none when a stop line lies between them."""
    leader, gap = vehicles.getLeader(name, REACH_M) or ("", 0.0)
    signals = vehicles.getNextTLS(name) if leader else ()
    return "" if signals and signals[0][2] <= gap + LINE_M else str(leader)
