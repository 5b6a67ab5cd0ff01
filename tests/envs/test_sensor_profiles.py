"""Zones and loops: selectable by name, laid out along the links upstream, both with every fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import libsumo
import numpy as np
import pytest

from stopline_envs.gym_env import JunctionEnv
from stopline_envs.network import NetworkRun, plans_of
from stopline_envs.scenario import load_scenario
from stopline_envs.sensor_profiles import LOOPS, ZONES, SensorFaults, SensorProfile, sensor_profile
from stopline_envs.slots import SlotSettings
from stopline_signals.errors import ScenarioError
from stopline_signals.plan import DetectorKind
from tests.envs.maps import scenario_or_skip
from tests.envs.test_sensing import counted

Register = Callable[[NetworkRun], NetworkRun]
TOML = 'name = "x"\nnet = "{net}"\nroutes = ["{routes}"]\nbegin = 0\nend = 60\n'


def written(folder: Path, sensors: str) -> Path:
    single = load_scenario("single")
    path = folder / "x.toml"
    path.write_text(
        TOML.replace("{net}", str(single.net)).replace("{routes}", str(single.routes[0])) + sensors
    )
    return path


@pytest.mark.parametrize("profile", [ZONES, LOOPS, replace(LOOPS, far_m=(100.0, 160.0))])
@pytest.mark.parametrize("name", ["single", "ingolstadt7"])
def test_every_movement_has_both_detectors_to_the_set_distance(name: str, profile: SensorProfile) -> None:
    plan_set = plans_of(replace(scenario_or_skip(name), sensors=profile))
    lengths = {lane.id: lane.length for lane in plan_set.network.lanes.values()}
    far_links = 0
    for signal, plan in plan_set.plans.items():
        zones = [d for d in plan.detectors if d.kind is not DetectorKind.BUTTON]
        assert {(d.start_m, d.end_m) for d in zones} == {profile.near_m, profile.far_m}
        for detector in zones:
            pieces = plan_set.zones[signal, detector.name]
            for piece in pieces:
                begins = piece.to_stop_line + lengths[piece.lane] - piece.end
                ends = piece.to_stop_line + lengths[piece.lane] - piece.start
                assert detector.start_m - 0.05 <= begins < ends <= detector.end_m + 0.05
            far_links += sum(piece.to_stop_line > 0 for piece in pieces)
    assert far_links > 0  # never stopped at the lane the signal controls


@pytest.mark.parametrize("name", ["arterial", "ingolstadt7"])
def test_loops_report_who_is_on_them(name: str, running: Register) -> None:
    scenario = replace(scenario_or_skip(name, 300), sensors=LOOPS)
    run = running(NetworkRun(scenario))
    run.reset(4)
    seen = 0
    while not run.done:
        run.advance(run.program_stages(), 20)
        for signal, view in zip(run.names, run.views(), strict=True):
            for reading, expected in zip(view.readings, counted(run, signal), strict=True):
                assert expected is None or reading == expected
                seen += 0 if expected is None else reading.vehicles
    assert seen > 50


def test_no_vehicle_passes_the_advance_loop_unseen(running: Register) -> None:
    scenario = replace(scenario_or_skip("single", 200), sensors=LOOPS)
    run = running(NetworkRun(scenario))
    run.reset(1)
    (name,) = run.names
    loops = [d for d in run.plan_set.plans[name].detectors if d.kind is DetectorKind.FAR_ZONE]
    pieces = [piece for loop in loops for piece in run.plan_set.zones[name, loop.name]]
    watched = {edge for piece in pieces if (edge := piece.lane.rpartition("_")[0])}
    on_it: set[str] = set()
    past: set[str] = set()
    while not run.done:
        run.advance(run.program_stages(), 1)
        for vehicle in libsumo.vehicle.getIDList():
            lane, at = libsumo.vehicle.getLaneID(vehicle), libsumo.vehicle.getLanePosition(vehicle)
            on_it |= {vehicle for piece in pieces if piece.lane == lane and piece.start < at <= piece.end}
            if lane.startswith((f":{name}_", f"{name}_")):
                past.add(vehicle)
    assert watched
    assert len(past) > 15
    assert past <= on_it


@pytest.mark.parametrize("profile", ["zones", "loops"])
@pytest.mark.parametrize(
    "faults",
    [
        SensorFaults(noise=0.3),
        SensorFaults(latency_s=4),
        SensorFaults(dead_share=0.5),
        SensorFaults(stuck_share=1.0),
    ],
)
def test_each_fault_shows_in_both_profiles(profile: str, faults: SensorFaults) -> None:
    seen = []
    for wrong in (None, faults):
        settings = SlotSettings(sensors=profile, faults=wrong)
        env = JunctionEnv(scenario_or_skip("single", 400), settings=settings)
        env.reset(seed=1)
        rows = [env.step(turn // 8 % 4) for turn in range(80)]
        env.close()
        seen.append(np.stack([row[0] for row in rows]))
        assert rows[-1][-1]["violations"] == 0
    assert seen[0].shape == seen[1].shape
    assert (seen[0] != seen[1]).any()


def test_an_environment_takes_a_profile_by_name() -> None:
    shapes, sums = set(), set()
    for profile in (None, "zones", "loops"):
        env = JunctionEnv(scenario_or_skip("single", 200), settings=SlotSettings(sensors=profile))
        env.reset(seed=1)
        rows = [env.step(0)[0] for _ in range(30)]
        env.close()
        shapes.add(rows[0].shape)
        sums.add(np.stack(rows).tobytes())
    assert len(shapes) == 1
    assert len(sums) == 2  # the default is zones; loops see something else


def test_a_scenario_names_its_sensors(tmp_path: Path) -> None:
    assert load_scenario(written(tmp_path, "")).sensors == ZONES
    assert load_scenario(written(tmp_path, 'sensors = "loops"\n')).sensors == LOOPS
    table = (
        '[sensors]\nprofile = "loops"\nfar_m = [80, 100]\nnoise = 0.05\nlatency_s = 1.0\nstuck_share = 0.1\n'
    )
    scenario = load_scenario(written(tmp_path, table))
    assert scenario.sensors == SensorProfile(name="loops", near_m=(0, 12), far_m=(80, 100))
    assert scenario.faults == SensorFaults(noise=0.05, latency_s=1.0, stuck_share=0.1)
    env = JunctionEnv(scenario)
    env.reset(seed=1)
    env.close()


@pytest.mark.parametrize(
    ("sensors", "words"),
    [
        ('sensors = "lidar"\n', "'lidar'; there are: zones, loops"),
        ("sensors = 3\n", "name or a table"),
        ("[sensors]\ncolour = 1\n", "unknown entries: colour; known: profile, near_m"),
        ("[sensors]\nnear_m = 50\n", r"sensors\.near_m must be two distances"),
        ("[sensors]\nnear_m = [50, 10]\n", "near_m must be two rising distances"),
        ("[sensors]\nfar_m = [40, 90]\n", "near_m must end before far_m begins"),
        ("[sensors]\nfar_m = [50, 900]\n", "within 500 m"),
        ("[sensors]\nnoise = 2.0\n", "noise must be 0 to 1"),
        ('[sensors]\nnoise = "some"\n', "wrong kind"),
    ],
)
def test_wrong_sensors_are_refused_with_the_file(sensors: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=words):
        load_scenario(written(tmp_path, sensors))
    with pytest.raises(ScenarioError, match="'radio'; there are"):
        SlotSettings(sensors="radio")
    assert sensor_profile("loops") is LOOPS
