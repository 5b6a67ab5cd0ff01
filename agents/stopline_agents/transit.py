"""What priority does for buses that are late, and to everybody else: the same traffic with and without it.

A bus is as late as the time it has lost on its way, as against a timetable that reckons with no signal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from stopline_agents.controllers import make_controller
from stopline_agents.emergency import groups_by_link
from stopline_agents.parallel import run_tasks
from stopline_agents.statistics import estimate, ratio
from stopline_envs.buses import Buses, BusSighting
from stopline_envs.network import NetworkRun
from stopline_envs.scenario import Scenario
from stopline_policy.seam import Policy
from stopline_signals.approach import Now
from stopline_signals.errors import PolicyError
from stopline_signals.priority import (
    Ahead,
    PriorityRequests,
    PrioritySettings,
    TransitSettings,
    Urgency,
    VehicleClass,
    VehicleReport,
)

HORIZON_M = 500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitOutcome:
    """One run: mean delays (s) of buses and of the others, and how often a junction gave a bus something."""

    buses: int
    bus_delay_s: float
    others_delay_s: float
    grants: int
    violations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitTable:
    """All runs without and with priority for buses, one entry per seed."""

    scenario: Scenario
    controller: str
    settings: TransitSettings
    seeds: tuple[int, ...]
    without: tuple[TransitOutcome, ...]
    served: tuple[TransitOutcome, ...]

    def to_table(self) -> dict[str, Any]:
        """The content of ``transit.json``: means with 95 % intervals over runs."""
        return {
            "scenario": self.scenario.name,
            "window_s": [self.scenario.begin, self.scenario.end],
            "controller": self.controller,
            "late_s": self.settings.late,
            "seeds": list(self.seeds),
            "buses": sum(run.buses for run in self.without),
            "arms": {"no priority": self._arm(self.without), "priority": self._arm(self.served)},
        }

    def _arm(self, runs: Sequence[TransitOutcome]) -> dict[str, Any]:
        pairs = list(zip(self.without, runs, strict=True))
        saved = ratio(
            [base.buses * base.bus_delay_s - run.buses * run.bus_delay_s for base, run in pairs],
            [base.buses * base.bus_delay_s for base, _ in pairs],
        )
        others = ratio(
            [run.others_delay_s - base.others_delay_s for base, run in pairs],
            [base.others_delay_s for base, _ in pairs],
        )
        return {
            "bus_delay_s": estimate([run.bus_delay_s for run in runs]).to_table(),
            "bus_delay_saved": saved.to_table(),
            "others": others.to_table(),
            "grants": sum(run.grants for run in runs),
            "violations": sum(run.violations for run in runs),
        }


def evaluate_transit(
    scenario: Scenario,
    controller: str,
    seeds: Sequence[int],
    *,
    late_s: float = 60.0,
    jobs: int = 1,
    on_run: Callable[[int], None] = lambda seed: None,
) -> TransitTable:
    """Run every seed without and with priority for those `late_s` late or more.

    Raises PolicyError when no bus comes.
    """
    make_controller(controller)
    settings = TransitSettings(late=late_s)
    found: dict[int, tuple[TransitOutcome, TransitOutcome]] = {}
    tasks = [(scenario, controller, seed, settings) for seed in seeds]
    for number, outcomes in run_tasks(_pair, tasks, jobs):
        found[seeds[number]] = outcomes
        on_run(seeds[number])
    if not any(outcome[0].buses for outcome in found.values()):
        raise PolicyError(f"scenario {scenario.name}: no bus comes, so there is nothing to compare")
    return TransitTable(
        scenario=scenario,
        controller=controller,
        settings=settings,
        seeds=tuple(seeds),
        without=tuple(found[seed][0] for seed in seeds),
        served=tuple(found[seed][1] for seed in seeds),
    )


def run_transit(
    scenario: Scenario, policy: Policy, seed: int, settings: TransitSettings | None
) -> TransitOutcome:
    """One run of a policy; without settings buses are watched and get nothing."""
    run = NetworkRun(scenario, trips=True)
    policy.reset(run.plans)
    interval = max(1, round(policy.decision_interval))
    stages: list[int] = []
    try:
        run.reset(seed)
        desk = _Desk(run, settings)
        while not run.done:
            if (run.now - scenario.begin) % interval == 0:
                stages = list(policy.decide(run.views()))
            desk.look()
            run.advance(desk.with_buses(stages), 1)
        metrics = run.metrics()
    finally:
        run.close()
    rest = metrics.delay_s * metrics.vehicles - metrics.bus_delay_s * metrics.buses
    return TransitOutcome(
        buses=metrics.buses,
        bus_delay_s=metrics.bus_delay_s,
        others_delay_s=rest / max(metrics.vehicles - metrics.buses, 1),
        grants=len(desk.given),
        violations=run.violations,
    )


@dataclass(slots=True)
class _Desk:
    """Reports every bus, and asks for what is given to it in the place of the policy's stage."""

    run: NetworkRun
    settings: TransitSettings | None
    buses: Buses = field(default_factory=Buses)
    given: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Junction and bus."""
    _requests: PriorityRequests = field(init=False)
    _groups: dict[tuple[str, int], str] = field(init=False)
    _known: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        plans = {plan.junction: plan for plan in self.run.plans}
        self._requests = PriorityRequests(plans, PrioritySettings(transit=self.settings or TransitSettings()))
        self._groups = groups_by_link(self.run.plans)

    def look(self) -> None:
        """Find the buses and report them; those that have left are through."""
        found = self.buses.look()
        if self.settings is None:
            return
        now = self.run.now
        for bus in found:
            self._requests.report(self._report(bus), float(now))
        for name in self._known - {bus.vehicle for bus in found}:
            gone = VehicleReport(vehicle=name, kind=VehicleClass.TRANSIT, sequence=now, cancel=True)
            self._requests.report(gone, float(now))
        self._known = {bus.vehicle for bus in found}

    def with_buses(self, stages: Sequence[int]) -> list[int]:
        """The stages to ask for."""
        asked = list(stages)
        for number, junction in enumerate(self.run.junctions):
            name = junction.plan.junction
            if not self._requests.waiting(name):
                continue
            here = Now(junction.engine, junction.state, junction.readings)
            for wish in self._requests.wishes(name, here, float(self.run.now), below=stages[number]):
                if wish.urgency is Urgency.TRANSIT:
                    asked[number] = wish.stage
                    self.given.add((name, wish.vehicle))
        return asked

    def _report(self, bus: BusSighting) -> VehicleReport:
        ahead = [
            Ahead(signal.tls, self._groups[signal.tls, signal.link], distance_m=signal.distance_m)
            for signal in bus.ahead
            if signal.distance_m <= HORIZON_M and (signal.tls, signal.link) in self._groups
        ]
        return VehicleReport(
            vehicle=bus.vehicle,
            kind=VehicleClass.TRANSIT,
            sequence=self.run.now,
            speed_mps=bus.speed_mps,
            ahead=tuple(ahead),
            late_s=bus.lost_s,
        )


def _pair(
    scenario: Scenario, controller: str, seed: int, settings: TransitSettings
) -> tuple[TransitOutcome, TransitOutcome]:
    without = run_transit(scenario, make_controller(controller), seed, None)
    return without, run_transit(scenario, make_controller(controller), seed, settings)
