"""Yellow, red clearance and intergreens against ITE, MUTCD and RiLSA."""

from __future__ import annotations

from collections.abc import Iterator

from stopline_signals.findings import Finding, Rule, Severity, Source
from stopline_signals.intergreens import needed_intergreens
from stopline_signals.plan import NO_CONFLICT, GroupKind, SignalGroup, SignalPlan
from stopline_signals.timing import VEHICLE_LENGTH_M, YELLOW_RANGE_S, red_clearance, tenths, yellow_time

LENGTHS_M = {GroupKind.VEHICLE: VEHICLE_LENGTH_M, GroupKind.TRANSIT: 15.0, GroupKind.CYCLIST: 0.0}


def clearance_findings(plan: SignalPlan) -> Iterator[Finding]:
    """Findings on every vehicle group and every pair it conflicts with."""
    needed = needed_intergreens(plan.paths)
    for index, group in enumerate(plan.groups):
        if group.max_green < group.minimum:
            message = f"max green {s(group.max_green)} is under the minimum {s(group.minimum)}; raise it"
            yield Finding(Severity.ERROR, Rule.GREEN, f"group {group.name}", message, Source.NTCIP)
        if group.kind is not GroupKind.PEDESTRIAN and _conflicts(plan, index):
            yield from _yellow(group)
            yield from _red(plan, index, needed)
    yield from _intergreens(plan, needed)
    yield from _not_judged(plan, needed)


def s(tenths_of_a_second: int) -> str:
    """Seconds for a message."""
    return f"{tenths_of_a_second / 10:.1f} s"


def _conflicts(plan: SignalPlan, index: int) -> bool:
    return any(value != NO_CONFLICT for value in plan.intergreen[index])


def _yellow(group: SignalGroup) -> Iterator[Finding]:
    place = f"group {group.name}"
    low, high = map(tenths, YELLOW_RANGE_S)
    if group.yellow == 0:
        message = "has no yellow; give it one"
        yield Finding(Severity.ERROR, Rule.ZERO_CLEARANCE, place, message, Source.MUTCD_YELLOW)
        return
    if group.kind is not GroupKind.CYCLIST and group.yellow < low:
        message = f"yellow {s(group.yellow)} is under {s(low)}; raise it"
        yield Finding(Severity.ERROR, Rule.YELLOW, place, message, Source.MUTCD_YELLOW)
    if group.yellow > high:
        message = f"yellow {s(group.yellow)} is over {s(high)}; drivers stop respecting it"
        yield Finding(Severity.WARNING, Rule.YELLOW, place, message, Source.MUTCD_YELLOW)
    if group.speed > 0 and group.kind is not GroupKind.CYCLIST:
        needed = yellow_time(group.speed, group.grade, group.turn_speed)
        if group.yellow < needed:
            message = f"yellow {s(group.yellow)} is under the {s(needed)} that {group.speed:.1f} m/s needs"
            yield Finding(Severity.ERROR, Rule.YELLOW, place, message, Source.ITE)


def _red(plan: SignalPlan, index: int, needed: dict[tuple[int, int], int]) -> Iterator[Finding]:
    """Zero red clearance, and ITE's red where no geometry of pairs says more exactly what is due."""
    group = plan.groups[index]
    red = 0
    if group.speed > 0 and group.crossing > 0:
        red = red_clearance(group.crossing, group.turn_speed or group.speed, LENGTHS_M[group.kind])
    for other, value in enumerate(plan.intergreen[index]):
        if value == NO_CONFLICT or (index, other) in needed:
            continue
        place = f"{group.name} -> {plan.groups[other].name}"
        if value <= group.yellow:
            message = f"intergreen {s(value)} leaves no red clearance after the yellow; give it some"
            yield Finding(Severity.ERROR, Rule.ZERO_CLEARANCE, place, message, Source.MUTCD_YELLOW)
        elif value - group.yellow < red:
            message = (
                f"red clearance {s(value - group.yellow)} is under the {s(red)} to clear {group.crossing:g} m"
            )
            yield Finding(Severity.ERROR, Rule.RED_CLEARANCE, place, message, Source.ITE)


def _intergreens(plan: SignalPlan, needed: dict[tuple[int, int], int]) -> Iterator[Finding]:
    for (ending, starting), least in needed.items():
        value = plan.intergreen[ending][starting]
        place = f"{plan.groups[ending].name} -> {plan.groups[starting].name}"
        if value == NO_CONFLICT:
            message = "the geometry has them in conflict, the matrix has not; give the pair an intergreen"
            yield Finding(Severity.ERROR, Rule.INTERGREEN, place, message, Source.RILSA)
        elif value < least:
            message = f"intergreen {s(value)} is under the {s(least)} of the geometry; raise it"
            yield Finding(Severity.ERROR, Rule.INTERGREEN, place, message, Source.RILSA)


def _not_judged(plan: SignalPlan, needed: dict[tuple[int, int], int]) -> Iterator[Finding]:
    """One note for all groups whose speed or way is not known: silence would look like consent."""
    cleared = {ending for ending, _ in needed}
    unknown = [
        group.name
        for index, group in enumerate(plan.groups)
        if _conflicts(plan, index)
        and (
            (group.crossing <= 0 and (index not in cleared or group.kind is GroupKind.PEDESTRIAN))
            or (group.speed <= 0 and group.kind is not GroupKind.PEDESTRIAN)
        )
    ]
    if unknown:
        message = f"speed or crossing length is not known, so times were not judged: {', '.join(unknown)}"
        yield Finding(Severity.NOTE, Rule.NOT_JUDGED, f"junction {plan.junction}", message, Source.STOPLINE)
