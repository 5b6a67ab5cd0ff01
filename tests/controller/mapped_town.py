"""Two crossroads 300 m apart on a road to the east, on the ground: plans with approaches, and their map."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import tomlkit

from stopline_hil.example import crossroads
from stopline_signals.approach_map import EARTH_M, ApproachMap, MappedApproach, map_to_table
from stopline_signals.plan import SignalPlan
from stopline_signals.vehicles import Fix

NORTH, EAST = 52.26, 10.52
SIDES = {"main": "west", "left": "west", "side": "south"}


def degrees(x: float, y: float) -> tuple[float, float]:
    """Latitude and longitude of a place x m east and y m north of the first junction."""
    return (
        NORTH + math.degrees(y / EARTH_M),
        EAST + math.degrees(x / (EARTH_M * math.cos(math.radians(NORTH)))),
    )


def plan(junction: str) -> SignalPlan:
    """Crossroads whose main road comes from the west, its side road from the south."""
    made = crossroads(junction)
    groups = tuple(replace(group, approach=SIDES.get(group.name, "")) for group in made.groups)
    return replace(made, groups=groups)


def fix(x: float, y: float, heading: float | None = 0.0) -> Fix:
    """There, driving north unless said otherwise."""
    return Fix(*degrees(x, y), heading)


APPROACHES = tuple(
    MappedApproach(name, junction, side, (degrees(*start), degrees(*end)), then)
    for name, junction, side, start, end, then in (
        ("J1 west", "J1", "west", (-400, 0), (-10, 0), ("J2 west",)),
        ("J1 south", "J1", "south", (0, -400), (0, -10), ("J2 west",)),
        ("J2 west", "J2", "west", (10, 0), (290, 0), ()),
        ("J2 south", "J2", "south", (300, -400), (300, -10), ()),
    )
)
TOWN = ApproachMap({row.name: row for row in APPROACHES})


def write_map(folder: Path) -> Path:
    """`town.toml` in the folder."""
    path = folder / "town.toml"
    path.write_text(tomlkit.dumps(map_to_table(APPROACHES)))
    return path
