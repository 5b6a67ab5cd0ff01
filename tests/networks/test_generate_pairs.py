"""Generated signals that offer every stage that may be formed."""

from __future__ import annotations

from pathlib import Path

from stopline_envs.generate import generate_network
from stopline_envs.generate.pairs import MOST_STAGES
from stopline_envs.network import NetworkRun, plans_of

LONG_S = 300


def test_a_grid_offers_each_approach_alone_and_opposing_pairs(tmp_path: Path) -> None:
    plain = plans_of(generate_network(5, tmp_path / "plain", kind="grid", signals=4)).plans
    scenario = generate_network(5, tmp_path / "all", kind="grid", signals=4, all_stages=True)
    plans = plans_of(scenario).plans
    assert {name: len(plan.stages) for name, plan in plans.items()} != {
        name: len(plan.stages) for name, plan in plain.items()
    }
    richest = max(plans.values(), key=lambda plan: len(plan.stages))
    assert 4 < len(richest.stages) <= MOST_STAGES
    approaches = [{richest.groups[g].approach for g in stage.groups} for stage in richest.stages]
    assert any(len(served) == 1 for served in approaches), "an approach alone"
    assert any(len(served) == 2 for served in approaches), "opposing approaches together"


def test_stages_of_one_signal_are_largest_and_distinct(tmp_path: Path) -> None:
    for plan in plans_of(
        generate_network(5, tmp_path, kind="grid", signals=4, all_stages=True)
    ).plans.values():
        sets = [frozenset(stage.groups) for stage in plan.stages]
        assert len(set(sets)) == len(sets)


def test_any_order_of_the_offered_stages_is_safe(tmp_path: Path) -> None:
    run = NetworkRun(generate_network(5, tmp_path, kind="grid", signals=4, all_stages=True, duration=LONG_S))
    run.reset(1)
    try:
        for turn in range(LONG_S // 5):
            run.advance([turn * 3 % len(plan.stages) for plan in run.plans], 5)
    finally:
        run.close()
    assert run.violations == 0
