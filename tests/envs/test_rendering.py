"""Pictures of a running network show roads, lamps, vehicles and people; a window is a window."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import gymnasium
import libsumo
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from PIL import Image

from stopline_envs import simulation
from stopline_envs.gym_env import JunctionEnv
from stopline_envs.network import NetworkRun
from stopline_envs.parallel_env import network_env
from stopline_envs.picture import MapPicture, Scene, save_film, save_picture, take_scene
from stopline_envs.picture.map import BODIES, LAMPS, ROAD
from stopline_envs.slots import SlotSettings
from stopline_signals.errors import ScenarioError, SimulationError
from tests.envs.maps import scenario_or_skip

Register = Callable[[NetworkRun], NetworkRun]


@pytest.fixture
def run(running: Register) -> NetworkRun:
    run = running(NetworkRun(scenario_or_skip("highstreet", 400)))
    run.reset(1)
    return run


def scene_of(run: NetworkRun) -> Scene:
    return take_scene(libsumo, run.now, run.plan_set.plans)


def pixels(picture: np.ndarray, colour: str) -> int:
    wanted = np.asarray([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(picture.astype(int) - wanted).sum(axis=2) < 12).sum())


def test_a_picture_shows_roads_lamps_and_who_is_there(run: NetworkRun) -> None:
    picture = MapPicture(run.plan_set, around="J1", radius_m=60, size=(700, 700))
    empty = picture.draw(Scene(0, (), (), {}))
    assert empty.shape == (700, 700, 3) and empty.dtype == np.uint8
    assert pixels(empty, ROAD) > 5000
    assert all(pixels(empty, LAMPS[letter]) == 0 for letter in "Gr")
    for _ in range(16):
        run.advance(run.program_stages(), 20)
    scene = scene_of(run)
    full = picture.draw(scene)
    assert pixels(full, LAMPS["r"]) > 100
    assert pixels(full, LAMPS["G"]) + pixels(full, LAMPS["g"]) + pixels(full, LAMPS["y"]) > 30
    assert (full[40:] != empty[40:]).any(axis=2).sum() > 400
    without = picture.draw(scene._replace(vehicles=()))
    assert pixels(full, BODIES["passenger"]) > pixels(without, BODIES["passenger"])


def test_lamps_are_drawn_in_the_colour_they_show(run: NetworkRun) -> None:
    picture = MapPicture(run.plan_set, around="J2", radius_m=50, size=(600, 600))
    width = len(run.plan_set.programs["J2"].phases[0].state)
    for letter in "Gyr":
        drawn = picture.draw(Scene(0, (), (), {"J2": letter * width}))
        assert pixels(drawn, LAMPS[letter]) > 200
        assert all(pixels(drawn, LAMPS[other]) == 0 for other in "Gyr" if other != letter)


def test_a_vehicle_is_drawn_where_it_is(run: NetworkRun) -> None:
    for _ in range(6):
        run.advance(run.program_stages(), 20)
    scene = scene_of(run)
    body = next(body for body in scene.vehicles if body.kind == "passenger")
    picture = MapPicture(run.plan_set, size=(1600, 900))
    base = picture.draw(scene._replace(vehicles=()))
    drawn = picture.draw(scene._replace(vehicles=(body,)))
    rows, columns = np.nonzero((drawn[40:] != base[40:]).any(axis=2))
    assert 0 < len(rows) < 200
    north_east = body._replace(x=body.x + 40, y=body.y + 30)
    moved = picture.draw(scene._replace(vehicles=(north_east,)))
    new_rows, new_columns = np.nonzero((moved[40:] != base[40:]).any(axis=2))
    right, up = new_columns.mean() - columns.mean(), rows.mean() - new_rows.mean()
    assert right > 20
    assert up / right == pytest.approx(0.75, abs=0.1)  # to scale, and north is up


@pytest.mark.parametrize("name", ["arterial", "ingolstadt7", "fkk_in"])
def test_any_network_can_be_drawn(name: str, running: Register) -> None:
    run = running(NetworkRun(scenario_or_skip(name, 60)))
    run.reset(1)
    run.advance(run.program_stages(), 55)
    assert pixels(MapPicture(run.plan_set).draw(scene_of(run)), ROAD) > 300


def test_files_hold_what_was_drawn(run: NetworkRun, tmp_path: Path) -> None:
    picture = MapPicture(run.plan_set, size=(320, 240))
    frames = []
    for _ in range(4):
        run.advance(run.program_stages(), 10)
        frames.append(picture.draw(scene_of(run)))
    save_picture(frames[0], tmp_path / "deep" / "one.png")
    assert (np.asarray(Image.open(tmp_path / "deep" / "one.png")) == frames[0]).all()
    save_film(frames, tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        assert (getattr(film, "n_frames", 1), film.size) == (4, (320, 240))
    with pytest.raises(ScenarioError, match="no picture"):
        save_film([], tmp_path / "none.gif")
    with pytest.raises(ScenarioError, match=r"written as \.gif"):
        save_film(frames, tmp_path / "film.mp4")
    with pytest.raises(ScenarioError, match=r"'J9' to look at; the network has: J2, J1|J1"):
        MapPicture(run.plan_set, around="J9")
    with pytest.raises(ScenarioError, match="64 to 8000"):
        MapPicture(run.plan_set, size=(9, 9))


def test_environments_render_here_and_in_a_helper_process() -> None:
    make = "stopline_envs.gym_env:Stopline/Junction-v0"
    env = gymnasium.make(make, scenario=scenario_or_skip("single", 60), render_mode="rgb_array")
    env.reset(seed=3)
    other = JunctionEnv(scenario_or_skip("single", 60), render_mode="rgb_array")  # in a helper process
    other.reset(seed=3)
    done = False
    while not done:
        _, _, _, done, _ = env.step(0)
        other.step(0)
    here, there = env.render(), other.render()  # after the end: what was there last
    env.close()
    other.close()
    assert isinstance(here, np.ndarray)
    assert (here == there).all()


def test_render_modes_pass_the_checker_and_wrong_ones_are_refused() -> None:
    env = JunctionEnv(scenario_or_skip("single", 60), render_mode="rgb_array")
    with pytest.raises(SimulationError, match="call reset first"):
        env.render()
    check_env(env, skip_render_check=True)
    env.close()
    network = network_env(
        scenario_or_skip("highstreet", 60), render_mode="rgb_array", actions="keep-or-switch"
    )
    network.reset(seed=1)
    assert network.render().shape == (720, 960, 3)
    network.close()
    with pytest.raises(ScenarioError, match="'ansi'; there are: rgb_array, human"):
        JunctionEnv(scenario_or_skip("single", 60), render_mode="ansi")
    quiet = JunctionEnv(scenario_or_skip("single", 60))
    quiet.reset(seed=1)
    assert quiet.render() is None
    quiet.close()


@pytest.fixture
def windowless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window's way of talking to SUMO, without the window."""
    monkeypatch.setattr(simulation, "GUI_COMMAND", ("sumo",))


@pytest.mark.usefixtures("windowless")
def test_a_run_in_a_window_is_the_same_run() -> None:
    rows = []
    for mode in (None, "human"):
        env = JunctionEnv(
            scenario_or_skip("single", 100), render_mode=mode, settings=SlotSettings(reward="delay")
        )
        observation, _ = env.reset(seed=2)
        seen = [observation]
        for turn in range(20):
            observation, reward, *_ = env.step(turn // 4 % 4)
            seen.append(np.append(observation, np.float32(reward)))
        env.close()
        rows.append(seen)
    assert all((a == b).all() for a, b in zip(*rows, strict=True))
    assert simulation.libsumo_module() is libsumo


@pytest.mark.skipif("DISPLAY" in os.environ, reason="there is a display")
def test_without_a_display_the_remedy_is_named() -> None:
    env = JunctionEnv(scenario_or_skip("single", 60), render_mode="human")
    with pytest.raises(SimulationError, match=r"DISPLAY is not set: take render_mode='rgb_array'"):
        env.reset(seed=1)
    assert not simulation.simulation_running()
