"""Which turns cross oncoming traffic: where a permissive turn could be caught in the yellow trap."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stopline_envs.plans.clearance import Way
from stopline_envs.plans.grouping import GroupConflicts
from stopline_envs.plans.movements import SignalMovements
from stopline_signals.plan import GroupKind

OPPOSITE = -0.7
"""Cosine of the angle between two headings that count as oncoming: within 45 degrees of head-on."""


def oncoming_groups(
    signal: SignalMovements, conflicts: GroupConflicts, ways: Mapping[int, Way]
) -> dict[int, tuple[int, ...]]:
    """Per group that turns: the groups whose straight oncoming traffic it gives way to while permissive."""
    found: dict[int, list[int]] = {}
    for (turning, other), pairs in conflicts.foe_pairs.items():
        vehicles = all(conflicts.groups[g].kind is not GroupKind.PEDESTRIAN for g in (turning, other))
        if vehicles and any(_is_trap(signal, ways, i, j) for i, j in pairs):
            found.setdefault(turning, []).append(other)
    return {turning: tuple(sorted(others)) for turning, others in found.items()}


def _is_trap(signal: SignalMovements, ways: Mapping[int, Way], turn: int, other: int) -> bool:
    crosses = signal.movements[turn].turns and not signal.movements[other].turns
    return crosses and signal.gives_way[turn][other] and _cosine(ways[turn], ways[other]) <= OPPOSITE


def _cosine(first: Way, second: Way) -> float:
    """Cosine of the angle between the headings at the two stop lines."""
    one, two = first.points[1] - first.points[0], second.points[1] - second.points[0]
    lengths = float(np.hypot(*one) * np.hypot(*two))
    return float(one @ two) / lengths if lengths > 0 else 1.0
