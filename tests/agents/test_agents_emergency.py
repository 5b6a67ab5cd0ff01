"""Emergency vehicles in the simulation: the same ones on the same ways in every arm."""

from __future__ import annotations

from stopline_agents.controllers import make_controller
from stopline_agents.emergency import Arm, Trip, run_arm
from stopline_envs.emergency_ways import emergency_ways, free_travel_time
from stopline_envs.scenario import load_scenario

SCENARIO = load_scenario("arterial").between(0, 420)
WAY = emergency_ways(SCENARIO, 1, 1)[0]


def test_ways_are_the_same_for_a_seed_and_differ_between_seeds() -> None:
    city = load_scenario("fkk_in")
    assert emergency_ways(city, 3, 1) == emergency_ways(city, 3, 1)
    assert len({way for seed in range(4) for way in emergency_ways(city, 2, seed)}) > 1


def test_priority_brings_the_vehicle_through_and_no_lamp_breaks_a_rule() -> None:
    trips = [Trip(180, WAY)]
    found = {
        arm: run_arm(SCENARIO, make_controller("actuated"), 1, arm, trips) for arm in (Arm.NONE, Arm.PRIORITY)
    }
    without, helped = (found[arm].trips[0] for arm in (Arm.NONE, Arm.PRIORITY))
    assert helped.time_loss_s < 0.6 * without.time_loss_s
    assert helped.crossed_without_stop == helped.signals > 0
    assert all(outcome.violations == 0 for outcome in found.values())
    free = free_travel_time(SCENARIO, WAY)
    assert 0.9 * free <= helped.travel_time_s < without.travel_time_s or not without.arrived
    outcome = found[Arm.PRIORITY]
    assert outcome.lost.shape[1] == 9 and len(outcome.crossings) >= helped.signals - 1


def test_without_emergency_vehicles_the_arms_do_not_differ() -> None:
    short = SCENARIO.between(0, 120)
    one, other = (run_arm(short, make_controller("greedy"), 1, arm, []) for arm in (Arm.NONE, Arm.PRIORITY))
    assert one.metrics == other.metrics and (one.lost == other.lost).all()
