"""Evaluations under changed conditions, and controllers that come from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from stable_baselines3 import PPO

from stopline_agents.baselines import GreedyOracle, Sotl
from stopline_agents.conditions import AS_GIVEN, RESCO_INTERVAL_S, Conditions, conditions_of
from stopline_agents.controllers import make_controller
from stopline_agents.evaluate import evaluate, run_one
from stopline_agents.running import run_policy
from stopline_agents.sb3_policy import Sb3Policy
from stopline_envs.gym_env import JunctionEnv
from stopline_envs.network import plans_of
from stopline_envs.scenario import load_scenario
from stopline_envs.slots import SlotSettings
from stopline_envs.webster import retimed
from stopline_policy import check_policy
from stopline_signals.errors import PolicyError, ScenarioError

SHORT = load_scenario("single").between(0, 300)


def test_plain_numbers_make_conditions_and_absurd_ones_are_refused() -> None:
    assert conditions_of() == AS_GIVEN
    resco = conditions_of(resco_rules=True)
    assert resco.benchmark_only and resco.interval_s == RESCO_INTERVAL_S
    with pytest.raises(PolicyError, match="demand"):
        conditions_of(demand=0)
    with pytest.raises(ScenarioError, match="dead_share"):
        conditions_of(dead=1.5)


def test_demand_scales_the_traffic() -> None:
    few, many = (run_one(SHORT, "actuated", 1, Conditions(demand=d)).figures["vehicles"] for d in (0.5, 1.5))
    assert few < 0.7 * many


def test_dead_detectors_reach_the_controller() -> None:
    well, blind = (run_one(SHORT, "greedy", 1, conditions_of(dead=dead)).figures for dead in (0.0, 0.9))
    assert well["delay_s"] != blind["delay_s"]


def test_benchmark_timing_decides_every_ten_seconds_and_lets_the_monitor_count() -> None:
    figures = run_one(SHORT, "greedy", 1, conditions_of(resco_rules=True)).figures
    assert figures["decisions"] == 300 / RESCO_INTERVAL_S
    assert figures["violations"] > 0, "no all-red"


def test_the_program_as_it_is_knows_no_conditions() -> None:
    with pytest.raises(PolicyError, match="as it is"):
        evaluate(SHORT, ["fixed-as-is"], [1], conditions=Conditions(demand=2.0))


def test_webster_times_the_installed_stages_for_the_demand(tmp_path: Path) -> None:
    old, new = (
        next(iter(plans_of(scenario).plans.values())) for scenario in (SHORT, retimed(SHORT, tmp_path))
    )
    assert old.program is not None and new.program is not None
    assert new.program.cycle < old.program.cycle, "five minutes at the start are no peak"
    served = [{group.name for group in plan.groups} for plan in (old, new)]
    assert served[0] == served[1]
    assert run_one(SHORT, "webster", 1).figures["violations"] == 0


def test_the_oracle_sees_turns_that_no_detector_shows() -> None:
    sighted = run_policy(SHORT, GreedyOracle(), 1).metrics.delay_s
    greedy = make_controller("greedy")
    greedy.decision_interval = 1.0
    assert sighted != run_policy(SHORT, greedy, 1).metrics.delay_s


def test_sotl_waits_for_its_threshold() -> None:
    def stages(threshold: float) -> float:
        return run_policy(SHORT, Sotl(threshold=threshold), 1).metrics.stops

    assert stages(1e9) != stages(20.0)


def test_a_stable_baselines_model_is_evaluated_like_any_controller(tmp_path: Path) -> None:
    env = JunctionEnv("single", settings=SlotSettings(max_groups=20, max_stages=8))
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=8, device="cpu")
    model.save(tmp_path / "model.zip")
    env.close()
    policy = make_controller(f"sb3:PPO:{tmp_path / 'model.zip'}:4")
    assert isinstance(policy, Sb3Policy) and policy.decision_interval == 4
    check_policy(policy, seconds=300)
    assert run_policy(SHORT, policy, 1).violations == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sb3:PPO", "write sb3:ALGORITHM"),
        ("sb3:NOPE:x.zip", "no algorithm"),
        ("sb3:PPO:none.zip", "none.zip"),
    ],
)
def test_a_model_that_is_none_says_what_to_write(text: str, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        make_controller(text)
