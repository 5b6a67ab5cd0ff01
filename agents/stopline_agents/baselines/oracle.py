"""Greedy with perfect knowledge of who turns where: a reference row, not something a street can have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from stopline_agents.baselines.demand import best_allowed, demand_of
from stopline_envs.network import NetworkRun
from stopline_envs.simulation import libsumo_module
from stopline_policy.seam import JunctionView
from stopline_signals.plan import SignalPlan

WITHIN_M = 120.0
"""The same reach as the zones of the other rules."""


@runtime_checkable
class Onlooker(Protocol):
    """A policy that looks into the simulation itself; no controller can run it."""

    def attach(self, run: NetworkRun) -> None:
        """Called once the run has started."""
        ...


class GreedyOracle:
    """The stage with the most vehicles whose next signal link it serves, within 120 m."""

    name = "greedy-oracle"

    def __init__(self, *, decision_interval: float = 5.0) -> None:
        """As often as `Greedy`, so that only the knowledge differs."""
        self.decision_interval = decision_interval
        self._run: NetworkRun | None = None
        self._groups: dict[tuple[str, int], int] = {}

    def attach(self, run: NetworkRun) -> None:
        """Look into this run's simulation from now on."""
        self._run = run

    def reset(self, plans: Sequence[SignalPlan]) -> None:
        """Which group a signal link belongs to."""
        self._run = None
        self._groups = {
            (plan.junction, link): number
            for plan in plans
            for number, group in enumerate(plan.groups)
            for link in group.links
        }

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        """The allowed stage with the largest count; ties keep the stage in force."""
        coming = self._coming() if self._run is not None else Counter[tuple[str, int]]()
        return [best_allowed(view, self._scores(view, coming)) for view in views]

    def _scores(self, view: JunctionView, coming: Counter[tuple[str, int]]) -> list[float]:
        junction, seen = view.plan.junction, demand_of(view.plan, view.readings)
        counts = [coming[junction, group] + found.calling for group, found in enumerate(seen)]
        return [float(sum(counts[group] for group in stage.groups)) for stage in view.plan.stages]

    def _coming(self) -> Counter[tuple[str, int]]:
        """Vehicles per (junction, group) that meet it next, within reach."""
        vehicles: Any = libsumo_module().vehicle
        found: Counter[tuple[str, int]] = Counter()
        for vehicle in vehicles.getIDList():
            for junction, link, distance, _ in vehicles.getNextTLS(vehicle)[:1]:
                group = self._groups.get((junction, link))
                if group is not None and distance <= WITHIN_M:
                    found[junction, group] += 1
        return found
