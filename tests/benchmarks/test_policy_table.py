"""The policy table: what is kept between starts, and what the verdicts say."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks._policies.__main__ import RESULT, maps_of, rules_of
from benchmarks._policies.runs import POLICY, Kept, Task
from benchmarks._policies.table import CONTROLLERS, bar, cell, verdict
from stopline_agents.evaluate import EXTRAS, METRICS

SEEDS = (1, 2, 3)


def figures(delay: float, unserved: float = 0.0) -> dict[str, float]:
    return {**dict.fromkeys((*METRICS, *EXTRAS), 0.0), "delay_s": delay, "unserved": unserved}


def runs_with(policy: tuple[float, ...], best: tuple[float, ...]) -> dict[str, dict[str, float]]:
    """Every rule loses 40 s but rate-index, which loses `best`."""
    delays = dict.fromkeys(CONTROLLERS, (40.0, 40.0, 40.0)) | {"rate-index": best, POLICY: policy}
    return {
        Task("town", who, seed).key: figures(of[number])
        for who, of in delays.items()
        for number, seed in enumerate(SEEDS)
    }


def row_of(runs: dict[str, dict[str, float]]) -> dict[str, dict[str, Any]]:
    """The table's row of the town."""
    return {who: cell(runs, "town", who, SEEDS) for who in CONTROLLERS}


def test_runs_are_kept_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    Kept(path, "first").add(Task("town", POLICY, 1), figures(20.0))
    assert Kept(path, "first").found == {"town|bundle|1|": figures(20.0)}


def test_runs_of_another_bundle_are_not_taken_for_this_one_s(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    kept = Kept(path, "first")
    kept.add(Task("town", POLICY, 1), figures(20.0))
    kept.add(Task("town", "greedy", 1), figures(30.0))
    assert Kept(path, "second").found == {"town|greedy|1|": figures(30.0)}


def test_runs_of_a_version_that_knew_fewer_figures_are_made_again(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    Kept(path, "first").add(Task("town", "greedy", 1), {"delay_s": 30.0})
    Kept(path, "first").add(Task("town", "webster", 1), {})
    assert Kept(path, "first").found == {"town|webster|1|": {}}


def test_runs_in_which_the_map_locked_itself_are_counted() -> None:
    runs = runs_with((25.0, 26.0, 27.0), (30.0, 31.0, 32.0))
    runs[Task("town", "greedy", 2).key] |= {"deadlocked": 5.0, "longest_stop_s": 1700.0}
    found = cell(runs, "town", "greedy", SEEDS)
    assert found["locked_runs"] == 1 and found["longest_stop_s"] == 1700.0
    assert cell(runs, "town", POLICY, SEEDS)["locked_runs"] == 0


def test_the_best_rule_is_the_one_with_the_lowest_mean() -> None:
    found = verdict(row_of(runs_with((25.0, 26.0, 27.0), (30.0, 31.0, 32.0))))
    assert found.best_rule == "rate-index"
    assert found.against_best.mean == pytest.approx(-5.0)
    assert found.not_worse
    assert found.below_greedy == pytest.approx(1 - 26 / 40)


def test_a_policy_that_loses_on_every_seed_is_worse() -> None:
    found = verdict(row_of(runs_with((35.0, 36.0, 37.0), (30.0, 31.0, 32.0))))
    assert not found.not_worse
    assert bar({"town": found})["not_worse_than_best_rule"] == 0


def test_more_unserved_than_actuated_counts_against_the_bar() -> None:
    runs = runs_with((25.0, 26.0, 27.0), (30.0, 31.0, 32.0))
    runs[Task("town", POLICY, 2).key] = figures(26.0, unserved=3.0)
    found = verdict(row_of(runs))
    assert not found.served
    assert bar({"town": found}) == {
        "maps": 1,
        "not_worse_than_best_rule": 1,
        "at_least_10_percent_below_greedy": 1,
        "no_more_unserved_than_actuated": 0,
    }


def test_a_rule_that_cannot_be_run_on_a_map_is_left_out() -> None:
    runs = runs_with((25.0, 26.0, 27.0), (30.0, 31.0, 32.0))
    for seed in SEEDS:
        runs[Task("town", "rate-index", seed).key] = {}
    assert cell(runs, "town", "rate-index", SEEDS) == {}
    assert verdict(row_of(runs)).best_rule == "fixed"


def test_the_committed_verdicts_are_those_of_the_committed_rows() -> None:
    result = json.loads(RESULT.read_text())
    found = {name: verdict(row) for name, row in result["maps"].items()}
    assert bar(found) == result["bar"]
    for name, told in result["verdicts"].items():
        assert (found[name].best_rule, found[name].served) == (told["best_rule"], told["served"])
        assert found[name].against_best.mean == pytest.approx(told["against_best_s"])


def test_rules_are_taken_from_an_earlier_result_of_the_same_seeds(tmp_path: Path) -> None:
    runs = runs_with((25.0, 26.0, 27.0), (30.0, 31.0, 32.0))
    earlier = {"town": {**row_of(runs), POLICY: {}}}
    only = {key: found for key, found in runs.items() if POLICY in key}
    assert maps_of(only, ["town"], SEEDS, earlier) == maps_of(runs, ["town"], SEEDS, {})
    path = tmp_path / "other.json"
    path.write_text('{"seeds": [1, 2]}')
    with pytest.raises(SystemExit, match="pairs need the same"):
        rules_of(path, SEEDS, SEEDS, ["town"], [])
    path.write_text('{"seeds": [1, 2, 3], "sweep_seeds": [1], "maps": {"town": {}}, "sweep": {}}')
    with pytest.raises(SystemExit, match=r"its sweep has seeds \[1\]"):
        rules_of(path, SEEDS, SEEDS, ["town"], ["late"])
    with pytest.raises(SystemExit, match="no rules for city, late; run them without --rules-from"):
        rules_of(path, SEEDS, [1], ["town", "city"], ["late"])
