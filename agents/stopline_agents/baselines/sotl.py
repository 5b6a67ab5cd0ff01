"""Self-organising traffic lights: red approaches gather vehicle-seconds until they may interrupt a green.

Gershenson, "Self-organizing traffic lights", Complex Systems 16 (2005): a threshold on what waits, and green
that is not taken from the last vehicles of a platoon.
"""

from __future__ import annotations

from collections.abc import Sequence

from stopline_agents.baselines.demand import GroupDemand, asked_or_kept, demand_of
from stopline_policy.seam import JunctionView
from stopline_signals.plan import SignalPlan

THRESHOLD_VEH_S = 20.0
"""Vehicle-seconds before red within 120 m that may interrupt a green; chosen on generated networks."""
PLATOON = 1
"""Fewer vehicles than this, but some, near a green stop line are let through first; 1: none are."""


class Sotl:
    """Serve the stage whose red groups have gathered most vehicle-seconds, once they are over a threshold."""

    name = "sotl"
    decision_interval = 1.0

    def __init__(self, *, threshold: float = THRESHOLD_VEH_S, platoon: int = PLATOON) -> None:
        """See the module's constants."""
        self._threshold, self._platoon = threshold, platoon
        self._gathered: dict[str, list[float]] = {}
        self._seen: dict[str, int] = {}

    def reset(self, plans: Sequence[SignalPlan]) -> None:
        """Forget what was gathered."""
        self._gathered = {plan.junction: [0.0] * len(plan.groups) for plan in plans}
        self._seen = {}

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        """The stage in force, or the one that has gathered most."""
        return [self._decide(view) for view in views]

    def _decide(self, view: JunctionView) -> int:
        demand = demand_of(view.plan, view.readings)
        gathered = self._gather(view, demand)
        current = view.plan.stages[view.state.stage]
        waiting = [
            sum(gathered[group] for group in stage.groups if group not in current.groups)
            for stage in view.plan.stages
        ]
        best = max(range(len(waiting)), key=waiting.__getitem__)
        passing = sum(demand[group].near for group in current.groups)
        if waiting[best] < self._threshold or 0 < passing < self._platoon:
            return asked_or_kept(view, view.state.stage)
        return asked_or_kept(view, best)

    def _gather(self, view: JunctionView, demand: Sequence[GroupDemand]) -> list[float]:
        """Add what stands before red since the last look; green empties the account."""
        junction, now = view.plan.junction, view.state.now
        passed = (now - self._seen.get(junction, now)) / 10
        self._seen[junction] = now
        gathered = self._gathered[junction]
        green = view.plan.stages[view.state.stage].groups
        for group, found in enumerate(demand):
            gathered[group] = 0.0 if group in green else gathered[group] + found.total * passed
        return gathered
