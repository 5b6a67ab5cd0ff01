"""Preempts: none may cut yellow or red clearance, and none may hold the junction for ever."""

from __future__ import annotations

from collections.abc import Iterator

from stopline_signals._verify_clearance import s
from stopline_signals.findings import Finding, Rule, Severity, Source
from stopline_signals.plan import NO_CONFLICT, GroupKind, Preempt, SignalPlan


def preempt_findings(plan: SignalPlan) -> Iterator[Finding]:
    """Findings on every preempt of the plan."""
    for preempt in plan.preempts:
        yield from _entry(plan, preempt)
        yield from _rail(plan, preempt)
        if preempt.max_presence == 0 and not preempt.rail:
            message = "has no maximum presence; a stuck input would hold the junction for ever"
            yield _finding(Severity.WARNING, preempt, message, Source.NTCIP)
        if 0 < preempt.max_presence < preempt.min_duration:
            message = (
                f"is given up after {s(preempt.max_presence)}, before its minimum {s(preempt.min_duration)}"
            )
            yield _finding(Severity.ERROR, preempt, message, Source.NTCIP)


def _entry(plan: SignalPlan, preempt: Preempt) -> Iterator[Finding]:
    """The entry stage must not be reached with a shorter yellow or red than the plan's own."""
    entry = plan.stages[preempt.dwell if preempt.track_clear is None else preempt.track_clear]
    for index, group in enumerate(plan.groups):
        if group.kind is GroupKind.PEDESTRIAN or index in entry.groups:
            continue
        if 0 < preempt.enter_yellow < group.yellow:
            message = f"enters with {s(preempt.enter_yellow)} of yellow, {group.name} has {s(group.yellow)}"
            yield _finding(Severity.ERROR, preempt, message, Source.MUTCD_PREEMPT)
        foes = [plan.intergreen[index][other] for other in entry.groups]
        red = max((value - group.yellow for value in foes if value != NO_CONFLICT), default=0)
        if 0 < preempt.enter_red < red:
            message = f"enters with {s(preempt.enter_red)} of red clearance, {group.name} has {s(red)}"
            yield _finding(Severity.ERROR, preempt, message, Source.MUTCD_PREEMPT)


def _rail(plan: SignalPlan, preempt: Preempt) -> Iterator[Finding]:
    if not preempt.rail:
        return
    if preempt.track_clear is None:
        message = "is a rail preempt without a stage that clears the track; name one"
        yield _finding(Severity.ERROR, preempt, message, Source.MUTCD_TRACK)
    elif preempt.track_clear == preempt.dwell:
        message = f"dwells in stage {plan.stages[preempt.dwell].name}, which leads traffic onto the track"
        yield _finding(Severity.ERROR, preempt, message, Source.MUTCD_TRACK)


def _finding(severity: Severity, preempt: Preempt, message: str, source: Source) -> Finding:
    return Finding(severity, Rule.PREEMPT, f"preempt {preempt.name}", message, source)
