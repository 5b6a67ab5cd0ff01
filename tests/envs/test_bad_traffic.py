"""Bad traffic: an error with file, line and remedy, or a warning that is counted; never silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stopline_cli.main import app
from stopline_envs.demand.check import check_traffic
from stopline_envs.gym_env import JunctionEnv
from stopline_envs.network import NetworkRun
from stopline_envs.plans import FindingKind
from stopline_envs.scenario import Scenario, load_scenario
from stopline_envs.slots import SlotSettings
from stopline_signals.errors import ScenarioError, SimulationError
from tests.envs.maps import drive, scenario_or_skip

Register = Callable[[NetworkRun], NetworkRun]


def with_routes(folder: Path, *rows: str) -> Scenario:
    path = folder / "bad.rou.xml"
    path.write_text("\n".join(["<routes>", *rows, "</routes>"]))
    return replace(load_scenario("single").between(0, 60), routes=(path,))


GOOD = '<trip id="good" depart="0" from="W_J" to="J_E"/>'
NO_ROUTE = '<vehicle id="lost" depart="1"/>'
UNKNOWN = '<trip id="far" depart="1" from="W_J" to="J_MARS"/>'
GAP = '<vehicle id="jump" depart="1"><route edges="W_J J_E"/></vehicle>'
NO_WAY = '<trip id="back" depart="1" from="J_E" to="W_J"/>'
NO_SUCH_ROUTE = '<vehicle id="tram" route="line7" depart="1"/>'


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (NO_ROUTE, r"vehicle 'lost' has no route; give it from and to"),
        (UNKNOWN, r"trip 'far' uses edge 'J_MARS', which the network lacks"),
        (GAP, r"vehicle 'jump': no connection from edge 'W_J' to 'J_E'"),
        (NO_WAY, r"trip 'back': no way from edge 'J_E' to 'W_J'; .*--ignore-route-errors"),
        (NO_SUCH_ROUTE, r"vehicle 'tram' takes route 'line7', which nothing above it defines"),
    ],
)
def test_a_vehicle_without_a_way_stops_the_run_with_file_line_and_remedy(
    row: str, words: str, tmp_path: Path, running: Register
) -> None:
    run = running(NetworkRun(with_routes(tmp_path, GOOD, row)))
    with pytest.raises(SimulationError, match=rf"(?s)scenario single: SUMO .*bad\.rou\.xml:3: {words}"):
        drive(run, 1)


@pytest.mark.parametrize("name", ["single", "arterial", "highstreet", "cologne1", "cologne8", "ingolstadt7"])
def test_good_traffic_has_no_errors(name: str) -> None:
    assert [str(finding) for finding in check_traffic(scenario_or_skip(name)) if finding.error] == []


def test_own_scenarios_have_no_warnings_either() -> None:
    assert all(check_traffic(load_scenario(name)) == () for name in ("single", "highstreet"))


def test_vehicles_left_out_are_counted() -> None:
    (finding,) = check_traffic(scenario_or_skip("cologne3"))
    assert (finding.kind, finding.count) == ("early", 1638)
    assert "departs before the scenario begins at 25200 s" in finding.message
    assert "(and 1637 more)" in str(finding)


def test_traffic_out_of_order_or_too_late_is_a_warning(tmp_path: Path) -> None:
    late = GOOD.replace('depart="0"', 'depart="50"').replace("good", "late")
    scenario = with_routes(tmp_path, late, GOOD, late.replace("late", "never").replace("50", "90"))
    found = {finding.kind: finding for finding in check_traffic(scenario)}
    assert set(found) == {"order", "late"}
    assert found["order"].where.endswith("bad.rou.xml:3")
    assert found["late"].where.endswith("bad.rou.xml:4")
    assert not any(finding.error for finding in found.values())


def test_a_route_file_that_is_no_xml_names_its_line(tmp_path: Path) -> None:
    scenario = with_routes(tmp_path, GOOD, "<trip")
    with pytest.raises(ScenarioError, match=r"bad\.rou\.xml:4: not well-formed"):
        check_traffic(scenario)


def test_a_teleporting_net_is_counted() -> None:
    """Two trips whose streets are blocked for good, in a SUMO that is asked to teleport after 10 s."""
    settings = SlotSettings(options=("--time-to-teleport", "10"), signals=None)
    env = JunctionEnv(scenario_or_skip("single", 200), settings=settings)
    _, info = env.reset(seed=1)
    done = False
    while not done:
        *_, done, info = env.step(0)  # one stage for ever: whoever it does not serve is teleported
    env.close()
    assert info["teleports"] > 0


def test_ordinary_traffic_has_nothing_to_count() -> None:
    env = JunctionEnv(scenario_or_skip("single", 100))
    _, info = env.reset(seed=1)
    done = False
    while not done:
        *_, done, info = env.step(0)
    env.close()
    assert set(info) == {"action_mask", "scenario", "violations"}


def one_phase(folder: Path) -> Scenario:
    single = load_scenario("single").between(0, 100)
    text = single.net.read_text()
    begin, end = text.index("<tlLogic"), text.index("</tlLogic>")
    head, phase = text[begin:end].split("<phase")[:2]
    path = folder / "one.net.xml"
    path.write_text(text[:begin] + f"{head}<phase{phase}" + text[end:])
    return replace(single, net=path, additional=())


def test_a_signal_with_one_phase_runs_and_is_said_to_have_nothing_to_decide(
    tmp_path: Path, running: Register
) -> None:
    run = running(NetworkRun(one_phase(tmp_path)))
    kinds = [finding.kind for finding in run.plan_set.findings]
    assert FindingKind.ONE_STAGE in kinds
    drive(run, 1)
    assert run.violations == 0
    env = JunctionEnv(run.scenario)
    run.close()
    _, info = env.reset(seed=1)
    assert info["action_mask"].tolist() == [1] + [0] * 15
    env.close()


def invoke(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["network", "check", *map(str, words)], env={"COLUMNS": "200"})
    return done.exit_code, done.output


def test_the_command_lists_what_is_wrong(tmp_path: Path) -> None:
    scenario = with_routes(tmp_path, GOOD, NO_ROUTE, UNKNOWN, NO_ROUTE.replace("lost", "lost too"))
    code, output = invoke("--net", scenario.net, "--routes", scenario.routes[0], "--json")
    assert code == 1
    rows = {row["message"].split(";")[0]: row for row in json.loads(output)}
    assert rows["vehicle 'lost' has no route"]["count"] == 2
    assert rows["vehicle 'lost' has no route"]["where"].endswith("bad.rou.xml:3")
    code, output = invoke("highstreet")
    assert (code, output.strip()) == (0, "highstreet: nothing to complain about")
    code, output = invoke("cologne3") if scenario_or_skip("cologne3") else (0, "")
    assert code == 0 and "warning" in output
    code, _ = invoke("single", "--net", scenario.net)
    assert code == 2
    code, output = invoke("--net", scenario.net, "--routes", tmp_path / "none.rou.xml")
    assert code == 1 and "file not found" in output
    code, output = invoke("single", "--begin", 200, "--end", 100)
    assert code == 1 and "before end" in output
