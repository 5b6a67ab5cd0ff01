"""Walk, pedestrian clearance and buffer against MUTCD's two walking speeds."""

from __future__ import annotations

from collections.abc import Iterator

from stopline_signals._verify_clearance import s
from stopline_signals.findings import Finding, Rule, Severity, Source
from stopline_signals.plan import NO_CONFLICT, GroupKind, SignalGroup, SignalPlan
from stopline_signals.timing import (
    BUTTON_SETBACK_M,
    PEDESTRIAN_BUFFER_S,
    WALK_S,
    WALKING_FROM_BUTTON_MPS,
    pedestrian_clearance,
    tenths,
)

LEAST_WALK_S = 4.0


def pedestrian_findings(plan: SignalPlan) -> Iterator[Finding]:
    """Findings on every pedestrian group; the time from end of walk to traffic is clearance plus buffer."""
    for index, group in enumerate(plan.groups):
        if group.kind is not GroupKind.PEDESTRIAN:
            continue
        yield from _walk(group)
        whole = min((value for value in plan.intergreen[index] if value != NO_CONFLICT), default=None)
        if whole is not None:
            yield from _clearance(group, whole)


def _walk(group: SignalGroup) -> Iterator[Finding]:
    if group.walk < tenths(LEAST_WALK_S):
        message = f"walk {s(group.walk)} is under {LEAST_WALK_S} s; raise it"
        yield _finding(Severity.ERROR, Rule.WALK, group, message)
    elif group.walk < tenths(WALK_S):
        message = f"walk {s(group.walk)} is under {WALK_S} s, which few pedestrians excuse only"
        yield _finding(Severity.WARNING, Rule.WALK, group, message)


def _clearance(group: SignalGroup, whole: int) -> Iterator[Finding]:
    rule = Rule.PEDESTRIAN_CLEARANCE
    if group.clearance == 0:
        message = "has no pedestrian clearance after walk; give it one"
        yield _finding(Severity.ERROR, Rule.ZERO_CLEARANCE, group, message)
    buffer = tenths(PEDESTRIAN_BUFFER_S)
    if whole - group.clearance < buffer:
        message = f"steady don't walk of {s(whole - group.clearance)} before traffic is under {s(buffer)}"
        yield _finding(Severity.ERROR, rule, group, message)
    if group.crossing <= 0:
        return
    needed = pedestrian_clearance(group.crossing)
    if whole < needed:
        message = f"{s(whole)} from end of walk to traffic, {group.crossing:g} m need {s(needed)} at 3.5 ft/s"
        yield _finding(Severity.ERROR, rule, group, message)
    needed = tenths((group.crossing + BUTTON_SETBACK_M) / WALKING_FROM_BUTTON_MPS)
    if group.walk + whole < needed:
        message = (
            f"{s(group.walk + whole)} from walk to traffic, {s(needed)} are due at 3.0 ft/s from the button"
        )
        yield _finding(Severity.ERROR, rule, group, message)


def _finding(severity: Severity, rule: Rule, group: SignalGroup, message: str) -> Finding:
    return Finding(severity, rule, f"group {group.name}", message, Source.MUTCD_PEDESTRIAN)
