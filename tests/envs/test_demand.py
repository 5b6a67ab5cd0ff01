"""Demand drawn from seeds: what varies, what stays, what happens on the road, and that it repeats."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import libsumo
import numpy as np
import pytest

from stopline_envs.demand import DemandVariation, VariedDemand
from stopline_envs.demand.routes import read_routes, volumes
from stopline_envs.demand.variation import draw, poisson
from stopline_envs.demand.varied import KEPT
from stopline_envs.gym_env import JunctionEnv
from stopline_envs.network import NetworkRun
from stopline_envs.scenario import Scenario, load_scenario
from stopline_envs.slots import SlotSettings
from stopline_envs.vec_env import SlotVecEnv
from stopline_signals.errors import ScenarioError
from tests.envs.maps import scenario_or_skip

Register = Callable[[NetworkRun], NetworkRun]
CALM = DemandVariation(scale=(1.0, 1.0), turns=0.0, peaks=0.0, surges=0.0, incidents=0.0)
PLENTY = DemandVariation(surges=2.0, incidents=2.0, emergency=2.0)


def amount(scenario: Scenario) -> float:
    return sum(
        sum(volumes(read_routes(path), scenario.begin, scenario.end).values()) for path in scenario.routes
    )


def written(scenario: Scenario, variation: DemandVariation, folder: Path, seed: int) -> ET.Element:
    return ET.parse(VariedDemand(scenario, variation, folder)(seed).routes[0]).getroot()


@pytest.mark.parametrize("name", ["highstreet", "arterial", "cologne3", "fkk_in"])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(name: str, tmp_path: Path) -> None:
    scenario = scenario_or_skip(name, 900)
    rows = [
        VariedDemand(scenario, PLENTY, tmp_path / folder)(seed).routes[0].read_bytes()
        for folder, seed in (("a", 3), ("b", 3), ("a", 4))
    ]
    assert rows[0] == rows[1] != rows[2]


@pytest.mark.parametrize("name", ["highstreet", "arterial", "cologne3", "cologne1", "fkk_in", "rilsa1"])
def test_without_variation_as_many_go_the_same_ways(name: str, tmp_path: Path) -> None:
    scenario = scenario_or_skip(name, 900)
    same = VariedDemand(scenario, CALM, tmp_path)(1)
    assert amount(same) == pytest.approx(amount(scenario), rel=0.01)
    own, other = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for whole, counted in ((scenario, own), (same, other)):
        for path in whole.routes:
            counted.update(volumes(read_routes(path), whole.begin, whole.end))
    assert own.keys() == other.keys()
    assert all(own[pair] == pytest.approx(other[pair], rel=0.02, abs=0.05) for pair in own)


@pytest.mark.parametrize("name", ["arterial", "cologne3"])
def test_scale_multiplies_all_demand(name: str, tmp_path: Path) -> None:
    scenario = scenario_or_skip(name, 900)
    half = DemandVariation(scale=(0.5, 0.5), turns=0.0, peaks=0.0, surges=0.0, incidents=0.0)
    double = DemandVariation(scale=(2.0, 2.0), turns=0.0, peaks=0.0, surges=0.0, incidents=0.0)
    base = amount(scenario)
    assert amount(VariedDemand(scenario, half, tmp_path)(1)) == pytest.approx(0.5 * base, rel=0.08)
    assert amount(VariedDemand(scenario, double, tmp_path)(2)) == pytest.approx(2.0 * base, rel=0.08)


def test_turn_ratios_vary_and_each_origins_total_stays() -> None:
    wanted = {(a, b): 10.0 * (1 + len(b)) for a in "AB" for b in ("X", "YY", "ZZZ")}
    drawn = draw(DemandVariation(turns=0.8), wanted, 0, 900, random.Random(1))
    for origin in "AB":
        own = {pair: volume for pair, volume in wanted.items() if pair[0] == origin}
        turned = {pair: volume * drawn.turns[pair] for pair, volume in own.items()}
        assert sum(turned.values()) == pytest.approx(sum(own.values()))
        assert max(drawn.turns[pair] for pair in own) > 1.2


def test_peaks_fall_away_and_surges_last_five_minutes() -> None:
    wanted = {("A", "X"): 100.0, ("B", "X"): 100.0}
    variation = DemandVariation(scale=(1.0, 1.0), turns=0.0, peaks=0.8, surges=3.0)
    levels, surges = set(), 0
    for seed in range(20):
        drawn = draw(variation, wanted, 600, 4200, random.Random(seed))
        row = [drawn.level(time) for time in range(600, 4200, 100)]
        assert all(0.2 <= level <= 1.0 for level in row)
        levels.add(round(min(row), 2))
        for surge in drawn.surges:
            surges += 1
            middle = surge.begin + 150
            assert drawn.factor(middle, surge.origin, "X") >= 1.5 * drawn.level(middle)
            assert surge.end - surge.begin == 300
    assert len(levels) > 5
    assert 30 < surges < 90


def test_events_come_as_often_as_expected() -> None:
    rng = random.Random(5)
    assert np.mean([poisson(0.7, rng) for _ in range(4000)]) == pytest.approx(0.7, abs=0.05)
    assert poisson(0.0, rng) == 0


def test_buses_keep_their_timetable(tmp_path: Path) -> None:
    scenario = load_scenario("highstreet")
    root = written(scenario, DemandVariation(scale=(0.3, 0.3)), tmp_path, 1)
    original = {row.attrib["id"]: row for row in ET.parse(scenario.routes[0]).getroot().iter("flow")}
    buses = [row for row in root.iter("flow") if row.find("stop") is not None]
    assert len(buses) == 2
    assert all(row.attrib == original[row.attrib["id"]].attrib for row in buses)


def test_an_incident_blocks_its_lane_and_then_drives_on(tmp_path: Path, running: Register) -> None:
    scenario = scenario_or_skip("arterial", 900)
    variation = DemandVariation(incidents=3.0)
    varied = next(
        s
        for seed in range(9)
        if "incident~1" in (s := VariedDemand(scenario, variation, tmp_path)(seed)).routes[0].read_text()
    )
    run = running(NetworkRun(varied))
    run.reset(1)
    stood: Counter[str] = Counter()
    while not run.done:
        run.advance(run.program_stages(), 5)
        for name in libsumo.vehicle.getIDList():
            if name.startswith("incident~") and libsumo.vehicle.getSpeed(name) < 0.1:
                stood[name] += 5
    assert stood
    assert max(stood.values()) >= 150
    assert run.violations == 0


def test_emergency_vehicles_have_right_of_way(tmp_path: Path, running: Register) -> None:
    """The same ambulance against a red that never ends: with right of way it passes, without it waits."""
    scenario = scenario_or_skip("single", 150)
    (first, last) = ("W_J", "J_E")
    passed = {}
    for right in (True, False):
        rows = (
            f'<routes><vType id="e" vClass="emergency" speedFactor="1.4">'
            f'<param key="has.bluelight.device" value="{str(right).lower()}"/></vType>'
            f'<trip id="e0" type="e" depart="5" from="{first}" to="{last}" departLane="best"/></routes>'
        )
        path = tmp_path / f"{right}.rou.xml"
        path.write_text(rows)
        run = running(NetworkRun(scenario, signals=[], extra_files=[path]))
        run.reset(1)
        (signal,) = run.plan_set.plans
        red = "r" * len(run.plan_set.programs[signal].phases[0].state)
        gone = 0
        while not run.done:
            libsumo.trafficlight.setRedYellowGreenState(signal, red)
            run.advance([], 1)
            gone += "e0" in libsumo.simulation.getArrivedIDList()
        run.close()
        passed[right] = bool(gone)
    assert passed == {True: True, False: False}
    root = written(scenario, DemandVariation(emergency=5.0), tmp_path, 2)
    emergencies = [row for row in root.iter("trip") if row.attrib["id"].startswith("emergency~")]
    assert emergencies
    assert any(row.attrib.get("key") == "has.bluelight.device" for row in root.iter("param"))


def test_environments_meet_new_demand_in_every_episode(tmp_path: Path) -> None:
    source = VariedDemand(scenario_or_skip("single", 100), DemandVariation(), tmp_path)
    env = JunctionEnv(source, settings=SlotSettings(trips=True))
    counts = []
    for seed in (1, 2, 1):
        _, info = env.reset(seed=seed)
        done = False
        while not done:
            *_, done, info = env.step(0)
        counts.append((info["metrics"].vehicles, round(info["metrics"].delay_s, 6)))
    env.close()
    assert counts[0] == counts[2] != counts[1]
    workers = SlotVecEnv(source, workers=1, slots=1)
    try:
        assert workers.reset().shape[0] == 1
    finally:
        workers.close()


def test_old_episodes_files_are_deleted(tmp_path: Path) -> None:
    source = VariedDemand(scenario_or_skip("single", 100), DemandVariation(), tmp_path)
    for seed in range(KEPT + 5):
        source(seed)
    assert len(list(tmp_path.iterdir())) == KEPT


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scale": (1.2, 0.8)}, "scale must be two rising factors"),
        ({"scale": (0.0, 1.0)}, "scale must be"),
        ({"turns": 5.0}, "turns must be 0 to 2"),
        ({"peaks": 1.5}, "peaks must be 0 to 1"),
        ({"surges": -1.0}, "surges must be 0 to 20"),
        ({"incidents": 100.0}, "incidents must be 0 to 20"),
    ],
)
def test_impossible_variations_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        DemandVariation(**values)  # type: ignore[arg-type]  # wrong on purpose


def test_a_route_file_that_cannot_be_read_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.rou.xml"
    path.write_text("<routes>\n<flow>\n</routes>")
    with pytest.raises(ScenarioError, match=r"bad\.rou\.xml cannot be read: .*line 3"):
        read_routes(path)
