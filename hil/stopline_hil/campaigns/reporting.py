"""A campaign's result as a report."""

from __future__ import annotations

from stopline_hil.campaigns.result import CampaignResult, CaseResult, to_table
from stopline_hil.reports.model import Item, Report, Timeline


def report_of(result: CampaignResult) -> Report:
    """What is written into HTML, JSON and JUnit XML."""
    facts = {
        "rate": f"{result.rate:g} cabinet seconds a second",
        "street": result.street,
        "seed": str(result.seed),
        "took": f"{result.wall_s:.0f} s",
    }
    if result.skipped:
        facts["SKIPPED"] = "; ".join(result.skipped)
    return Report(
        title=f"Fault campaign {result.name}",
        facts=facts,
        items=tuple(_item(case) for case in result.cases),
        data=to_table(result),
        hops=result.hops,
        seconds=result.wall_s,
    )


def _item(case: CaseResult) -> Item:
    return Item(
        name=case.name,
        kind=case.protocol,
        what=case.what,
        verdicts=case.verdicts,
        figures={
            "state reached": case.state_reached,
            "time to safe": f"{case.time_to_safe_s:.1f} of {case.backup_s:.0f} s",
            "recovery": f"{case.recovery_s:.1f} s" if case.recovery_s >= 0 else "never",
            "violations": str(case.violations),
            "stuck": str(case.stuck),
        },
        timeline=Timeline(case.timeline, case.groups, case.began, case.ended, case.until)
        if case.timeline
        else None,
    )
