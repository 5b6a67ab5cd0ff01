"""Which turns cross oncoming traffic: where a permissive turn could be caught in the yellow trap."""

from __future__ import annotations

import numpy as np

from stopline_envs.plans.grouping import GroupConflicts
from stopline_envs.plans.movements import Movement, SignalMovements
from stopline_envs.plans.paths import Way
from stopline_signals.plan import GroupKind

OPPOSITE = -0.7
"""Cosine of the angle between two headings that count as oncoming: within 45 degrees of head-on."""


def oncoming_groups(signal: SignalMovements, conflicts: GroupConflicts) -> dict[int, tuple[int, ...]]:
    """Per group that turns: the groups whose straight oncoming traffic it gives way to while permissive."""
    found: dict[int, list[int]] = {}
    for (turning, other), pairs in conflicts.foe_pairs.items():
        vehicles = all(conflicts.groups[g].kind is not GroupKind.PEDESTRIAN for g in (turning, other))
        if vehicles and any(_is_trap(signal, i, j) for i, j in pairs):
            found.setdefault(turning, []).append(other)
    return {turning: tuple(sorted(others)) for turning, others in found.items()}


def _is_trap(signal: SignalMovements, turn: int, other: int) -> bool:
    turning, straight = signal.movements[turn], signal.movements[other]
    crosses = turning.turns and not straight.turns and signal.gives_way[turn][other]
    return (
        crosses and _drives(turning) and _drives(straight) and _cosine(turning.way, straight.way) <= OPPOSITE
    )


def _drives(movement: Movement) -> bool:
    return movement.kind is not GroupKind.PEDESTRIAN


def _cosine(first: Way, second: Way) -> float:
    """Cosine of the angle between the headings at the two stop lines."""
    one, two = first.points[1] - first.points[0], second.points[1] - second.points[0]
    lengths = float(np.hypot(*one) * np.hypot(*two))
    return float(one @ two) / lengths if lengths > 0 else 1.0
