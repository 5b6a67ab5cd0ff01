"""Priority for buses in the simulation: late ones gain, those on time change nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stopline_agents.controllers import make_controller
from stopline_agents.transit import evaluate_transit, run_transit
from stopline_cli.main import app
from stopline_envs.scenario import load_scenario
from stopline_signals.errors import PolicyError
from stopline_signals.priority import TransitSettings

PEAK = load_scenario("arterial").between(900, 1500)


def test_late_buses_lose_less_and_no_lamp_breaks_a_rule() -> None:
    found = evaluate_transit(PEAK, "actuated", [1], late_s=20.0)
    (without,), (served,) = found.without, found.served
    assert without.grants == 0 < served.grants
    assert served.bus_delay_s < without.bus_delay_s
    assert served.buses == without.buses > 0
    assert served.violations == without.violations == 0


def test_buses_that_are_not_late_enough_change_nothing() -> None:
    short = PEAK.between(900, 1080)
    policy = make_controller("actuated")
    without, on_time = (
        run_transit(short, policy, 1, settings) for settings in (None, TransitSettings(late=3600.0))
    )
    assert without == on_time


def test_a_street_without_buses_says_so() -> None:
    with pytest.raises(PolicyError, match="no bus"):
        evaluate_transit(load_scenario("single").between(0, 60), "actuated", [1])


def test_the_command_writes_its_table(tmp_path: Path) -> None:
    line = ["evaluate", "--scenario", "highstreet", "--end", "300", "--controllers", "actuated"]
    done = CliRunner().invoke(
        app, [*line, "--seeds", "2", "--jobs", "1", "--transit", "--out", str(tmp_path)]
    )
    assert done.exit_code == 0, done.output
    table = json.loads((tmp_path / "transit.json").read_text())
    assert table["arms"]["priority"]["violations"] == 0 and table["buses"] > 0
