"""Rewards: each says what it claims, they add up, third parties' are found, mistakes name what there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import libsumo
import numpy as np
import pytest

from stopline_envs.gym_env import JunctionEnv
from stopline_envs.network import NetworkRun
from stopline_envs.rewards import GROUP, Interval, Reward, find_reward, register_reward, reward_names
from stopline_envs.sensing import Traffic, approach_lanes
from stopline_envs.slots import SlotSettings
from stopline_envs.truth import PERSONS, Figure
from stopline_envs.vec_env import SlotVecEnv
from stopline_signals.errors import ScenarioError
from tests.envs.maps import scenario_or_skip

Register = Callable[[NetworkRun], NetworkRun]
COSTS = ("slowness", "delay", "queue", "pressure", "emissions", "person-delay")


def rewards_of(reward: str, *, seconds: int = 200, every: int = 1) -> list[float]:
    settings = SlotSettings(reward=reward, reward_every=every)
    env = JunctionEnv(scenario_or_skip("single", seconds), settings=settings)
    env.reset(seed=1)
    rewards = [env.step(0)[1] for _ in range(seconds // settings.decision_interval)]
    env.close()
    return rewards


def interval(*looks: Traffic, before: Traffic | None = None, seconds: float = 5.0) -> Interval:
    return Interval(looks, before or Traffic(), seconds)


@pytest.mark.parametrize("reward", COSTS)
def test_costs_are_finite_never_positive_and_sometimes_felt(reward: str) -> None:
    rewards = rewards_of(reward)
    assert all(np.isfinite(rewards))
    assert max(rewards) <= 0.0
    assert -5.0 < min(rewards) < 0.0


def test_traffic_without_vehicles_costs_nothing() -> None:
    assert all(find_reward(name).function(interval(Traffic())) == 0.0 for name in reward_names())
    assert find_reward("pressure").function(interval(Traffic(vehicles=2, leaving=5))) == 0.0


def test_a_delay_difference_is_what_was_built_up_or_let_go() -> None:
    reward = find_reward("delay-difference").function
    assert reward(interval(Traffic(lost_s=80.0), before=Traffic(lost_s=30.0))) == pytest.approx(-0.5)
    assert reward(interval(Traffic(lost_s=30.0), before=Traffic(lost_s=80.0))) == pytest.approx(0.5)
    seen = rewards_of("delay-difference", seconds=400)
    assert min(seen) < 0.0 < max(seen)


def test_throughput_counts_every_vehicle_that_crosses_the_stop_lines(running: Register) -> None:
    scenario = scenario_or_skip("single", 300)
    run = running(NetworkRun(scenario, figures=[Figure.PASSED]))
    run.reset(2)
    lanes = set(approach_lanes(run.plan_set, run.names[0]))
    seen: set[str] = set()
    while not run.done:
        run.advance(run.program_stages(), 5, look_every=1)
        # Independent of the meter: whoever is beyond the approach and was not counted yet has passed.
        seen |= {name for name in libsumo.vehicle.getIDList() if libsumo.vehicle.getLaneID(name) not in lanes}
    assert run.traffic[0].passed == len(seen) > 20
    run.close()
    by_reward = 5.0 * sum(rewards_of("throughput", seconds=300))
    assert by_reward > 5  # under one stage throughout


def test_people_lost_time_counts_riders_and_walkers(running: Register) -> None:
    run = running(NetworkRun(scenario_or_skip("arterial", 400), figures=[Figure.PERSONS, Figure.APPROACH]))
    run.reset(1)
    whole = people = 0.0
    while not run.done:
        run.advance(run.program_stages(), 10)
        whole += sum(traffic.approach for traffic in run.traffic)
        people += sum(traffic.persons for traffic in run.traffic)
    assert people > 1.2 * whole  # 1.5 people a car, 20 a bus, and those at the kerb
    assert people < max(PERSONS.values()) * whole


def test_emissions_are_those_sumo_states_for_the_vehicles(running: Register) -> None:
    run = running(NetworkRun(scenario_or_skip("single", 100), figures=[Figure.CO2]))
    run.reset(1)
    run.advance([0], 90)
    signal = run.names[0]
    inside = {movement.connection.via for movement in run.plan_set.movements[signal].movements}
    lanes = inside | set(approach_lanes(run.plan_set, signal))
    names = [name for name in libsumo.vehicle.getIDList() if libsumo.vehicle.getLaneID(name) in lanes]
    expected = sum(libsumo.vehicle.getCO2Emission(name) for name in names) / 1000.0
    assert run.traffic[0].co2_g == pytest.approx(expected)
    assert expected > 1.0


def test_figures_nobody_asked_for_are_not_measured(running: Register) -> None:
    run = running(NetworkRun(scenario_or_skip("single", 100)))
    run.reset(1)
    run.advance([0], 90)
    (traffic,) = run.traffic
    assert traffic.vehicles > 0
    assert (traffic.leaving, traffic.approach, traffic.passed, traffic.lost_s, traffic.co2_g) == (
        0,
        0,
        0,
        0,
        0,
    )


def test_rewards_add_up_with_their_weights() -> None:
    assert np.allclose(
        rewards_of("delay + 0.1 emissions"),
        np.add(rewards_of("delay"), np.multiply(0.1, rewards_of("emissions"))),
        atol=1e-6,
    )
    look = interval(Traffic(queued=4, slowness=6.0))
    assert find_reward("0.5*queue - 2 slowness").function(look) == pytest.approx(-0.2 + 1.2)
    assert find_reward("-1e-1 * queue").function(look) == pytest.approx(0.04)
    assert find_reward("delay-difference - delay").figures == {Figure.LOST, Figure.APPROACH}


@pytest.mark.parametrize("text", ["", "delay +", "+ delay", "2", "delay queue", "delay / 2"])
def test_sums_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(ScenarioError, match=r"write it as 'delay \+ 0.1 emissions'"):
        find_reward(text)


def test_an_unknown_reward_names_those_there_are_before_anything_runs() -> None:
    with pytest.raises(ScenarioError, match=r"no reward 'happiness'; there are: .*emissions.*throughput"):
        SlotSettings(reward="queue + happiness")


def test_a_registered_reward_is_found_by_name() -> None:
    register_reward("test-constant", lambda seen: float(len(seen.looks)))
    assert set(rewards_of("test-constant", seconds=30)) == {5.0}
    assert "test-constant" in reward_names()


MODULE = """
from stopline_envs.rewards import Reward
from stopline_envs.truth import Figure

def calm(interval):
    return -0.25 * interval.seconds

crossed = Reward(lambda interval: interval.looks[-1].passed, frozenset([Figure.PASSED]))
colour = "red"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed distribution, as pip leaves it, that offers rewards."""
    info = tmp_path / "street_rewards-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: street-rewards\nVersion: 1.0\n")
    points = ("calm", "crossed", "colour", "gone")
    rows = "\n".join(f"test-{name} = street_rewards:{name}" for name in points)
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{rows}\n")
    (tmp_path / "street_rewards.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "street-rewards"


def test_an_installed_packages_rewards_are_found_in_every_process(package: str) -> None:
    assert {"test-calm", "test-crossed"} <= set(reward_names())
    assert isinstance(find_reward("test-crossed"), Reward)
    assert set(rewards_of("test-calm", seconds=30)) == {-1.25}
    env = SlotVecEnv(scenario_or_skip("single", 60), slots=1, settings=SlotSettings(reward="2 test-calm"))
    try:
        env.reset()
        env.step_async(np.asarray([0]))
        assert env.step_wait()[1].tolist() == [-2.5]
    finally:
        env.close()


def test_a_broken_packages_reward_is_blamed_on_that_package(package: str) -> None:
    with pytest.raises(ScenarioError, match=rf"'test-gone' of {package} .*cannot be loaded"):
        SlotSettings(reward="test-gone")
    with pytest.raises(ScenarioError, match=r"'test-colour' of .* is neither a function"):
        SlotSettings(reward="test-colour")
