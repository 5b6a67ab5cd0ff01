"""Programs the conflict monitor of a virtual cabinet from its signal plan, as a technician would the card."""

from __future__ import annotations

from stopline_mmu import STRICT, Card, Channel, Thresholds
from stopline_signals.plan import NO_CONFLICT, GroupKind, SignalPlan


def card_from_plan(plan: SignalPlan, thresholds: Thresholds = STRICT) -> Card:
    """One channel per signal group, in the plan's order."""
    groups = plan.groups
    pairs = [(i, j) for i in range(len(groups)) for j in range(len(groups)) if i != j]
    return Card(
        channels=tuple(
            Channel(
                name=group.name,
                pedestrian=group.kind is GroupKind.PEDESTRIAN,
                min_green=group.minimum,
                min_change=group.change,
                min_red=plan.red_revert,
            )
            for group in groups
        ),
        compatible=frozenset((i, j) for i, j in pairs if plan.intergreen[i][j] == NO_CONFLICT),
        yields=frozenset((i, j) for i, j in pairs if plan.yields[i][j]),
        oncoming=frozenset((i, j) for i, j in pairs if groups[j].name in groups[i].oncoming),
        clearance={(i, j): plan.intergreen[i][j] for i, j in pairs if plan.intergreen[i][j] != NO_CONFLICT},
        thresholds=thresholds,
    )
