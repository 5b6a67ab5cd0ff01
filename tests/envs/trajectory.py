"""Hashes of whole trajectories, for tests that compare them between processes and versions of gymnasium.

`python -m tests.envs.trajectory` prints them as JSON, after the checkers of gymnasium and PettingZoo have
passed; it loads neither pytest nor torch, so that it runs in a bare environment too.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from typing import Any

import gymnasium
import numpy as np

from stopline_envs.gym_env import JunctionEnv
from stopline_envs.parallel_env import network_env
from stopline_envs.scenario import Scenario, load_scenario
from stopline_envs.slots import SlotRun, SlotSettings

SEED = 11
SETTINGS = SlotSettings(decision_interval=5)


def short(name: str, seconds: int) -> Scenario:
    """The first seconds of a scenario."""
    scenario = load_scenario(name)
    return scenario.between(end=scenario.begin + seconds)


def of_slots(scenario: Scenario, seed: int = SEED, settings: SlotSettings = SETTINGS) -> str:
    """Everything the core sees and does: readings, engine states, observations, masks, rewards."""
    run = SlotRun(scenario, settings)
    rng, seen = random.Random(seed), hashlib.sha256()
    try:
        observations, masks = run.reset(seed)
        while not run.done:
            rewards = run.step([int(rng.choice(np.flatnonzero(mask))) for mask in masks])
            observations, masks = run.observe()
            for column in (observations, masks, rewards, run.run.seen.vehicles, run.run.seen.queued):
                seen.update(column.tobytes())
            seen.update(repr([junction.state for junction in run.run.junctions]).encode())
    finally:
        run.close()
    return seen.hexdigest()


def of_junction(scenario: Scenario, seed: int = SEED) -> str:
    """An episode of `Stopline/Junction-v0`, made by its id."""
    env: Any = gymnasium.make("stopline_envs.gym_env:Stopline/Junction-v0", scenario=scenario)
    rng, seen = random.Random(seed), hashlib.sha256()
    try:
        observation, info = env.reset(seed=seed)
        done = False
        while not done:
            seen.update(observation.tobytes())
            action = int(rng.choice(np.flatnonzero(info["action_mask"])))
            observation, reward, _, done, info = env.step(action)
            seen.update(repr((action, reward)).encode())
    finally:
        env.close()
    return seen.hexdigest()


def of_network(scenario: Scenario, seed: int = SEED) -> str:
    """An episode of the PettingZoo face."""
    env = network_env(scenario)
    rng, seen = random.Random(seed), hashlib.sha256()
    try:
        observations, infos = env.reset(seed=seed)
        while env.agents:
            actions = {
                agent: int(rng.choice(np.flatnonzero(infos[agent]["action_mask"]))) for agent in env.agents
            }
            observations, rewards, _, _, infos = env.step(actions)
            seen.update(repr((actions, rewards)).encode())
            for observation in observations.values():
                seen.update(observation.tobytes())
    finally:
        env.close()
    return seen.hexdigest()


def all_hashes() -> dict[str, str]:
    """One of each, on the networks this project builds."""
    return {
        "slots": of_slots(short("arterial", 120)),
        "junction": of_junction(short("single", 300)),
        "network": of_network(short("arterial", 60)),
    }


def check_faces() -> None:
    """The checkers of the ecosystems."""
    from gymnasium.utils.env_checker import check_env
    from pettingzoo.test import parallel_api_test, parallel_seed_test

    junction = JunctionEnv(short("single", 60))
    check_env(junction, skip_render_check=True)
    junction.close()
    scenario = short("arterial", 30)
    network = network_env(scenario)
    parallel_api_test(network, num_cycles=8)
    network.close()
    parallel_seed_test(lambda: network_env(scenario), num_cycles=4)


if __name__ == "__main__":
    check_faces()
    json.dump({"gymnasium": gymnasium.__version__, **all_hashes()}, sys.stdout)
