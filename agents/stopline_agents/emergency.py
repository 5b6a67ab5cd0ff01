"""What priority does for emergency vehicles and to everybody else: the same traffic with and without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from stopline_agents.emergency_watch import USUAL_CYCLE_S, Crossing, Watch
from stopline_envs.emergency import EmergencyFigures, EmergencyRun, Sighting
from stopline_envs.metrics import TripMetrics
from stopline_envs.network import NetworkRun
from stopline_envs.scenario import Scenario
from stopline_envs.truth import Figure
from stopline_policy.seam import JunctionView, Policy
from stopline_signals.approach import Now
from stopline_signals.plan import SignalPlan
from stopline_signals.priority import (
    Ahead,
    PriorityRequests,
    PrioritySettings,
    Urgency,
    VehicleClass,
    VehicleReport,
)

HORIZON_M = 1500.0
LATE_M = 100.0
GRACE = 1200
"""Tenths past a max red for which an emergency may keep a call waiting, as in the controller."""


class Arm(StrEnum):
    """How emergency vehicles are treated."""

    NONE = "no priority"
    LATE = "preemption at 100 m"
    PRIORITY = "priority"


@dataclass(frozen=True, slots=True)
class Trip:
    """One emergency vehicle to come."""

    departs: int
    edges: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmOutcome:
    """One run of one arm."""

    trips: tuple[EmergencyFigures, ...]
    metrics: TripMetrics
    lost: npt.NDArray[np.float32]
    """Time lost per second (veh) by others on the approaches [seconds, junctions], for side effects."""
    standing: dict[str, npt.NDArray[np.int32]]
    """Per movement the vehicles that stand before it, second by second, as its detectors see them."""
    crossings: tuple[Crossing, ...]
    cycles_s: tuple[float, ...]
    """Per junction the cycle of its fixed program."""
    violations: int


@dataclass(slots=True)
class _Vehicle:
    run: EmergencyRun
    name: str
    sequence: int = 0
    last: Sighting | None = None


def run_arm(
    scenario: Scenario,
    policy: Policy,
    seed: int,
    arm: Arm,
    trips: Sequence[Trip],
    settings: PrioritySettings | None = None,
    on_second: Callable[[Mapping[str, Sighting]], None] = lambda seen: None,
) -> ArmOutcome:
    """Run a policy with emergency vehicles on their ways; nobody runs a red light in any arm.

    `on_second` is told every second where those vehicles are that are on the road now.
    """
    run = NetworkRun(scenario, trips=True, figures=(Figure.APPROACH,))
    vehicles = [
        _Vehicle(
            EmergencyRun(scenario, vehicle=f"emergency_{n}", edges=t.edges, departs=t.departs),
            f"emergency_{n}",
        )
        for n, t in enumerate(trips)
    ]
    requests = PriorityRequests({plan.junction: plan for plan in run.plans}, settings)
    policy.reset(run.plans)
    interval = max(1, round(policy.decision_interval))
    stages: list[int] = []
    try:
        run.reset(seed)
        watch = Watch(run)
        desk = _Desk(run, requests, arm)
        while not run.done:
            if (run.now - scenario.begin) % interval == 0:
                stages = list(policy.decide(desk.narrowed(run.views())))
            for vehicle in vehicles:
                desk.report(vehicle)
            on_second({vehicle.name: vehicle.last for vehicle in vehicles if vehicle.last})
            run.advance(desk.with_priority(stages), 1)
            second = run.now - scenario.begin
            watch.note(second)
            for vehicle in vehicles:
                watch.vehicle(vehicle.name, vehicle.last, second)
        metrics = run.metrics()
    finally:
        run.close()
    return ArmOutcome(
        trips=tuple(v.run.figures() for v in vehicles if v.run.sightings),
        metrics=metrics,
        lost=watch.lost(),
        standing=watch.standing(),
        crossings=watch.crossings(),
        cycles_s=tuple(p.program.cycle / 10 if p.program else USUAL_CYCLE_S for p in run.plans),
        violations=run.violations,
    )


def groups_by_link(plans: Sequence[SignalPlan]) -> dict[tuple[str, int], str]:
    """Signal and link, as SUMO tells a vehicle's way, -> the group's name."""
    return {
        (plan.junction, link): group.name for plan in plans for group in plan.groups for link in group.links
    }


class _Desk:
    """Takes reports of vehicles and puts their wishes in the place of the policy's."""

    def __init__(self, run: NetworkRun, requests: PriorityRequests, arm: Arm) -> None:
        self._run, self._requests, self._arm = run, requests, arm
        self._groups = groups_by_link(run.plans)

    def report(self, vehicle: _Vehicle) -> None:
        """Look at a vehicle and tell the controller's code about it, as its dispatcher would."""
        now, was = self._run.now, vehicle.last
        seen = vehicle.last = vehicle.run.look(now)
        if self._arm is Arm.NONE or (seen is None and was is None):
            return
        vehicle.sequence += 1
        self._requests.report(self._as_report(vehicle, seen), float(now))

    def narrowed(self, views: Sequence[JunctionView]) -> list[JunctionView]:
        """The views without stages that would make an emergency on its way come too late."""
        found = list(views)
        for number, view in enumerate(views):
            if self._requests.waiting(view.plan.junction):
                junction = self._run.junctions[number]
                here = Now(junction.engine, view.state, view.readings)
                closed = self._requests.closed(view.plan.junction, here, float(self._run.now))
                # Overdue calls may wait a little longer, as an emergency's own stage may make them wait.
                open_ = junction.guard.allowed(view.state, GRACE) & ~closed if closed else view.allowed
                found[number] = view._replace(allowed=open_ or view.allowed)
        return found

    def with_priority(self, stages: Sequence[int]) -> list[int]:
        """The stages to ask for: an emergency's where one has a wish."""
        asked = list(stages)
        for number, junction in enumerate(self._run.junctions):
            junction.grace = 0
            if not self._requests.waiting(junction.plan.junction):
                continue
            here = Now(junction.engine, junction.state, junction.readings)
            for wish in self._requests.wishes(
                junction.plan.junction, here, float(self._run.now), below=stages[number]
            ):
                if wish.urgency is Urgency.EMERGENCY:
                    asked[number], junction.grace = wish.stage, GRACE
        return asked

    def _as_report(self, vehicle: _Vehicle, seen: Sighting | None) -> VehicleReport:
        late = self._arm is Arm.LATE
        signals = () if seen is None else seen.ahead
        ahead = [
            Ahead(s.tls, self._groups[s.tls, s.link], distance_m=s.distance_m, eta_s=1.0 if late else 0.0)
            for s in signals
            if s.distance_m <= (LATE_M if late else HORIZON_M) and (s.tls, s.link) in self._groups
        ]
        return VehicleReport(
            vehicle=vehicle.name,
            kind=VehicleClass.AMBULANCE,
            sequence=vehicle.sequence,
            speed_mps=seen.speed_mps if seen else 0.0,
            desired_mps=seen.desired_mps if seen else 0.0,
            ahead=tuple(ahead),
            cancel=seen is None,
        )
