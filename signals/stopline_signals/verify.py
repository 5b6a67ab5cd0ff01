"""Judge a signal plan by the book: every finding says how bad, where, what to do and who says so.

>>> from stopline_signals.ring_barrier import dual_ring
>>> for finding in verify(dual_ring("Main/1st").plan()):
...     print(finding.severity.name, finding.rule)
NOTE not judged
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from stopline_signals._verify_clearance import clearance_findings
from stopline_signals._verify_pedestrian import pedestrian_findings
from stopline_signals._verify_preempt import preempt_findings
from stopline_signals._verify_stages import stage_findings
from stopline_signals.errors import PlanError
from stopline_signals.findings import Finding, Rule, Severity, Source
from stopline_signals.plan import SignalPlan
from stopline_signals.table import plan_from_table

__all__ = ["Finding", "Rule", "Severity", "Source", "verify", "verify_table", "worst"]


def verify(plan: SignalPlan) -> tuple[Finding, ...]:
    """All findings on a plan, the worst first."""
    return _ranked(
        [
            *clearance_findings(plan),
            *pedestrian_findings(plan),
            *stage_findings(plan),
            *preempt_findings(plan),
            *_flagged(plan),
        ]
    )


def verify_table(table: Mapping[str, Any], where: str = "plan") -> tuple[Finding, ...]:
    """All findings on a plan's table, also where no plan can be made of it.

    A pair of groups with an intergreen one way only is a finding; the rest is judged as if both ways had it.
    """
    findings, mended = _one_way_pairs(table)
    try:
        findings += verify(plan_from_table(mended, where))
    except PlanError as error:
        findings.append(Finding(Severity.ERROR, Rule.FORM, where, str(error), Source.STOPLINE))
    return _ranked(findings)


def worst(findings: Iterable[Finding]) -> Severity:
    """The highest severity; NOTE for none."""
    return max((finding.severity for finding in findings), default=Severity.NOTE)


def _ranked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(set(findings), key=lambda finding: (-finding.severity, finding)))


def _flagged(plan: SignalPlan) -> list[Finding]:
    if not plan.benchmark_only:
        return []
    message = "is flagged benchmark_only: it may be simulated, the controller refuses it"
    return [Finding(Severity.NOTE, Rule.FORM, f"junction {plan.junction}", message, Source.STOPLINE)]


def _one_way_pairs(table: Mapping[str, Any]) -> tuple[list[Finding], Mapping[str, Any]]:
    """Findings on the raw matrix, and the table with every pair given both ways."""
    matrix = _raw_matrix(table.get("intergreen"))
    missing = [(j, i) for i, row in matrix.items() for j in row if i not in matrix.get(j, {})]
    if not missing:
        return [], table
    for ending, starting in missing:
        matrix.setdefault(ending, {})[starting] = matrix[starting][ending]
    mended = [{"ending": ending, "starting": row} for ending, row in matrix.items()]
    findings = [
        Finding(
            Severity.ERROR,
            Rule.ASYMMETRIC_MATRIX,
            f"{ending} -> {starting}",
            f"no intergreen, but {starting} -> {ending} has one; give both or neither",
            Source.NEMA,
        )
        for ending, starting in missing
    ]
    return findings, {**table, "intergreen": mended}


def _raw_matrix(rows: object) -> dict[str, dict[str, Any]]:
    """Ending -> starting -> value of rows nobody has checked; what is no row is left to plan_from_table."""
    matrix: dict[str, dict[str, Any]] = {}
    for row in cast(list[object], rows) if isinstance(rows, list) else []:
        ending, starting = _entry(row, "ending"), _entry(row, "starting")
        if not isinstance(ending, str) or not isinstance(starting, Mapping):
            return {}
        matrix.setdefault(ending, {}).update(cast(Mapping[str, Any], starting))
    return matrix


def _entry(row: object, key: str) -> object:
    return cast(Mapping[str, object], row).get(key) if isinstance(row, Mapping) else None
