"""One run of one controller on a whole network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stopline_agents.baselines.oracle import Onlooker
from stopline_agents.conditions import AS_GIVEN, Conditions
from stopline_envs.metrics import TripMetrics
from stopline_envs.network import NetworkRun, ProgramRun
from stopline_envs.scenario import Scenario
from stopline_policy.seam import ABSTAIN, JunctionView, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run left behind."""

    metrics: TripMetrics
    violations: int
    """Counted by the conflict monitor, which sees lamps only."""
    interventions: int = 0
    """Requests the guard did not grant as asked."""
    decisions: int = 0


def run_policy(
    scenario: Scenario,
    policy: Policy,
    seed: int,
    conditions: Conditions = AS_GIVEN,
    *,
    on_time: Callable[[int], None] = lambda now: None,
) -> Outcome:
    """Run a policy at every signal of the scenario from begin to end.

    Args:
        scenario: Network, traffic and time window.
        policy: Decides as often as it says, at least once a second.
        seed: Real SUMO seed.
        conditions: What differs from the scenario as it is.
        on_time: Told the clock (s) after every decision.
    """
    run = NetworkRun(
        scenario,
        trips=True,
        options=conditions.options,
        faults=conditions.faults,
        timing=conditions.timing,
    )
    policy.reset(run.plans)
    step = conditions.interval_s or max(1, round(policy.decision_interval))
    decisions = interventions = 0
    try:
        run.reset(seed)
        if isinstance(policy, Onlooker):
            policy.attach(run)
        while not run.done:
            views = run.views()
            stages = policy.decide(views)
            decisions += sum(stage != ABSTAIN for stage in stages)
            interventions += _refused(views, stages)
            run.advance(stages, step)
            on_time(run.now)
        metrics = run.metrics()
    finally:
        run.close()
    return Outcome(
        metrics=metrics, violations=run.violations, interventions=interventions, decisions=decisions
    )


def run_program_as_is(scenario: Scenario, seed: int) -> Outcome:
    """Run the network's own programs without our rule book; the monitor counts what they break."""
    run = ProgramRun(scenario)
    metrics = run.run(seed)
    return Outcome(metrics=metrics, violations=run.violations)


def _refused(views: Sequence[JunctionView], stages: Sequence[int]) -> int:
    asked = [(view, stage) for view, stage in zip(views, stages, strict=True) if stage != ABSTAIN]
    return sum(not view.allowed >> stage & 1 for view, stage in asked)
