from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stopline_envs.generate import Kind, generate_network
from stopline_envs.generate.load import critical_ratios, read_signals
from stopline_envs.generate.sumo_tools import run_binary
from stopline_envs.scenario import Scenario, load_scenario
from stopline_signals.errors import ScenarioError, SimulationError

RunSumo = Callable[..., Any]  # the fixture of conftest.py


def _signals(scenario: Scenario) -> dict[str, ET.Element]:
    root = ET.parse(scenario.net).getroot()
    return {j.attrib["id"]: j for j in root.iter("junction") if j.get("type") == "traffic_light"}


def _arms(junction: ET.Element) -> int:
    return len({lane.rsplit("_", 1)[0] for lane in junction.attrib["incLanes"].split() if lane[0] != ":"})


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", Kind)
def test_same_seed_same_bytes_other_seed_other_network(kind: Kind, tmp_path: Path) -> None:
    for folder, seed in (("a", 5), ("b", 5), ("c", 6)):
        generate_network(seed, tmp_path / folder, kind=kind, crossings=True)
    a, b, c = (_bytes(tmp_path / folder) for folder in "abc")
    assert a == b
    assert a["net.net.xml"] != c["net.net.xml"]
    assert a["routes.rou.xml"] != c["routes.rou.xml"]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("count", [1, 2, 6, 9, 14])
def test_exactly_as_many_signals_as_asked_for(kind: Kind, count: int, tmp_path: Path) -> None:
    scenario = generate_network(count, tmp_path, kind=kind, signals=count)
    signals = _signals(scenario)
    assert len(signals) == count
    assert {_arms(junction) for junction in signals.values()} <= {3, 4, 5}


def test_seeds_give_variety(tmp_path: Path) -> None:
    kinds = set[str]()
    ratios = set[float]()
    counts, arms, lanes, speeds, stages = (set[int]() for _ in range(5))
    for seed in range(16):
        scenario = generate_network(seed, tmp_path / str(seed))
        root = ET.parse(scenario.net).getroot()
        kinds.add(scenario.name.split("-")[0])
        counts.add(len(_signals(scenario)))
        arms |= {_arms(junction) for junction in _signals(scenario).values()}
        edges = [edge for edge in root.iter("edge") if edge.get("function") is None]
        lanes |= {len(edge.findall("lane")) for edge in edges}
        speeds |= {round(float(edge[0].attrib["speed"]) * 3.6) for edge in edges}
        for logic in root.iter("tlLogic"):
            stages.add(sum("y" not in phase.attrib["state"] for phase in logic))
        ratios.add(float(scenario.notes.split()[3]))
    assert kinds == {"grid", "town", "spider", "arterial"}
    assert counts == {6, 7, 8, 9}
    assert arms >= {3, 4, 5}
    assert lanes >= {1, 2, 3}
    assert min(speeds) <= 30 and max(speeds) >= 60
    assert len(stages) >= 3
    assert min(ratios) < 0.3 < 0.6 < max(ratios)


def test_demand_fills_the_busiest_signal_as_asked(tmp_path: Path) -> None:
    scenario = generate_network(3, tmp_path, fullness=0.4)
    root = ET.parse(scenario.routes[0]).getroot()
    share = {
        dist.attrib["id"]: [(tuple(r.attrib["edges"].split()), float(r.attrib["probability"])) for r in dist]
        for dist in root.iter("routeDistribution")
    }
    assert all(sum(p for _, p in rows) == pytest.approx(1.0, abs=0.01) for rows in share.values())
    rate: dict[str, float] = {}
    for flow in root.iter("flow"):
        level = float(flow.attrib["period"][4:-1]) * 3600
        rate[flow.attrib["route"]] = max(level, rate.get(flow.attrib["route"], 0.0))
    flows = [(edges, rate[origin] * p) for origin, rows in share.items() for edges, p in rows]
    busiest = max(critical_ratios(read_signals(scenario.net), flows).values())
    # The largest slice of an origin is the peak with its noise (0.8 to 1.2) or a surge (up to twice).
    assert 0.3 < busiest < 0.85
    assert "0.40" in scenario.notes


@pytest.mark.parametrize("kind", Kind)
def test_light_demand_gets_in_under_its_own_programs(kind: Kind, tmp_path: Path, run_sumo: RunSumo) -> None:
    scenario = generate_network(11, tmp_path / "net", kind=kind, fullness=0.25, duration=900)
    outcome = run_sumo(scenario)
    assert outcome.undeparted == 0
    assert outcome.warnings == []
    assert len(outcome.trips) > 50
    assert outcome.walks == 0


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_crossings_carry_people_and_are_all_served(seed: int, tmp_path: Path, run_sumo: RunSumo) -> None:
    scenario = generate_network(
        seed, tmp_path / "net", kind="town", crossings=True, fullness=0.2, duration=900
    )
    outcome = run_sumo(scenario)
    assert outcome.walks > 20
    assert not [line for line in outcome.warnings if "Missing green phase" in line or "jammed" in line]


def test_simulation_seed_changes_who_comes_when(tmp_path: Path, run_sumo: RunSumo) -> None:
    scenario = generate_network(4, tmp_path / "net", duration=600)
    first, again, other = (run_sumo(scenario, seed=seed) for seed in (1, 1, 2))
    departures = [sorted(t["depart"] for t in outcome.trips.values()) for outcome in (first, again, other)]
    assert departures[0] == departures[1] != departures[2]


def test_generated_scenario_can_be_loaded_again(tmp_path: Path) -> None:
    scenario = generate_network(9, tmp_path)
    assert load_scenario(tmp_path / "scenario.toml") == scenario


def test_generation_is_fast(tmp_path: Path) -> None:
    began = time.process_time()
    wall = time.monotonic()
    generate_network(1, tmp_path, signals=9, crossings=True)
    assert time.process_time() - began < 5
    assert time.monotonic() - wall < 15


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "village"}, r"'village'.*grid, town, spider, arterial"),
        ({"signals": 0}, "signals must be 1 to"),
        ({"signals": 1000}, "signals must be 1 to"),
        ({"fullness": 0.0}, "fullness"),
        ({"duration": 10}, "duration"),
    ],
)
def test_impossible_wishes_are_refused(options: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=words):
        generate_network(1, tmp_path, **options)  # type: ignore[arg-type]  # wrong on purpose


def test_a_tool_that_fails_says_why() -> None:
    with pytest.raises(SimulationError, match=r"netconvert failed.*nowhere"):
        run_binary("netconvert", {"sumo-net-file": "nowhere.net.xml"})
