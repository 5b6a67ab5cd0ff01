"""The single-environment faces pass their ecosystems' checkers and need no care about libsumo."""

from __future__ import annotations

from collections.abc import Iterator

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from stopline_envs.gym_env import JunctionEnv
from stopline_envs.parallel_env import NetworkEnv, network_env
from stopline_envs.simulation import simulation_running
from stopline_envs.slots import SlotSettings
from stopline_signals.errors import SimulationError
from tests.envs.maps import scenario_or_skip


@pytest.fixture
def junction() -> Iterator[JunctionEnv]:
    env = JunctionEnv(scenario_or_skip("single", 120))
    yield env
    env.close()


def trajectory(env: JunctionEnv, seed: int) -> list[float]:
    """Rewards and observation sums of one episode under a fixed pattern of choices."""
    observation, info = env.reset(seed=seed)
    seen = [float(observation.sum())]
    done, step = False, 0
    while not done:
        allowed = np.flatnonzero(info["action_mask"])
        observation, reward, _, done, info = env.step(int(allowed[step % len(allowed)]))
        seen += [float(observation.sum()), reward]
        step += 1
    return seen


def test_gymnasium_and_sb3_checkers(junction: JunctionEnv) -> None:
    check_env(junction, skip_render_check=True)
    sb3_check_env(junction)


def test_the_environment_is_made_by_its_id() -> None:
    env = gymnasium.make(
        "stopline_envs.gym_env:Stopline/Junction-v0", scenario=scenario_or_skip("single", 60)
    )
    observation, info = env.reset(seed=1)
    assert env.observation_space.contains(observation)
    assert info["action_mask"].sum() >= 1
    env.close()


def test_nothing_runs_before_reset() -> None:
    JunctionEnv(scenario_or_skip("single", 60))
    assert not simulation_running()


def test_step_before_reset_says_so(junction: JunctionEnv) -> None:
    with pytest.raises(SimulationError, match="call reset first"):
        junction.step(0)


def test_a_second_environment_runs_in_a_helper_process_with_the_same_trajectory(
    junction: JunctionEnv,
) -> None:
    junction.reset(seed=9)
    second = JunctionEnv(scenario_or_skip("single", 120))
    try:
        elsewhere = trajectory(second, 3)
    finally:
        second.close()
    assert trajectory(junction, 3) == elsewhere
    assert trajectory(junction, 4) != elsewhere


def test_resets_without_a_seed_go_on_to_new_episodes(junction: JunctionEnv) -> None:
    first = trajectory(junction, 3)
    junction.reset(seed=3)
    observation, info = junction.reset()
    assert observation.shape == junction.observation_space.shape
    assert "action_mask" in info
    assert trajectory(junction, 3) == first


def test_an_episode_is_truncated_never_terminated_and_ends_with_its_figures() -> None:
    env = JunctionEnv(scenario_or_skip("single", 60), settings=SlotSettings(trips=True))
    env.reset(seed=1)
    ends = [env.step(0) for _ in range(12)]
    env.close()
    assert [truncated for *_, truncated, _ in ends] == [False] * 11 + [True]
    assert not any(terminated for _, _, terminated, _, _ in ends)
    assert ends[-1][-1]["violations"] == 0
    assert ends[-1][-1]["metrics"].vehicles > 0


def test_pettingzoo_checkers() -> None:
    scenario = scenario_or_skip("arterial", 60)
    env = network_env(scenario)
    parallel_api_test(env, num_cycles=30)
    env.close()
    parallel_seed_test(lambda: network_env(scenario), num_cycles=8)


def test_all_agents_stop_together_at_the_end() -> None:
    env = NetworkEnv(scenario_or_skip("arterial", 30))
    env.reset(seed=1)
    while env.agents:
        names = list(env.agents)
        _, rewards, terminated, truncated, infos = env.step(dict.fromkeys(names, 0))
        assert set(rewards) == set(infos) == set(names)
        assert not any(terminated.values())
    assert all(truncated.values())
    env.close()
