"""From a junction's record to a verdict for each requirement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stopline_hil.campaigns.campaign import Case
from stopline_hil.campaigns.lane import SLACK, Lane
from stopline_hil.campaigns.result import CaseResult
from stopline_hil.reports.model import Verdict


@dataclass(slots=True)
class Course:
    """When what happened to a case, in cabinet tenths; None while it has not."""

    ready: int | None = None
    began: int | None = None
    ended: int | None = None
    recovered: int | None = None
    state_reached: str = ""
    lapsed: bool = False
    error: str = ""


def judge(case: Case, lane: Lane, course: Course) -> CaseResult:
    """Every requirement of a case."""
    record, backup = lane.record, lane.handle.backup_s
    began, ended = course.began or lane.now, course.ended or lane.now
    recovery = -1.0
    if course.recovered is not None:
        recovery = (course.recovered - ended) / 10 if course.lapsed else 0.0
    return CaseResult(
        name=case.name,
        protocol=case.protocol,
        what=case.fault.what,
        state_reached=course.state_reached,
        states=record.states_between(began, course.recovered or lane.now),
        lasts_s=case.lasts_s,
        time_to_safe_s=record.longest / 10,
        backup_s=backup,
        recovery_s=recovery,
        violations=lane.handle.violations,
        stuck=record.stuck,
        commands=record.commands,
        verdicts=tuple(_verdicts(case, lane, course, recovery)),
        began=began,
        ended=ended,
        until=course.recovered or lane.now,
        timeline=tuple(record.changes),
        groups=tuple(group.name for group in lane.handle.cabinet.plan.groups),
    )


def _verdicts(case: Case, lane: Lane, course: Course, recovery: float) -> Iterator[Verdict]:
    record = lane.record
    if course.error:
        yield Verdict("the fault can be injected", False, course.error)
        return
    yield Verdict("control is taken", course.ready is not None, "" if course.ready else record.state)
    if course.ready is None:
        return
    yield Verdict(
        "state reached",
        course.state_reached in case.expect,
        f"{course.state_reached}, right is {' or '.join(sorted(case.expect))}",
    )
    limit = lane.handle.backup_s
    yield Verdict(
        "time to safe within the backup time",
        record.longest <= limit * 10 + SLACK,
        f"{record.longest / 10:.1f} s of {limit:.1f} s",
    )
    yield Verdict(
        "recovery",
        0 <= recovery <= case.recovers_s,
        f"{recovery:.1f} s of {case.recovers_s:.0f} s" if recovery >= 0 else "control did not come back",
    )
    yield Verdict(
        "no violation at the conflict monitor", lane.handle.violations == 0, f"{lane.handle.violations}"
    )
    if case.fault.name == "none":
        seen = record.states_between(course.ready, course.ended or lane.now)
        stood = lane.stall_s * lane.rate > limit / 3
        detail = f"{' '.join(seen)}{f'; the bench stood still for {lane.stall_s:.1f} s' if stood else ''}"
        yield Verdict("control is never lost", seen == ["remote"] or stood, detail)
    yield Verdict("no stuck command", record.stuck == 0, f"{record.stuck}")
