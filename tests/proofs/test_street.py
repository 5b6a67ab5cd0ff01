"""The day at real junctions, cut to minutes; and what it says when plans or guard are wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stopline_mmu import Rule
from stopline_signals import Guard, SignalPlan, Verdict
from stopline_signals.errors import ScenarioError
from tests.proofs.street import SCENARIOS, days, main


def hurried(plan: SignalPlan) -> SignalPlan:
    """The same plan with a yellow of 2 s, and conflicting greens that follow right after it."""
    groups = tuple(replace(group, yellow=min(group.yellow, 20)) for group in plan.groups)
    matrix = tuple(
        tuple(value if value < 0 else group.change for value in row)
        for group, row in zip(groups, plan.intergreen, strict=True)
    )
    return replace(plan, groups=groups, intergreen=matrix, paths=(), red_revert=0)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_quarter_of_an_hour_is_clean(scenario: str) -> None:
    try:
        found = list(days(scenario, 900, seed=3))
    except ScenarioError as error:
        pytest.skip(str(error))
    for signal, day, watch in found:
        assert (signal, watch.monitor.violations, day.late) == (signal, [], [])
        assert day.changes > 20
        assert day.refused > 0


def test_the_monitor_sees_what_a_hurried_plan_does() -> None:
    rules = {v.rule for _, _, watch in days("single", 900, 3, hurried) for v in watch.monitor.violations}
    assert rules >= {Rule.SHORT_YELLOW, Rule.CLEARANCE}


def test_a_guard_that_lets_calls_starve_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "decide", lambda self, state, request: Verdict(0, None))
    ((_, day, watch),) = days("single", 3600, 3)
    assert day.late
    assert day.unused
    assert watch.monitor.violations == []


def test_the_command_writes_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "street.json"
    assert main(["--hours", "2", "--scenario", "single", "--out", str(out)]) == 0
    assert "1 junctions, 7200 decisions" in capsys.readouterr().out
    assert '"violations": 0' in out.read_text(encoding="utf-8")
