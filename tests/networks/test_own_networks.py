from __future__ import annotations

import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from stopline_envs.scenario import Scenario, load_scenario

RunSumo = Callable[..., Any]  # the fixture of conftest.py
OWN = ("single", "arterial")
WALKING_SPEED = 1.07  # m/s, 3.5 ft/s


def _programs(scenario: Scenario) -> dict[str, list[tuple[int, str]]]:
    """The phases in force: a program of an additional file wins over the network's."""
    found: dict[str, list[tuple[int, str]]] = {}
    for path in (scenario.net, *scenario.additional):
        for logic in ET.parse(path).getroot().iter("tlLogic"):
            rows = [(int(float(p.attrib["duration"])), p.attrib["state"]) for p in logic.iter("phase")]
            found[logic.attrib["id"]] = rows
    return found


def _foes(scenario: Scenario) -> dict[str, list[str]]:
    """Per junction the foe string of each link, index 0 last, as in the network file."""
    root = ET.parse(scenario.net).getroot()
    return {
        junction.attrib["id"]: [row.attrib["foes"][::-1] for row in junction.iter("request")]
        for junction in root.iter("junction")
        if junction.get("type") == "traffic_light"
    }


def _crossings(scenario: Scenario) -> dict[str, dict[int, float]]:
    """Per junction: link index of a crossing -> its length, m."""
    root = ET.parse(scenario.net).getroot()
    length = {
        edge.attrib["id"]: float(edge[0].attrib["length"])
        for edge in root.iter("edge")
        if edge.get("function") == "crossing"
    }
    found: dict[str, dict[int, float]] = {}
    for row in root.iter("connection"):
        if "tl" in row.attrib and row.attrib["to"] in length:
            found.setdefault(row.attrib["tl"], {})[int(row.attrib["linkIndex"])] = length[row.attrib["to"]]
    return found


def test_arterial_is_what_it_says() -> None:
    scenario = load_scenario("arterial")
    root = ET.parse(scenario.net).getroot()
    signals = [j for j in root.iter("junction") if j.get("type") == "traffic_light"]
    assert len(signals) >= 8
    streets = {
        signal.attrib["id"]: {
            lane.rsplit("_", 1)[0] for lane in signal.attrib["incLanes"].split() if lane[0] != ":"
        }
        for signal in signals
    }
    assert {len(edges) for edges in streets.values()} == {3, 4}
    along = sorted(float(signal.attrib["x"]) for signal in signals)
    gaps = [b - a for a, b in pairwise(along)]
    assert max(gaps) / min(gaps) > 2
    assert all(name in _crossings(scenario) for name in streets)


@pytest.mark.parametrize("name", OWN)
def test_fixed_plan_has_one_cycle_and_no_conflict(name: str) -> None:
    scenario = load_scenario(name)
    programs, foes = _programs(scenario), _foes(scenario)
    assert len({sum(duration for duration, _ in rows) for rows in programs.values()}) == 1
    for junction, rows in programs.items():
        for _, state in rows:
            for a, row in enumerate(foes[junction]):
                for b in range(a):
                    assert not (row[b] == "1" and state[a] == "G" and state[b] == "G"), (
                        junction,
                        state,
                        a,
                        b,
                    )


@pytest.mark.parametrize("name", OWN)
def test_fixed_plan_never_skips_yellow_and_clears_in_red(name: str) -> None:
    crossings = _crossings(load_scenario(name))
    for junction, rows in _programs(load_scenario(name)).items():
        for (_, now), (duration, then) in zip(rows, rows[1:] + rows[:1], strict=True):
            for link, (a, b) in enumerate(zip(now, then, strict=True)):
                if a in "Gg" and link not in crossings[junction]:
                    assert b in "Ggy", (junction, link)
                    assert b != "y" or duration >= 3
                if a == "y":
                    assert b == "r", (junction, link)


@pytest.mark.parametrize("name", OWN)
def test_fixed_plan_gives_people_time_to_walk(name: str) -> None:
    """Every crossing has 7 s of walk, then its length at 1.07 m/s before a conflicting protected green."""
    scenario = load_scenario(name)
    programs, foes = _programs(scenario), _foes(scenario)
    for junction, crossings in _crossings(scenario).items():
        second = [state for duration, state in programs[junction] for _ in range(duration)]
        for link, length in crossings.items():
            walk = [state[link] == "G" for state in second]
            assert sum(walk) >= 7
            last = next(t for t in range(len(walk)) if walk[t] and not walk[(t + 1) % len(walk)])
            for wait in range(1, math.ceil(length / WALKING_SPEED) + 1):
                state = second[(last + wait) % len(second)]
                hit = [f for f, foe in enumerate(foes[junction][link]) if foe == "1" and state[f] == "G"]
                assert not hit, (junction, link, wait, hit)


@pytest.mark.parametrize(("name", "low", "high"), [("single", 25.0, 60.0), ("arterial", 40.0, 85.0)])
def test_demand_gets_in_and_fixed_is_busy_not_jammed(
    name: str, low: float, high: float, run_sumo: RunSumo
) -> None:
    outcome = run_sumo(load_scenario(name).window("demo"))
    assert outcome.undeparted == 0
    assert outcome.warnings == []
    assert low < outcome.delay < high
    kinds = {trip["vType"].split("@")[0] for trip in outcome.trips.values()}
    assert {"car", "truck"} <= kinds
    assert outcome.walks > (30 if name == "single" else 120)
    assert max(float(trip["timeLoss"]) for trip in outcome.trips.values()) < 600


def test_arterial_buses_serve_their_stops(run_sumo: RunSumo) -> None:
    outcome = run_sumo(load_scenario("arterial").window("demo"))
    buses = [trip for trip in outcome.trips.values() if trip["vType"] == "bus"]
    assert len(buses) >= 5
    # Two stops, 20 s each, before the window's end at the least.
    assert sum(float(trip["stopTime"]) >= 40 for trip in buses) >= 3


@pytest.mark.parametrize("name", OWN)
def test_emergency_vehicle_drives_its_route_only_when_asked(name: str, run_sumo: RunSumo) -> None:
    scenario = load_scenario(name)
    assert scenario.emergency is not None
    demo = scenario.window("demo")
    assert demo.begin < scenario.emergency.depart < demo.end - 300
    assert "emergency" not in {trip["vType"] for trip in run_sumo(demo).trips.values()}
    with_it = run_sumo(demo, extra_routes=(scenario.emergency.file,))
    trip = with_it.trips["emergency_0"]
    assert float(trip["arrival"]) > 0
    assert trip["arrivalLane"].rsplit("_", 1)[0] == scenario.emergency.edges[-1]


@pytest.mark.parametrize("name", OWN)
def test_emergency_data_agrees_with_its_file(name: str) -> None:
    emergency = load_scenario(name).emergency
    assert emergency is not None
    root = ET.parse(emergency.file).getroot()
    route, vehicle, kind = root.find("route"), root.find("vehicle"), root.find("vType")
    assert route is not None and vehicle is not None and kind is not None
    assert tuple(route.attrib["edges"].split()) == emergency.edges
    assert route.attrib["id"] == vehicle.attrib["route"] == emergency.route
    assert float(vehicle.attrib["depart"]) == emergency.depart
    assert (kind.attrib["id"], kind.attrib["vClass"]) == (emergency.vtype, "emergency")


@pytest.mark.parametrize("name", OWN)
def test_network_loads_in_libsumo(name: str) -> None:
    scenario = load_scenario(name)
    # In a process of its own: libsumo holds one simulation per process.
    code = (
        "import sys, libsumo\n"
        "net, routes, extra = sys.argv[1:]\n"
        "libsumo.start(['sumo', '-n', net, '-r', routes, '-a', extra, '--no-step-log'])\n"
        "libsumo.simulationStep(120)\n"
        "programs = {libsumo.trafficlight.getProgram(tls) for tls in libsumo.trafficlight.getIDList()}\n"
        "print(sorted(programs), libsumo.vehicle.getIDCount() > 10, libsumo.person.getIDCount() > 0)\n"
        "libsumo.close()\n"
    )
    files = [
        str(scenario.net),
        *(",".join(map(str, paths)) for paths in (scenario.routes, scenario.additional)),
    ]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['webster'] True True"
