"""Slots: the public check, masks, changing networks, and workers that die."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported

from stopline_envs.checks import EnvCheckError, check_vec_env
from stopline_envs.episodes import Episodes, episode_seed
from stopline_envs.slots import SlotSettings
from stopline_envs.vec_env import SlotVecEnv
from stopline_signals.errors import ScenarioError, SimulationError
from tests.envs.maps import broken_source, changing_length, scenario_or_skip, short_arterial

SETTINGS = SlotSettings(decision_interval=5)


@pytest.fixture
def arterial() -> Iterator[SlotVecEnv]:
    env = SlotVecEnv(short_arterial(), workers=1, slots=9, settings=SETTINGS)
    yield env
    env.close()


def test_the_environment_passes_its_public_check() -> None:
    check_vec_env(lambda: SlotVecEnv(changing_length, workers=2, slots=1, settings=SETTINGS), steps=15)


def test_the_check_notices_an_environment_that_ignores_its_seed() -> None:
    class Unseeded(SlotVecEnv):
        def seed(self, seed: int | None = None) -> Sequence[int | None]:
            return super().seed(5)

    with pytest.raises(EnvCheckError, match="seed is not used"):
        check_vec_env(lambda: Unseeded(changing_length, slots=1, settings=SETTINGS), steps=5)


def test_masks_reach_maskable_ppo(arterial: SlotVecEnv) -> None:
    arterial.seed(1)
    arterial.reset()
    assert is_masking_supported(arterial)
    masks = get_action_masks(arterial)
    assert masks.shape == (9, SETTINGS.max_stages)
    assert masks.dtype == np.bool_
    assert masks.any(axis=1).all()


def test_all_slots_of_a_worker_end_together_with_their_terminal_observations(arterial: SlotVecEnv) -> None:
    arterial.seed(1)
    arterial.reset()
    for step in range(12):
        masks = arterial.action_masks()
        arterial.step_async(masks.argmax(axis=1))
        observations, _, dones, infos = arterial.step_wait()
        assert dones.all() == (step == 11)
    assert all(info["TimeLimit.truncated"] and info["violations"] == 0 for info in infos)
    assert len({info["signal"] for info in infos}) == 9
    assert infos[0]["episode"]["l"] == 12
    assert not np.array_equal(infos[0]["terminal_observation"], observations[0])


def test_a_run_repeats_in_process_and_in_a_worker(arterial: SlotVecEnv) -> None:
    arterial.seed(3)
    there = [arterial.reset()]
    for _ in range(5):
        arterial.step_async(np.zeros(9, dtype=int))
        there.append(arterial.step_wait()[0])
    here = Episodes(short_arterial(), 9, SETTINGS, 0, 0)
    try:
        observations = [here.reset(3)[0]] + [here.step([0] * 9).observations for _ in range(5)]
    finally:
        here.close()
    assert all(np.array_equal(a, b) for a, b in zip(there, observations, strict=True))


def test_episode_seeds_differ_between_workers_and_episodes() -> None:
    seeds = {
        episode_seed(base, worker, episode) for base in (0, 1) for worker in range(4) for episode in range(50)
    }
    assert len(seeds) == 400


def test_a_scenario_with_another_number_of_signals_is_refused() -> None:
    env = SlotVecEnv(scenario_or_skip("single", 30), slots=2)
    try:
        with pytest.raises(SimulationError, match="scenario single has 1 signals, the environment 2 slots"):
            env.reset()
    finally:
        env.close()


def test_a_source_that_fails_is_reported_with_its_own_words() -> None:
    env = SlotVecEnv(broken_source, slots=1)
    try:
        with pytest.raises(SimulationError, match="no network for seed"):
            env.reset()
    finally:
        env.close()


def test_no_slots_is_refused() -> None:
    with pytest.raises(ScenarioError, match="both must be at least 1"):
        SlotVecEnv(short_arterial(), slots=0)


@pytest.mark.timeout(30)
def test_a_worker_that_dies_is_reported_and_not_waited_for(arterial: SlotVecEnv) -> None:
    arterial.reset()
    (pid,) = arterial.worker_pids
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(SimulationError, match=r"worker 0 died with exit code -9"):
        for _ in range(3):
            arterial.step(np.zeros(9, dtype=int))


@pytest.mark.timeout(30)
def test_a_dead_worker_does_not_keep_the_others_from_closing() -> None:
    env = SlotVecEnv(changing_length, workers=2, slots=1, settings=SETTINGS)
    env.reset()
    os.kill(env.worker_pids[0], signal.SIGKILL)
    with pytest.raises(SimulationError, match="worker 0"):
        for _ in range(3):
            env.step(np.zeros(2, dtype=int))
    env.close()
    with pytest.raises(ProcessLookupError):
        os.kill(env.worker_pids[1], 0)


def test_slots_take_no_other_calls(arterial: SlotVecEnv) -> None:
    with pytest.raises(AttributeError, match="no method 'render'"):
        arterial.env_method("render")
    with pytest.raises(AttributeError, match="to set"):
        arterial.set_attr("reward", "queue")
    assert arterial.env_is_wrapped(object) == [False] * 9
