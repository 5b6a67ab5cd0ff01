"""The same traffic, bundle and ambulance without priority: what the priority is worth."""

from __future__ import annotations

from stopline_agents.controllers import make_controller
from stopline_envs.emergency import EmergencyFigures, EmergencyRun
from stopline_envs.network import NetworkRun
from stopline_envs.scenario import Scenario


def run_without_priority(scenario: Scenario, controller: str, seed: int) -> EmergencyFigures:
    """Run a controller in this process with the ambulance in the traffic; nobody makes way for it."""
    extra = () if scenario.emergency is None else (scenario.emergency.file,)
    run, follower = NetworkRun(scenario, extra_files=extra), EmergencyRun(scenario)
    policy = make_controller(controller)
    interval = max(1, round(policy.decision_interval))
    try:
        run.reset(seed)
        policy.reset(run.plans)
        stages: list[int] = []
        while not run.done and not follower.gone:
            if (run.now - scenario.begin) % interval == 0:
                stages = policy.decide(run.views())
            run.advance(stages, 1)
            follower.look(run.now)
    finally:
        run.close()
    return follower.figures()
