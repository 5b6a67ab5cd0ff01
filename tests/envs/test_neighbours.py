"""Neighbour information: off it changes nothing; on it says what the next signals show and hold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from numpy.typing import NDArray
from pettingzoo.test import parallel_api_test

from stopline_envs.checks import check_vec_env
from stopline_envs.gym_env import JunctionEnv
from stopline_envs.neighbours import NEIGHBOUR_FEATURES, NeighbourRun, neighbours_of, observation_size
from stopline_envs.network import plans_of
from stopline_envs.parallel_env import network_env
from stopline_envs.scenario import Scenario
from stopline_envs.slots import SlotRun, SlotSettings
from stopline_envs.vec_env import SlotVecEnv
from stopline_signals.observation import ObservationLayout
from stopline_signals.plan import Aspect
from tests.envs.maps import scenario_or_skip

WIDTH = len(NEIGHBOUR_FEATURES)
SIZE = ObservationLayout().size


@pytest.fixture(scope="module")
def arterial() -> Scenario:
    return scenario_or_skip("arterial", 240)


@pytest.fixture
def run(arterial: Scenario) -> Iterator[NeighbourRun]:
    run = NeighbourRun(arterial, SlotSettings(neighbours=3))
    yield run
    run.close()


def test_the_next_signals_along_the_road_are_neighbours(arterial: Scenario) -> None:
    found = neighbours_of(plans_of(arterial))
    names = {name: [neighbour.name for neighbour in near] for name, near in found.items()}
    assert names["J1"] == ["J2"]
    assert set(names["J4"]) == {"J3", "J5"}
    for name, near in found.items():
        assert [n.distance_m for n in near] == sorted(n.distance_m for n in near)
        assert all(name in names[n.name] for n in near)
        assert all(50 < n.distance_m <= 1000 and n.coming and n.onward for n in near)


def test_only_groups_that_lead_here_count_as_coming(arterial: Scenario) -> None:
    plan_set = plans_of(arterial)
    (second,) = neighbours_of(plan_set)["J1"]
    plan = plan_set.plans["J2"]
    assert {plan.groups[g].approach.split("_")[0] for g in second.coming} <= {"J3", "N2", "S2"}
    assert {plan.groups[g].approach for g in second.onward} == {"J1_J2_bay"}


def test_without_neighbours_nothing_changes_and_with_them_the_own_part_stays(arterial: Scenario) -> None:
    plain, more = SlotRun(arterial, SlotSettings()), NeighbourRun(arterial, SlotSettings(neighbours=2))
    seen: list[list[NDArray[np.float32]]] = []
    for slots in (plain, more):
        observations, _ = slots.reset(4)
        rows = [observations]
        for turn in range(20):
            slots.step([turn % 2] * len(slots.names))
            rows.append(slots.observe()[0])
        slots.close()
        seen.append(rows)
    for own, wide in zip(*seen, strict=True):
        assert own.shape[1] == SIZE == observation_size(SlotSettings())
        assert wide.shape[1] == SIZE + 2 * WIDTH == observation_size(SlotSettings(neighbours=2))
        assert (own == wide[:, :SIZE]).all()


def test_features_are_what_the_neighbour_shows_and_holds(run: NeighbourRun) -> None:
    run.reset(1)
    around = neighbours_of(run.slots.run.plan_set)
    compared = 0
    for turn in range(20):
        run.step([turn // 4 % 2] * len(run.names))
        observations, _ = run.observe()
        blocks = observations[:, SIZE:].reshape(len(run.names), 3, WIDTH)
        junctions = dict(zip(run.slots.names, run.slots.run.junctions, strict=True))
        for name, block in zip(run.names, blocks, strict=True):
            assert not block[len(around[name]) :].any()
            for neighbour, row in zip(around[name], block, strict=False):
                figures = dict(zip(NEIGHBOUR_FEATURES, row.tolist(), strict=True))
                junction = junctions[neighbour.name]
                green = any(junction.state.aspects[g] == Aspect.GREEN for g in neighbour.coming)
                held = sum(
                    reading.vehicles
                    for detector, reading in zip(junction.plan.detectors, junction.readings, strict=True)
                    if detector.group in neighbour.coming
                )
                assert figures["exists"] == 1.0
                assert (figures["coming_green"] == 1.0) == green
                assert figures["coming_vehicles"] == pytest.approx(min(held / 20.0, 3.0), abs=1e-5)
                compared += held
    assert compared > 50


def test_one_signal_sees_neighbours_that_run_their_own_plan(arterial: Scenario) -> None:
    env = JunctionEnv(arterial, signal="J4", settings=SlotSettings(neighbours=4))
    check_env(env, skip_render_check=True)
    env.reset(seed=1)
    lamps = []
    for _ in range(40):
        observation, _, _, _, info = env.step(0)
        block = observation[SIZE:].reshape(4, WIDTH)
        lamps.append(tuple(block[:, NEIGHBOUR_FEATURES.index("coming_green")]))
    env.close()
    assert block[:, 0].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert len(set(lamps)) > 2  # the neighbours go on while our own agent asks for one stage
    assert info["violations"] == 0 if "violations" in info else True


def test_neighbours_nobody_acts_on_run_their_plans_program(arterial: Scenario) -> None:
    run = NeighbourRun(arterial, SlotSettings(neighbours=2, signals=("J4",)))
    run.reset(1)
    on_time = looks = 0
    while not run.done:
        run.step([0])
        for junction in run.slots.run.junctions[1:]:
            program = junction.plan.program
            assert program is not None
            wanted = program.steps[program.step_at(junction.state.now)].stage
            on_time += junction.state.stage == wanted
            looks += 1
    run.close()
    assert run.names == ("J4",)
    assert run.slots.names[0] == "J4" and set(run.slots.names) == {"J3", "J4", "J5"}
    # A stage is asked for a clearance before its green is due; one stage throughout is on time 60 % too.
    assert on_time > 0.8 * looks


def test_all_faces_take_neighbours(arterial: Scenario) -> None:
    env = network_env(arterial, settings=SlotSettings(neighbours=2), actions="keep-or-switch")
    parallel_api_test(env, num_cycles=10)
    assert env.observation_space("J1").shape == (SIZE + 2 * WIDTH,)
    env.close()
    short, wide = scenario_or_skip("highstreet", 60), SlotSettings(neighbours=1)
    check_vec_env(lambda: SlotVecEnv(short, slots=2, settings=wide), steps=14)
