"""Vehicle priority at this controller's junctions: the requests on its clock, for all its threads."""

from __future__ import annotations

import threading
from collections.abc import Container, Mapping

from stopline_controller.clock import Clock
from stopline_controller.sources import Proposal, Source
from stopline_signals.approach import Now
from stopline_signals.plan import SignalPlan
from stopline_signals.priority import (
    PriorityRequests,
    PrioritySettings,
    Progress,
    State,
    Urgency,
    VehicleReport,
)

SOURCES = {
    Urgency.EMERGENCY: Source.EMERGENCY,
    # Who makes up for an emergency asks as mildly as transit does: below operators, without grace, and never
    # by a preempt. The rule book gives the word to one of the two.
    Urgency.RECOVERY: Source.TRANSIT,
    Urgency.TRANSIT: Source.TRANSIT,
}


class PriorityBook:
    """The requests of all vehicles at this controller's junctions; may be used from several threads."""

    def __init__(
        self, clock: Clock, plans: Mapping[str, SignalPlan], settings: PrioritySettings | None = None
    ) -> None:
        self._clock = clock
        self._plans = plans
        self._settings = settings
        self._lock = threading.Lock()
        self._requests = PriorityRequests(plans, settings)

    def report(self, report: VehicleReport) -> list[Progress]:
        """Take a report in; returns the status at each of our junctions that it names or no longer names."""
        with self._lock:
            return self._requests.report(report, self._clock.seconds())

    def preview(self, report: VehicleReport, junctions: Container[str]) -> list[Progress]:
        """What a report that can be true would put in place at junctions where the vehicle is new.

        Nothing changes.
        """
        named = {ahead.junction for ahead in report.ahead if ahead.junction in junctions}
        plans = {junction: plan for junction, plan in self._plans.items() if junction in named}
        progress = PriorityRequests(plans, self._settings).report(report, self._clock.seconds())
        return [item for item in progress if item.state is not State.REJECTED]

    def lie(self, report: VehicleReport) -> str:
        """Why a report cannot be true, alone or after the vehicle's last one; empty when it can."""
        with self._lock:
            return self._requests.lie(report, self._clock.seconds())

    def waiting(self, junction: str) -> bool:
        """Whether any vehicle asks for anything at the junction, or did and is still to be dealt with.

        Looked at without the lock: nearly always there is nothing, and a report is not late by a tick.
        """
        return self._requests.waiting(junction)

    def proposals(self, junction: str, now: Now, below: int | None = None) -> list[Proposal]:
        """What vehicles ask of the junction as it is: at most one emergency and one transit stage.

        `below` is the stage that the policy asks for: an emergency on its way may keep it from beginning.
        """
        if not self.waiting(junction):
            return []
        with self._lock:
            wishes = self._requests.wishes(junction, now, self._clock.seconds(), below)
        return [Proposal(SOURCES[wish.urgency], wish.stage, wish.reason, wish.vehicle) for wish in wishes]

    def closed(self, junction: str, now: Now) -> int:
        """Mask of the stages that the policy must not begin now, or an emergency came too late."""
        if not self.waiting(junction):
            return 0
        with self._lock:
            return self._requests.closed(junction, now, self._clock.seconds())

    def active(self) -> dict[str, list[str]]:
        """Vehicles with a request per junction, for status pages."""
        with self._lock:
            return self._requests.active()
