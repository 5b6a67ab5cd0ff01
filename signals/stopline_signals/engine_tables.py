"""What the timing engine knows of a plan beforehand."""

from __future__ import annotations

from stopline_signals.engine_state import LONG_AGO
from stopline_signals.events import HiRes
from stopline_signals.plan import GroupKind, SignalPlan
from stopline_signals.transition import GREEN, PERMISSIVE, RED, Transitions


def turns_across(plan: SignalPlan) -> tuple[tuple[int, ...], ...]:
    """Per group: the turns that cross it as oncoming traffic."""
    return tuple(
        tuple(turn for turn, other in enumerate(plan.groups) if group.name in other.oncoming)
        for group in plan.groups
    )


def stages_that_keep(transitions: Transitions) -> tuple[tuple[int, int], ...]:
    """Per group: masks of the stages that keep it at least permissive, and that keep it protected."""
    aspects = transitions.stage_aspects
    return tuple(
        (
            sum(1 << s for s, row in enumerate(aspects) if row[group] >= PERMISSIVE),
            sum(1 << s for s, row in enumerate(aspects) if row[group] >= GREEN),
        )
        for group in range(len(aspects[0]))
    )


def transition_table(transitions: Transitions, active: int) -> tuple[tuple[int, ...], ...]:
    """Transition times between settled stages in which the groups of the mask `active` are green."""
    stages = transitions.stage_aspects
    long_ago = (LONG_AGO,) * len(stages[0])
    table: list[tuple[int, ...]] = []
    for row in stages:
        shown = [aspect if active >> group & 1 else RED for group, aspect in enumerate(row)]
        ways = [transitions.schedule(to, shown, long_ago, 0, 0).settled_at for to in range(len(stages))]
        table.append(tuple(ways))
    return tuple(table)


def event_codes(kind: GroupKind) -> tuple[tuple[HiRes, ...], ...]:
    """The events a group of that kind emits on showing red, yellow, permissive and green."""
    if kind is GroupKind.PEDESTRIAN:
        return (HiRes.DONT_WALK,), (HiRes.PED_CLEARANCE,), (HiRes.WALK,), (HiRes.WALK,)
    end = (HiRes.YELLOW_END, HiRes.RED_CLEARANCE)
    return end, (HiRes.GREEN_END, HiRes.YELLOW), (HiRes.GREEN,), (HiRes.GREEN,)
