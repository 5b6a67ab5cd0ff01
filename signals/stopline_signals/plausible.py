"""Whether a report can be true: what nobody drives, and what does not follow from the last one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stopline_signals.vehicles import VehicleClass, VehicleReport

FASTEST_MPS = 60.0
FARTHEST_M = 10_000.0
LONGEST_ETA_S = 1_800.0
LATEST_S = 7_200.0
"""Behind a timetable, or ahead of it; beyond that it is another trip's."""
MOST_AHEAD = 64
SLACK_M = 100.0
"""Metres that a position may be wrong, or older than its report."""


class Told(NamedTuple):
    """What a vehicle said last: when, its class, and the metres to each junction."""

    at: float
    kind: VehicleClass
    distances: Mapping[str, float]


def told(report: VehicleReport, now: float) -> Told:
    """What is to be remembered of a report."""
    return Told(now, report.kind, {ahead.junction: ahead.distance_m for ahead in report.ahead})


def implausible(report: VehicleReport, last: Told | None, now: float) -> str:
    """Why the report cannot be true, given the last one of the same vehicle; empty when it can."""
    numbers = [report.speed_mps, report.desired_mps]
    numbers += [value for ahead in report.ahead for value in (ahead.distance_m, ahead.eta_s)]
    if not all(math.isfinite(value) and value >= 0 for value in numbers):
        return "a number is negative or none at all"
    if max(report.speed_mps, report.desired_mps) > FASTEST_MPS:
        return f"nobody drives over {FASTEST_MPS:g} m/s"
    if not abs(report.late_s) <= LATEST_S:
        return f"nobody is over {LATEST_S:g} s late"
    if len(report.ahead) > MOST_AHEAD:
        return f"{len(report.ahead)} junctions ahead; at most {MOST_AHEAD} are taken"
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
    for ahead in report.ahead:
        before = last.distances.get(ahead.junction)
        if before is not None and before - ahead.distance_m > reach:
            return (
                f"came {before - ahead.distance_m:.0f} m nearer to {ahead.junction} in {now - last.at:.1f} s"
            )
    return ""
