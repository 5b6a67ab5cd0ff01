"""Rules that pick the stage with the most to gain: greedy, max-pressure, rate index."""

from __future__ import annotations

from collections.abc import Sequence

from stopline_agents.baselines.demand import GroupDemand, best_allowed, demand_of, is_pedestrian, served
from stopline_policy.seam import JunctionView
from stopline_signals.engine import Engine
from stopline_signals.plan import Aspect, SignalPlan

SATURATION_PER_LANE = 0.5
"""Vehicles per second that leave one lane at green (1,800 an hour)."""
PERMISSIVE_FACTOR = 0.5
"""Share of the saturation flow that a group keeps while it gives way."""
FREE_SPEED_MPS = 13.9
FAR_DISTANCE_M = 85.0
"""Middle of the far zone."""


class Greedy:
    """The stage with the most vehicles within 120 m of its stop lines."""

    name = "greedy"

    def __init__(self, *, decision_interval: float = 5.0, far: bool = True) -> None:
        """``far`` counts the far zone as well as the near one."""
        self.decision_interval = decision_interval
        self._far = far

    def reset(self, plans: Sequence[SignalPlan]) -> None:
        """Nothing to remember."""

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        """The allowed stage with the largest count; ties keep the stage in force."""
        return [best_allowed(view, self._scores(view)) for view in views]

    def _scores(self, view: JunctionView) -> list[float]:
        counts = [
            d.near + d.calling + (d.far if self._far else 0) for d in demand_of(view.plan, view.readings)
        ]
        return [float(sum(counts[group] for group in stage.groups)) for stage in view.plan.stages]


class MaxPressure:
    """The stage with the largest pressure: lanes times vehicles, summed over its groups.

    Exits are not measured at a stand-alone junction, so downstream queues count as empty.
    """

    def __init__(self, *, decision_interval: float = 5.0, halting: bool = False) -> None:
        """``halting`` counts only vehicles that stand (below 1.4 m/s)."""
        self.name = "max-pressure-halting" if halting else "max-pressure"
        self.decision_interval = decision_interval
        self._halting = halting

    def reset(self, plans: Sequence[SignalPlan]) -> None:
        """Nothing to remember."""

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        """The allowed stage with the largest pressure; ties keep the stage in force."""
        return [best_allowed(view, self._pressures(view)) for view in views]

    def _pressures(self, view: JunctionView) -> list[float]:
        found = demand_of(view.plan, view.readings)
        counts = [(d.queued if self._halting else d.near + d.far) + d.calling for d in found]
        weights = [g.lanes * count for g, count in zip(view.plan.groups, counts, strict=True)]
        return [sum(weights[group] for group in stage.groups) for stage in view.plan.stages]


class RateIndex:
    """The stage that discharges most vehicles per second, its switching loss included.

    For each stage the index is the best average rate over any serving time: vehicles served divided by
    change time plus serving time. The stage in force has no change time, which is its advantage.
    """

    name = "rate-index"

    def __init__(self, *, decision_interval: float = 1.0, advantage: float = 1.0) -> None:
        """Another stage must be better by the factor ``advantage``."""
        self.decision_interval = decision_interval
        self._advantage = advantage
        self._engines: dict[str, Engine] = {}

    def reset(self, plans: Sequence[SignalPlan]) -> None:
        """Prepare the change times."""
        self._engines = {plan.junction: Engine(plan) for plan in plans}

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        """The allowed stage with the highest index; ties keep the stage in force."""
        return [self._decide(view) for view in views]

    def _decide(self, view: JunctionView) -> int:
        demand = demand_of(view.plan, view.readings)
        engine = self._engines[view.plan.junction]
        scores = [0.0] * len(view.plan.stages)
        for stage in range(len(scores)):
            if view.allowed >> stage & 1:
                loss = 0.0 if stage == view.state.stage else engine.transition_time(view.state, stage) / 10
                scores[stage] = rate_index(view.plan, demand, stage, loss)
        scores[view.state.stage] *= self._advantage
        return best_allowed(view, scores)


def rate_index(plan: SignalPlan, demand: Sequence[GroupDemand], stage: int, loss: float) -> float:
    """Best average discharge (vehicles/s) of a stage that starts after ``loss`` seconds.

    Near vehicles leave at saturation from the start; far ones cannot leave before they have arrived.
    """
    flows = [_Flow.of(plan, demand, group, aspect, loss) for group, aspect in served(plan, stage)]
    best = 0.0
    for time in sorted({end for flow in flows for end in flow.ends} or {1.0}):
        gain = sum(flow.served(time) for flow in flows)
        best = max(best, gain / (loss + max(time, 1.0)))
    return best


class _Flow:
    """Vehicles of one group that leave within a serving time."""

    __slots__ = ("_near", "_rate", "_total", "ends")

    def __init__(self, near: float, far: float, rate: float, arrival: float) -> None:
        self._near = near
        self._total = near + far
        self._rate = rate
        self.ends = {near / rate, max(self._total / rate, arrival if far else 0.0)}

    @classmethod
    def of(
        cls, plan: SignalPlan, demand: Sequence[GroupDemand], group: int, aspect: Aspect, loss: float
    ) -> _Flow:
        found = demand[group]
        rate = SATURATION_PER_LANE * max(plan.groups[group].lanes, 0.5)
        if aspect is Aspect.PERMISSIVE:
            rate *= PERMISSIVE_FACTOR
        near = found.calling if is_pedestrian(plan, group) else found.near
        return cls(float(near), float(found.far), rate, max(0.0, FAR_DISTANCE_M / FREE_SPEED_MPS - loss))

    def served(self, time: float) -> float:
        """Vehicles gone after ``time`` seconds of green."""
        limit = self._total if time >= max(self.ends) else self._near
        return min(limit, self._rate * time)
