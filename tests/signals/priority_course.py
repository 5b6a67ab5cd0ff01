"""A junction whose policy, pedestrians and vehicles do as they like, under the same rules as in the field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stopline_signals import KEEP, Engine, EngineState, Guard, SignalPlan
from stopline_signals.approach import Now
from stopline_signals.detectors import NOTHING, DetectorReading
from stopline_signals.plan import GroupKind
from stopline_signals.priority import (
    Ahead,
    PriorityRequests,
    PrioritySettings,
    Progress,
    Urgency,
    VehicleClass,
    VehicleReport,
    Wish,
)
from tests.signals.lamp_checker import LampChecker

GRACE = 1200
"""Tenths past its max red for which an emergency may keep a call waiting."""


class Course:
    """One junction in lock step with its requests; every lamp of every tenth is looked at."""

    def __init__(self, plan: SignalPlan, settings: PrioritySettings | None = None, stage: int = 0) -> None:
        self.plan = plan
        self.engine, self.requests = Engine(plan), PriorityRequests({plan.junction: plan}, settings)
        self.guard = Guard(self.engine)
        self.state: EngineState = self.engine.advance(self.engine.start(0, stage), KEEP, 0, 400).state
        self.checker = LampChecker(plan)
        self.checker.see(400, self.state.aspects)
        self.readings: list[DetectorReading] = [NOTHING] * len(plan.detectors)
        self.policy = KEEP
        self.coordinated = False
        """Whether the fixed program decides in the policy's place."""
        self.calls = 0
        self.wishes: Sequence[Wish] = ()
        self._sequence = 0

    @property
    def clock(self) -> float:
        """Seconds."""
        return self.state.now / 10

    @property
    def here(self) -> Now:
        return Now(self.engine, self.state, tuple(self.readings))

    def vehicles(self) -> list[str]:
        """Names of the groups a vehicle may ask for."""
        return [
            group.name
            for index, group in enumerate(self.plan.groups)
            if group.kind is not GroupKind.PEDESTRIAN and self.plan.stages_serving(index)
        ]

    def report(
        self,
        vehicle: str,
        group: str,
        eta: float,
        kind: VehicleClass = VehicleClass.AMBULANCE,
        **more: object,
    ) -> list[Progress]:
        self._sequence += 1
        report = VehicleReport(
            vehicle=vehicle,
            kind=kind,
            sequence=self._sequence,
            speed_mps=10.0,
            ahead=(Ahead(self.plan.junction, group, eta_s=eta),),
        )
        return self.requests.report(replace(report, **more), self.clock)  # type: ignore[arg-type]  # a report's fields

    def gone(self, vehicle: str, kind: VehicleClass = VehicleClass.AMBULANCE) -> list[Progress]:
        """The vehicle has passed."""
        return self.report(vehicle, "", 0.0, kind, ahead=())

    def run(self, tenths: int) -> None:
        for _ in range(tenths):
            self.tick()

    def tick(self) -> None:
        """Ask as the controller does: emergency, recovery, transit, policy; the guard has the last word."""
        name = self.plan.junction
        wanted = self.engine.program_request(self.state) if self.coordinated else self.policy
        below = self.state.stage if wanted == KEEP else wanted
        self.wishes = self.requests.wishes(name, self.here, self.clock, below)
        by = {wish.urgency: wish.stage for wish in self.wishes}
        asked = next((by[urgency] for urgency in Urgency if urgency in by), below)
        stage = self.guard.decide(self.state, asked, GRACE if Urgency.EMERGENCY in by else 0).stage
        self.state = self.engine.advance(self.state, stage, self.calls, self.state.now + 1).state
        self.checker.see(self.state.now, self.state.aspects)

    def stage_wished(self, urgency: Urgency) -> int | None:
        """The stage asked for in the last tick."""
        return next((wish.stage for wish in self.wishes if wish.urgency is urgency), None)
