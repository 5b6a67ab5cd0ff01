"""Evaluation: the JSON contract, paired seeds, honest intervals, and the command around it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from stopline_agents.evaluate import METRICS, Evaluation, evaluate, run_one
from stopline_agents.report import write_report
from stopline_agents.statistics import estimate, paired_difference, sign_flip_p
from stopline_envs.generate import generate_network
from stopline_envs.scenario import Scenario
from stopline_signals.errors import PolicyError

CONTROLLERS = ("fixed", "fixed-as-is", "actuated", "greedy")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    folder = tmp_path_factory.mktemp("net")
    return generate_network(5, folder, signals=2, fullness=0.5, duration=240, crossings=True)


@pytest.fixture(scope="module")
def evaluation(small: Scenario) -> Evaluation:
    return evaluate(small, CONTROLLERS, (1, 2, 3))


def test_the_json_is_what_the_contract_says(evaluation: Evaluation) -> None:
    table = json.loads(json.dumps(evaluation.to_table(), allow_nan=False))
    assert table["scenario"] == evaluation.scenario.name
    assert table["seeds"] == [1, 2, 3]
    assert list(table["controllers"]) == list(CONTROLLERS)
    for row in table["controllers"].values():
        for metric in METRICS:
            figure = row[metric]
            low, high = figure["ci95"]
            assert len(figure["per_seed"]) == 3
            assert figure["mean"] == pytest.approx(sum(figure["per_seed"]) / 3)
            assert low <= figure["mean"] <= high


def test_controllers_meet_the_same_traffic(evaluation: Evaluation) -> None:
    counts = {row.controller: row.figures["vehicles"].per_seed for row in evaluation.rows}
    assert len(set(counts.values())) == 1
    first = next(iter(counts.values()))
    assert len(set(first)) > 1, "other seeds must bring other traffic"


def test_a_seed_repeats_exactly(small: Scenario, evaluation: Evaluation) -> None:
    again = run_one(small, "actuated", 2)
    assert again.figures["delay_s"] == evaluation.row("actuated").figures["delay_s"].per_seed[1]


def test_processes_change_nothing(small: Scenario, evaluation: Evaluation) -> None:
    parallel = evaluate(small, ("fixed", "actuated"), (1, 2), jobs=2)
    for row in parallel.rows:
        own = evaluation.row(row.controller).figures["delay_s"].per_seed
        assert row.figures["delay_s"].per_seed == own[:2]


def test_no_rule_shows_an_unsafe_lamp(evaluation: Evaluation) -> None:
    for row in evaluation.rows:
        if row.controller != "fixed-as-is":
            assert sum(row.figures["violations"].per_seed) == 0
            assert sum(row.figures["interventions"].per_seed) == 0


def test_pairing_is_seed_by_seed(evaluation: Evaluation) -> None:
    against = evaluation.against("fixed")["actuated"]
    fixed, actuated = (evaluation.row(name).figures["delay_s"].per_seed for name in ("fixed", "actuated"))
    assert against.per_seed == tuple(a - f for a, f in zip(actuated, fixed, strict=True))


def test_the_report_holds_every_controller_and_needs_nothing_from_outside(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    write_report(evaluation, tmp_path / "report.html", command="stopline evaluate <x>")
    text = (tmp_path / "report.html").read_text()
    assert all(f"<td>{name}</td>" in text for name in CONTROLLERS)
    assert "evaluate &lt;x&gt;" in text
    assert text.count("data:image/png;base64,") == 2
    assert not re.search(r'(?:src|href)="(?!data:)', text)


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(200):
        found = estimate(rng.normal(10.0, 2.0, 20).tolist())
        hits += found.low <= 10.0 <= found.high
    assert 0.85 <= hits / 200 <= 1.0


def test_pairing_removes_what_seeds_share() -> None:
    shared = [10.0, 30.0, 50.0, 20.0, 40.0]
    difference = paired_difference([value - 1.0 for value in shared], shared)
    assert difference.mean == pytest.approx(-1.0)
    assert difference.high < 0
    with pytest.raises(ValueError, match="same seeds"):
        paired_difference([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="at least one"):
        estimate([])


@pytest.mark.parametrize(
    ("controllers", "seeds", "message"),
    [((), (1,), "at least one"), (("fixed", "fixed"), (1,), "different"), (("clever",), (1,), "clever")],
)
def test_a_senseless_evaluation_is_refused_before_it_runs(
    small: Scenario, controllers: tuple[str, ...], seeds: tuple[int, ...], message: str
) -> None:
    with pytest.raises(PolicyError, match=message):
        evaluate(small, controllers, seeds)


def test_the_command_writes_both_files(small: Scenario, tmp_path: Path) -> None:
    from stopline_cli.main import app

    arguments = ["evaluate", "--net", str(small.net), "--routes", str(small.routes[0]), "--end", "120"]
    arguments += [
        "--controllers",
        "fixed,greedy",
        "--seeds",
        "2",
        "--jobs",
        "1",
        "--out",
        str(tmp_path),
        "--json",
    ]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert printed == json.loads((tmp_path / "evaluation.json").read_text())
    assert printed["window_s"] == [0, 120]
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--scenario", "arterial", "--net", "x.net.xml"],
        ["--net", "x.net.xml"],
        ["--scenario", "a", "--routes", "b"],
    ],
)
def test_bad_usage_is_exit_2(arguments: list[str]) -> None:
    from stopline_cli.main import app

    assert CliRunner().invoke(app, ["evaluate", *arguments]).exit_code == 2


def test_the_exact_test_counts_exchanges() -> None:
    assert sign_flip_p([1.0, 2.0, 1.5, 0.5, 3.0]) == pytest.approx(2 / 32), "all on one side"
    assert sign_flip_p([1.0, -1.0]) == 1.0
    many = sign_flip_p([0.3, 0.1] * 12)
    assert 0 <= many < 0.01
