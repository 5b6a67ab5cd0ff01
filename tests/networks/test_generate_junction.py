"""Junctions of one to six arms, with stages or rings, from seeds; they run without a violation."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stopline_cli.main import app
from stopline_envs.generate import generate_junction, generate_network
from stopline_envs.generate.junction import ARMS
from stopline_envs.network import NetworkRun
from stopline_envs.scenario import Scenario, load_scenario
from stopline_signals.errors import ScenarioError
from stopline_signals.plan import GroupKind
from tests.envs.maps import drive


def kinds(scenario: Scenario) -> list[str]:
    return [logic.attrib["type"] for logic in ET.parse(scenario.net).getroot().iter("tlLogic")]


@pytest.mark.parametrize("arms", ARMS)
@pytest.mark.parametrize("plans", ["stages", "nema"])
def test_a_junction_has_the_arms_asked_for_and_runs_legally(arms: int, plans: str, tmp_path: Path) -> None:
    scenario = generate_junction(
        arms, tmp_path, arms=arms, plans=plans, crossings=True, duration=300, fullness=0.3
    )
    run = NetworkRun(scenario, trips=True)
    (plan,) = run.plans
    approaches = {group.approach for group in plan.groups if group.kind is GroupKind.VEHICLE}
    assert len(approaches) == arms
    assert any(group.kind is GroupKind.PEDESTRIAN for group in plan.groups)
    assert len(plan.stages) >= 2
    try:
        drive(run, 1)
        metrics = run.metrics()
    finally:
        run.close()
    assert run.violations == 0
    assert metrics.vehicles > 10
    assert metrics.walkers > 0
    if plans == "nema" and arms == 4:
        assert kinds(scenario) == ["NEMA"]
        assert len(plan.rings) == 2
    if plans == "stages":
        assert kinds(scenario) == ["static"]


@pytest.mark.parametrize("arms", [1, 4])
def test_the_same_seed_gives_the_same_bytes(arms: int, tmp_path: Path) -> None:
    for folder, seed in (("a", 7), ("b", 7), ("c", 8)):
        generate_junction(seed, tmp_path / folder, arms=arms, duration=300)
    a, b, c = (
        {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()} for folder in ("a", "b", "c")
    )
    assert a == b
    assert a["routes.rou.xml"] != c["routes.rou.xml"]
    assert load_scenario(tmp_path / "a" / "scenario.toml").duration == 300


def test_networks_come_with_rings_too(tmp_path: Path) -> None:
    scenario = generate_network(5, tmp_path / "rings", kind="grid", signals=6, plans="nema", duration=300)
    assert {"NEMA"} <= set(kinds(scenario)) <= {"NEMA", "actuated"}
    run = NetworkRun(scenario)
    assert any(plan.rings for plan in run.plans)
    try:
        drive(run, 1)
    finally:
        run.close()
    assert run.violations == 0
    stages = generate_network(5, tmp_path / "stages", kind="grid", signals=6, duration=300)
    assert set(kinds(stages)) == {"static"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"arms": 0}, "arms must be 1 to 6"),
        ({"arms": 7}, "arms must be 1 to 6"),
        ({"plans": "rilsa"}, "'rilsa'; known: stages, nema"),
        ({"fullness": 3.0}, "fullness"),
        ({"duration": 5}, "duration"),
    ],
)
def test_impossible_wishes_are_refused(options: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=words):
        generate_junction(1, tmp_path, **options)  # type: ignore[arg-type]  # wrong on purpose


def test_the_command_draws_networks_and_junctions(tmp_path: Path) -> None:
    def run(*words: object) -> Result:
        return CliRunner().invoke(app, ["network", "generate", *map(str, words)])

    done = run("--out", tmp_path / "net", "--kind", "grid", "--signals", 2, "--duration", 120)
    assert done.exit_code == 0, done.output
    assert "Generated grid with 2 signals" in done.output
    assert load_scenario(tmp_path / "net" / "scenario.toml").duration == 120
    done = run("--out", tmp_path / "one", "--arms", 1, "--duration", 120)
    assert done.exit_code == 0, done.output
    assert "junction with 1 arm" in done.output
    assert run("--out", tmp_path, "--arms", 4, "--kind", "grid").exit_code == 2
    wrong = run("--out", tmp_path, "--kind", "village")
    assert wrong.exit_code == 1
    assert "grid, town, spider, arterial" in wrong.output
