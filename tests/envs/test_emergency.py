"""The emergency vehicle is sent in, followed and judged, with and without a route of the scenario's own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stopline_agents.baselines import Actuated
from stopline_envs.emergency import EmergencyRun
from stopline_envs.network import NetworkRun
from stopline_envs.scenario import Scenario, load_scenario
from stopline_signals import ScenarioError


def follow(scenario: Scenario) -> EmergencyRun:
    extra = () if scenario.emergency is None else (scenario.emergency.file,)
    run, follower, policy = NetworkRun(scenario, extra_files=extra), EmergencyRun(scenario), Actuated()
    try:
        run.reset(3)
        policy.reset(run.plans)
        while not run.done and not follower.gone:
            run.advance(policy.decide(run.views()), 1)
            follower.look(run.now)
    finally:
        run.close()
    return follower


def test_it_follows_the_scenarios_own_route_to_its_end() -> None:
    follower = follow(load_scenario("arterial").between(1150, 1750))
    figures = follower.figures()
    assert figures.arrived
    assert figures.signals >= 8
    assert figures.crossed_without_stop <= figures.signals
    assert follower.sightings[0].time_s == pytest.approx(1200, abs=5)
    assert figures.travel_time_s > figures.distance_m / 25
    assert figures.time_loss_s < figures.travel_time_s


def test_a_scenario_without_a_route_gets_one() -> None:
    follower = follow(replace(load_scenario("single").between(0, 400), emergency=None))
    assert follower.figures().signals == 1
    assert follower.sightings[0].desired_mps > 14


def test_a_vehicle_that_never_entered_is_an_error_with_its_times() -> None:
    scenario = load_scenario("arterial").between(0, 60)
    with pytest.raises(ScenarioError, match="departs at 1200 s, the run covers 0 to 60 s"):
        follow(scenario).figures()
