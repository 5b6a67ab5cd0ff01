"""Where an observation stands at the end of its scale: what lies beyond it a policy cannot tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from stopline_signals.observation import ROW_FEATURES, STAGE_FEATURES, ObservationLayout, Vector
from stopline_signals.plan import SignalPlan

LARGEST_OF_ROW = {
    "near_vehicles": 2.0,
    "near_queued": 2.0,
    "far_vehicles": 2.0,
    "far_queued": 2.0,
    "near_total": 3.0,
    "far_total": 3.0,
    "waited": 1.5,
    "green_time": 2.0,
    "red_time": 2.0,
}
"""The largest figures that the encoder writes; those that are not here have no end."""
LARGEST_OF_STAGE = {"wait": 3.0, "overdue": 1.5}


class Saturated(NamedTuple):
    """One figure at its end: of which group or stage, and which."""

    owner: str
    feature: str


def saturated(plan: SignalPlan, vector: Vector, layout: ObservationLayout) -> Iterator[Saturated]:
    """The figures of an encoded observation that are at their end: groups first, then stages."""
    rows = vector[layout.rows].reshape(-1, len(ROW_FEATURES))
    stages = vector[layout.stages].reshape(-1, len(STAGE_FEATURES))
    for owners, block, names, largest in (
        ([group.name for group in plan.groups], rows, ROW_FEATURES, LARGEST_OF_ROW),
        ([stage.name for stage in plan.stages], stages, STAGE_FEATURES, LARGEST_OF_STAGE),
    ):
        # Rows beyond the junction's own are zero.
        for owner, figures in zip(owners, block.tolist(), strict=False):
            for name, figure in zip(names, figures, strict=True):
                if figure >= largest.get(name, float("inf")):
                    yield Saturated(owner, name)
