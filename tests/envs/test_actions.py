"""Action faces pass their ecosystems' checkers and ask for the stages they say they do."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test
from sb3_contrib.common.maskable.utils import get_action_masks
from stable_baselines3.common.env_checker import check_env as sb3_check_env
from stable_baselines3.common.vec_env import DummyVecEnv

from stopline_envs.actions import Choice, KeepOrSwitch, NextStage, SplitsPerCycle, action_face
from stopline_envs.checks import check_vec_env
from stopline_envs.gym_env import junction_env
from stopline_envs.parallel_env import network_env
from stopline_envs.slots import SlotSettings
from stopline_envs.vec_actions import SlotActions
from stopline_envs.vec_env import SlotVecEnv
from stopline_signals.errors import ScenarioError, SimulationError
from stopline_signals.observation import STAGE_FEATURES, ObservationLayout
from tests.envs.maps import scenario_or_skip

MAKE = "stopline_envs.gym_env:Stopline/Junction-v0"
FACES = ("stage", "keep-or-switch", "splits")


def choice(current: int, allowed: str, exists: str | None = None) -> Choice:
    own = exists or "1" * len(allowed)
    flags = (np.asarray([letter == "1" for letter in text]) for text in (own, allowed))
    return Choice(current, *flags)


def current_stage(observation: np.ndarray) -> int:
    layout = ObservationLayout()
    return int(observation[layout.stages].reshape(-1, len(STAGE_FEATURES))[:, 0].argmax())


@pytest.mark.parametrize("actions", FACES)
def test_every_face_of_one_junction_passes_the_checkers(actions: str) -> None:
    env = gymnasium.make(MAKE, scenario=scenario_or_skip("single", 300), actions=actions)
    face = junction_env(scenario_or_skip("single", 300), actions=actions)
    check_env(face, skip_render_check=True)
    face.close()
    sb3_check_env(env, warn=False)
    env.close()


@pytest.mark.parametrize("actions", FACES)
def test_every_face_of_a_network_passes_the_checkers(actions: str) -> None:
    scenario = scenario_or_skip("highstreet", 200)
    env = network_env(scenario, actions=actions)
    parallel_api_test(env, num_cycles=12)
    env.close()
    parallel_seed_test(lambda: network_env(scenario, actions=actions), num_cycles=2)


def test_keeping_keeps_and_switching_goes_round_all_stages() -> None:
    env = junction_env(scenario_or_skip("single", 400), actions="keep-or-switch")
    observation, info = env.reset(seed=1)
    before = current_stage(observation)
    for _ in range(4):
        if info["action_mask"][0]:
            observation, *_, info = env.step(0)
            assert current_stage(observation) == before
    seen = [before]
    done = False
    while not done:
        wanted = int(info["action_mask"][1])
        observation, _, _, done, info = env.step(wanted)
        after = current_stage(observation)
        if wanted and after != seen[-1]:
            seen.append(after)
    env.close()
    stages = sorted(set(seen))
    assert len(stages) >= 3
    assert all((b - a) % len(stages) in (1, 2) for a, b in pairwise(seen[1:]))


def test_the_mask_of_keep_or_switch_follows_what_is_allowed() -> None:
    face = KeepOrSwitch()
    for allowed, mask in (("1000", [1, 0]), ("1010", [1, 1]), ("0010", [0, 1])):
        assert np.array_equal(np.asarray(face.mask(choice(0, allowed))), mask)
    assert face.stage(1, choice(2, "1110"), 0) == 0
    assert face.stage(1, choice(0, "1011"), 0) == 2
    assert face.stage(0, choice(3, "1011"), 0) == 3


def test_splits_divide_the_cycle_in_the_order_of_stages() -> None:
    face = SplitsPerCycle(cycle=100)
    asked = [face.stage([0.6, 0.0, 0.2, 0.2], choice(0, "1111"), at) for at in range(0, 100, 5)]
    assert asked == [0] * 12 + [2] * 4 + [3] * 4
    only_own = [face.stage([1, 1, 1, 1], choice(0, "1100", "1100"), at) for at in (0, 49, 50, 99)]
    assert only_own == [0, 0, 1, 1]
    assert face.stage([0, 0, 0, 0], choice(0, "1111"), 30) == 1
    assert face.decisions(7) == 15


def test_a_split_action_lasts_one_cycle_and_gives_green_by_its_shares() -> None:
    env = junction_env(scenario_or_skip("single", 400), actions=SplitsPerCycle(cycle=100))
    env.reset(seed=1)
    shares = np.zeros(env.action_space.shape or (), np.float32)
    shares[:2] = (0.7, 0.3)
    *_, info = env.step(shares)
    assert info["seconds"] == 100
    ends = []
    for _ in range(3):
        observation, reward, _, truncated, info = env.step(shares)
        ends.append((truncated, current_stage(observation)))
        assert np.isfinite(float(reward))
    env.close()
    assert [end for end, _ in ends] == [False, False, True]
    assert info["violations"] == 0


def test_an_episodes_end_cuts_a_cycle_short() -> None:
    env = junction_env(scenario_or_skip("single", 60), actions="splits")
    env.reset(seed=1)
    *_, truncated, info = env.step(env.action_space.sample())
    env.close()
    assert truncated
    assert info["seconds"] == 60


def test_masks_reach_maskable_ppo_through_the_face() -> None:
    venv = DummyVecEnv([lambda: junction_env(scenario_or_skip("single", 60), actions="keep-or-switch")])
    venv.reset()
    assert get_action_masks(venv).shape == (1, 2)
    venv.close()
    env = junction_env(scenario_or_skip("single", 60), actions="splits")
    env.reset(seed=1)
    with pytest.raises(ScenarioError, match="'splits' have no masks"):
        env.get_wrapper_attr("action_masks")()
    env.close()


def test_agents_share_a_cycle_and_their_own_numbers_of_stages() -> None:
    env = network_env(scenario_or_skip("arterial", 200), actions="splits", settings=SlotSettings())
    env.reset(seed=1)
    sizes = {env.action_space(name).shape for name in env.agents}
    assert len(sizes) > 1
    _, rewards, *_, infos = env.step({name: env.action_space(name).sample() for name in env.agents})
    assert set(rewards) == set(env.possible_agents)
    assert {info["seconds"] for info in infos.values()} == {90}
    assert all("action_mask" not in info for info in infos.values())
    env.close()


def test_wrong_wishes_say_what_there_is() -> None:
    with pytest.raises(ScenarioError, match="'phases'; there are: stage, keep-or-switch, splits"):
        junction_env(scenario_or_skip("single", 60), actions="phases")
    with pytest.raises(ScenarioError, match="too short"):
        SplitsPerCycle(cycle=3)
    assert action_face("stage") == NextStage()
    env = junction_env(scenario_or_skip("single", 60), actions="keep-or-switch")
    with pytest.raises(SimulationError, match="call reset first"):
        env.step(1)


def test_slots_of_the_vectorised_environment_keep_or_switch() -> None:
    def make() -> SlotActions:
        return SlotActions(SlotVecEnv(scenario_or_skip("highstreet", 60), slots=2), "keep-or-switch")

    check_vec_env(make, steps=14)
    env = make()
    try:
        before = [current_stage(row) for row in env.reset()]
        masks = get_action_masks(env)
        assert masks.shape == (2, 2)
        env.step_async(np.zeros(2, dtype=np.int64))
        after = [current_stage(row) for row in env.step_wait()[0]]
        kept = [b == a for b, a, mask in zip(before, after, masks, strict=True) if mask[0]]
        assert kept and all(kept)
        with pytest.raises(ScenarioError, match="'splits' last more than one decision"):
            SlotActions(cast("SlotVecEnv", env.venv), "splits")
    finally:
        env.close()
