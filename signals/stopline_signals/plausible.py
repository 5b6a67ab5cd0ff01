"""Whether a report can be true: what nobody drives, and what does not follow from the last one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from stopline_signals.approach_map import apart_m

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stopline_signals.vehicles import Fix, VehicleClass, VehicleReport

FASTEST_MPS = 60.0
FARTHEST_M = 10_000.0
LONGEST_ETA_S = 1_800.0
LATEST_S = 7_200.0
"""Behind a timetable, or ahead of it; beyond that it is another trip's."""
MOST_AHEAD = 64
LONGEST_INCIDENT = 64
"""Characters of an incident's name; it goes into every record."""
WORST_ACCURACY_M = 50.0
"""A position that may be wrong by more tells no street from the next."""
SLACK_M = 100.0
"""Metres that a position may be wrong, or older than its report."""


class Told(NamedTuple):
    """What a vehicle said last: when, its class, the metres to each junction, and where it was."""

    at: float
    kind: VehicleClass
    distances: Mapping[str, float]
    position: Fix | None = None


def told(report: VehicleReport, now: float) -> Told:
    """What is to be remembered of a report."""
    distances = {ahead.junction: ahead.distance_m for ahead in report.ahead}
    return Told(now, report.kind, distances, report.position)


def too_long(report: VehicleReport) -> str:
    """Why a report is not even looked through; empty when it is not too long for that."""
    if len(report.incident) > LONGEST_INCIDENT:
        return f"an incident's name has at most {LONGEST_INCIDENT} characters"
    if len(report.route) > MOST_AHEAD:
        return f"{len(report.route)} junctions on the route; at most {MOST_AHEAD} are taken"
    if len(report.ahead) > MOST_AHEAD:
        return f"{len(report.ahead)} junctions ahead; at most {MOST_AHEAD} are taken"
    return ""


def no_place(fix: Fix) -> str:
    """Why a position is none; empty when it is one."""
    # Written so that a number that is none fails as well.
    if not (abs(fix.latitude) <= 90 and abs(fix.longitude) <= 180):
        return "its position is no latitude and longitude"
    if fix.heading is not None and not 0 <= fix.heading <= 360:
        return "its heading is not within 0 to 360 degrees"
    if not 0 <= fix.accuracy_m <= WORST_ACCURACY_M:
        return f"its position may be wrong by more than {WORST_ACCURACY_M:g} m"
    return ""


def implausible(report: VehicleReport, last: Told | None, now: float) -> str:
    """Why the report cannot be true, given the last one of the same vehicle; empty when it can."""
    if problem := too_long(report) or (no_place(report.position) if report.position else ""):
        return problem
    numbers = [report.speed_mps, report.desired_mps]
    numbers += [value for ahead in report.ahead for value in (ahead.distance_m, ahead.eta_s)]
    if not all(math.isfinite(value) and value >= 0 for value in numbers):
        return "a number is negative or none at all"
    if max(report.speed_mps, report.desired_mps) > FASTEST_MPS:
        return f"nobody drives over {FASTEST_MPS:g} m/s"
    if not abs(report.late_s) <= LATEST_S:
        return f"nobody is over {LATEST_S:g} s late"
    if len({ahead.junction for ahead in report.ahead}) < len(report.ahead):
        return "a junction is named twice"
    for ahead in report.ahead:
        if ahead.distance_m > FARTHEST_M or ahead.eta_s > LONGEST_ETA_S:
            return f"junction {ahead.junction} is too far away to ask for"
        if ahead.eta_s and ahead.distance_m > FASTEST_MPS * ahead.eta_s + SLACK_M:
            return f"{ahead.distance_m:g} m to junction {ahead.junction} in {ahead.eta_s:g} s"
    return "" if last is None else _sequel(report, last, now)


def _sequel(report: VehicleReport, last: Told, now: float) -> str:
    """Why the report does not follow from the last one."""
    if report.kind is not last.kind:
        return f"was {last.kind} a moment ago"
    reach = FASTEST_MPS * (now - last.at) + SLACK_M
    # Where a map told the metres they may shrink by any turn; the position itself is held to it below.
    for ahead in () if report.matched else report.ahead:
        before = last.distances.get(ahead.junction)
        if before is not None and before - ahead.distance_m > reach:
            return (
                f"came {before - ahead.distance_m:.0f} m nearer to {ahead.junction} in {now - last.at:.1f} s"
            )
    if report.position is None or last.position is None:
        return ""
    moved = apart_m(last.position[:2], report.position[:2])
    if moved > reach + report.position.accuracy_m + last.position.accuracy_m:
        return f"moved {moved:.0f} m in {now - last.at:.1f} s"
    return ""
