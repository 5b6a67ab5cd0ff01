"""What an episode is made of: which signals are acted on, how it starts, which traffic it meets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import libsumo
import numpy as np
import pytest
from pettingzoo.test import parallel_api_test

from stopline_envs.demand import DemandVariation, VariedDemand
from stopline_envs.env_core import RemoteSlots
from stopline_envs.gym_env import JunctionEnv
from stopline_envs.network import NetworkRun
from stopline_envs.parallel_env import NetworkEnv, network_env
from stopline_envs.slots import SlotRun, SlotSettings
from stopline_envs.vec_env import SlotVecEnv
from stopline_signals.errors import ScenarioError
from tests.envs.maps import scenario_or_skip

Register = Callable[[NetworkRun], NetworkRun]


def lamps(signal: str) -> str:
    return str(libsumo.trafficlight.getRedYellowGreenState(signal))


def test_a_chosen_subset_is_acted_on_and_the_others_run_their_own_program() -> None:
    env = NetworkEnv(scenario_or_skip("arterial", 200), settings=SlotSettings(signals=("J3", "J5")))
    assert env.possible_agents == ["J3", "J5"]
    env.reset(seed=1)
    own: list[str] = []
    other: list[str] = []
    while env.agents:
        env.step({"J3": 0, "J5": 0})
        if env.agents:
            own.append(lamps("J3"))
            other.append(lamps("J4"))
            program = libsumo.trafficlight.getAllProgramLogics("J4")[-1]
            assert other[-1] == program.phases[libsumo.trafficlight.getPhase("J4")].state
    env.close()
    assert len(set(other)) > 3  # changes by itself
    assert len(set(own[4:])) < len(set(other))


def test_every_face_takes_a_subset() -> None:
    settings = SlotSettings(signals=("J2", "J7"))
    scenario = scenario_or_skip("arterial", 60)
    env = network_env(scenario, settings=settings)
    parallel_api_test(env, num_cycles=10)
    env.close()
    workers = SlotVecEnv(scenario, slots=2, settings=settings)
    try:
        assert workers.reset().shape[0] == 2
    finally:
        workers.close()
    one = JunctionEnv(scenario, signal="J7")
    one.reset(seed=1)
    assert one.signal == "J7"
    one.close()
    with pytest.raises(ScenarioError, match="no signal 'J77' to control; it has: "):
        JunctionEnv(scenario, signal="J77").reset(seed=1)


def test_a_warm_episode_begins_with_traffic_under_the_plans_program() -> None:
    scenario = scenario_or_skip("single", 300)
    counts = {}
    for warmup in (None, 0, 120):
        slots = SlotRun(scenario, SlotSettings(warmup=warmup))
        slots.reset(1)
        counts[warmup] = libsumo.vehicle.getIDCount()
        assert slots.run.now == scenario.begin + (warmup or 0)
        decisions = 0
        while not slots.done:
            slots.step([0])
            decisions += 1
        slots.close()
        assert decisions == (300 - (warmup or 0)) // 5
        assert slots.run.violations == 0
    assert counts[None] == counts[0] < 5 < counts[120]


def test_a_warm_start_is_the_fixed_programs_run(running: Register) -> None:
    scenario = scenario_or_skip("single", 300)
    slots = SlotRun(scenario, SlotSettings(warmup=100))
    warm, _ = slots.reset(7)
    slots.close()
    cold = SlotRun(scenario, SlotSettings())
    cold.reset(7)
    for _ in range(20):
        cold.step(cold.run.program_stages())
    assert (cold.observe()[0] == warm).all()
    cold.close()


def test_a_warmup_as_long_as_the_scenario_is_refused() -> None:
    env = JunctionEnv(scenario_or_skip("single", 100), settings=SlotSettings(warmup=100))
    with pytest.raises(ScenarioError, match="warmup 100 s must fit in the 100 s it runs"):
        env.reset(seed=1)


def test_a_network_meets_new_demand_in_every_episode(tmp_path: Path) -> None:
    source = VariedDemand(scenario_or_skip("arterial", 60), DemandVariation(scale=(0.3, 2.0)), tmp_path)
    env = NetworkEnv(source, settings=SlotSettings(reward="delay"))
    ends = []
    for seed in (1, 2, 1):
        env.reset(seed=seed)
        whole = 0.0
        while env.agents:
            _, rewards, *_ = env.step(dict.fromkeys(env.agents, 0))
            whole += sum(rewards.values())
        ends.append(np.float32(whole))
    env.close()
    assert ends[0] == ends[2] != ends[1]


def test_a_helper_process_lives_through_changes_of_scenario(tmp_path: Path) -> None:
    source = VariedDemand(scenario_or_skip("single", 60), DemandVariation(), tmp_path)
    rows: list[list[bytes]] = []
    first = JunctionEnv(scenario_or_skip("single", 60))
    first.reset(seed=1)  # takes this process
    second, third, processes = JunctionEnv(source), JunctionEnv(source), set[int | None]()
    for env in (second, third):
        seen = []
        for seed in (1, 2, 3):
            observation, _ = env.reset(seed=seed)
            seen += [observation.tobytes(), *(env.step(0)[0].tobytes() for _ in range(8))]
            slots = env._core._slots
            processes.add(slots._helper.pid if isinstance(slots, RemoteSlots) else 0)
        rows.append(seen)
        if env is second:
            first.close()  # the next one runs here
    second.close()
    third.close()
    assert rows[0] == rows[1]
    assert len(processes) == 2 and 0 in processes
