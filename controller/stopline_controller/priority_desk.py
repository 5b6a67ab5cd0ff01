"""The way of a vehicle's report from whoever speaks for it to the requests: who may, how old, how often.

Everything that brings reports in goes through here, so that no way in is easier than another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from stopline_controller.audit import AuditLog, Entry
from stopline_controller.clock import Clock
from stopline_controller.identity import NOBODY, Identity
from stopline_controller.limits import Meter, Rate
from stopline_controller.priority import PriorityBook
from stopline_controller.refusals import RefusalLog
from stopline_signals.approach_map import ApproachMap
from stopline_signals.matching import Placed, Tracker
from stopline_signals.plausible import unreadable
from stopline_signals.priority import KEPT_VEHICLES, Progress, State, VehicleReport

LONGEST_NAME = 64
"""Characters of a vehicle's identifier; it goes into every record."""


class InputLimits(NamedTuple):
    """What is asked of reports, whoever brings them; times in seconds."""

    max_age: float = 5.0
    """How far a measurement may lie before or after this machine's clock; 0: not compared."""
    reports_per_s: float = 20.0
    """Reports of one vehicle a second of the controller's clock; twice as many may come at once."""
    silence: float = 8.0
    """After this time without a report that counted, anybody may speak for the vehicle."""


class Answer(NamedTuple):
    """What is answered to a report: the status per junction, and where its position was matched to."""

    progress: list[Progress]
    placed: Placed | None = None


class Silence(NamedTuple):
    """A vehicle whose requests ended for want of reports, its last report, and the status per junction."""

    vehicle: str
    sequence: int
    progress: list[Progress]


@dataclass(slots=True)
class _Trip:
    """What is known of a vehicle while it is heard."""

    speaker: Identity
    at: float
    sequence: int
    incident: str = ""
    states: dict[str, State] = field(default_factory=dict[str, State])


class PriorityDesk:
    """Takes reports in, and records every grant and every refusal; used from the services' thread only."""

    def __init__(
        self,
        book: PriorityBook,
        audit: AuditLog,
        clock: Clock,
        junctions: Container[str],
        limits: InputLimits | None = None,
        wall: Callable[[], float] = time.time,
        approaches: ApproachMap | None = None,
    ) -> None:
        """`wall` tells seconds since 1970 UTC; positions can only be matched where there is a map."""
        self._tracker = None if approaches is None else Tracker(approaches)
        self._book = book
        self._audit = audit
        self._clock = clock
        self._junctions = junctions
        self._limits = limits or InputLimits()
        self._wall = wall
        self._trips: dict[str, _Trip] = {}
        rate = self._limits.reports_per_s
        self._meter = Meter(Rate(rate, max(2 * rate, 1.0)), clock.seconds)
        self.refusals = RefusalLog(audit, clock, "priority-refused")

    def report(
        self, report: VehicleReport, who: Identity = NOBODY, measured: float | None = None
    ) -> list[Progress]:
        """The status at each of our junctions that the report names or no longer names.

        `measured` is when, in seconds since 1970 UTC, by the vehicle's clock. A report that is refused
        changes nothing and keeps nothing alive.
        """
        return self.answer(report, who, measured).progress

    def answer(self, report: VehicleReport, who: Identity = NOBODY, measured: float | None = None) -> Answer:
        """As `report`, with where the position was matched to if that is what told the junctions ahead."""
        trip = self._heard(report.vehicle)
        if problem := self._problem(report, who, measured, trip):
            return Answer(self.refuse(report, who, problem))
        placed: Placed | None = None
        if trip is not None and report.sequence <= trip.sequence:
            why = f"report {report.sequence} after {trip.sequence}: old, or a replay; ignored"
            self.note(who, report.vehicle, "", why)
        else:
            report, placed = self._placed(report)
        progress = self._book.report(report)
        self._record(report, who, trip, progress)
        return Answer(progress, placed)

    def fallen_silent(self, who: Identity) -> list[Silence]:
        """This speaker's vehicles whose requests have ended for want of reports; each is told once."""
        over = [v for v, trip in self._trips.items() if trip.speaker == who and self._heard(v) is None]
        silent = [self._silence(vehicle, self._trips.pop(vehicle)) for vehicle in over]
        return [one for one in silent if one.progress]

    def _silence(self, vehicle: str, trip: _Trip) -> Silence:
        """Commit that what a vehicle asked for has ended."""
        why = f"silent for {self._limits.silence:g} s: what was asked for has ended"
        asking = [junction for junction, state in trip.states.items() if state is not State.REJECTED]
        progress = [Progress(junction, State.STALE, reason=why) for junction in asking]
        self._audit.append([self._entry(vehicle, item, trip.speaker, trip.incident) for item in progress])
        return Silence(vehicle, trip.sequence, progress)

    def _placed(self, report: VehicleReport) -> tuple[VehicleReport, Placed | None]:
        """The report with what is ahead of its position; one that says what is ahead is left as it is."""
        if self._tracker is None or report.position is None or report.ahead:
            return report, None
        if report.cancel:
            self._tracker.forget(report.vehicle)
            return report, None
        placed = self._tracker.place(
            report.vehicle, report.position, report.speed_mps, report.route, self._clock.seconds()
        )
        return replace(report, ahead=placed.ahead), placed

    def refuse(self, report: VehicleReport, who: Identity, why: str) -> list[Progress]:
        """Record that nothing of a report counts, and answer so at each of our junctions that it names."""
        ours = sorted({ahead.junction for ahead in report.ahead if ahead.junction in self._junctions})
        for junction in ours or [""]:
            self.note(who, report.vehicle, junction, why)
        return [Progress(junction, State.REJECTED, reason=why) for junction in ours]

    def _heard(self, vehicle: str) -> _Trip | None:
        trip = self._trips.get(vehicle)
        return trip if trip and self._clock.seconds() - trip.at <= self._limits.silence else None

    def _problem(
        self, report: VehicleReport, who: Identity, measured: float | None, trip: _Trip | None
    ) -> str:
        """Why the report does not even get to be judged; empty when it does."""
        if len(report.vehicle) > LONGEST_NAME:
            return f"a vehicle's identifier has at most {LONGEST_NAME} characters"
        if trip is not None and trip.speaker.name != who.name:
            # Before the meter: a stranger must not use up the vehicle's own reports.
            return (
                f"{report.vehicle} is reported by {trip.speaker.name or 'somebody else'}, not by {who.name}"
            )
        if measured is not None and self._limits.max_age:
            age = self._wall() - measured
            if not abs(age) <= self._limits.max_age:
                return f"measured {abs(age):.1f} s {'ago' if age > 0 else 'in the future'}"
        if self._meter.take(report.vehicle) > 0:
            return f"over {self._limits.reports_per_s:g} reports a second of one vehicle"
        return unreadable(report) or self._misplaced(report)

    def _misplaced(self, report: VehicleReport) -> str:
        """Why what is ahead cannot be had from a position, or cannot be true where it is."""
        if report.position is None or report.cancel:
            return ""
        if self._tracker is not None:
            return self._tracker.lie(report)
        if report.ahead:
            return ""
        return "has only a position, and this site has no map of approaches: name the junctions ahead"

    def _record(
        self, report: VehicleReport, who: Identity, trip: _Trip | None, progress: list[Progress]
    ) -> None:
        """Commit every change of a request's state before it is answered."""
        if any(item.state is not State.REJECTED for item in progress):
            trip = self._counted(report, who, trip)
        states = trip.states if trip else {}
        entries: list[Entry] = []
        for item in progress:
            if item.state is State.REJECTED:
                self.note(who, report.vehicle, item.junction, item.reason)
            elif states.get(item.junction) is not item.state:
                entries.append(self._entry(report.vehicle, item, who, report.incident))
            states[item.junction] = item.state
            if item.state is State.COMPLETED:
                del states[item.junction]
        self._audit.append(entries)

    def _counted(self, report: VehicleReport, who: Identity, trip: _Trip | None) -> _Trip:
        """The vehicle is heard, and is this speaker's."""
        now = self._clock.seconds()
        trip = trip or _Trip(who, now, report.sequence)
        if trip.sequence <= report.sequence:
            trip.at, trip.sequence, trip.incident = now, report.sequence, report.incident
        self._trips[report.vehicle] = trip
        if len(self._trips) > KEPT_VEHICLES:
            self._trips = {vehicle: kept for vehicle, kept in self._trips.items() if self._heard(vehicle)}
        return trip

    def _entry(self, vehicle: str, item: Progress, who: Identity, incident: str) -> Entry:
        detail = {
            "state": str(item.state),
            "stage": item.stage,
            "eta_s": round(item.eta_s, 1),
            "why": item.reason,
            **({"incident": incident} if incident else {}),
            **_speaker(who),
        }
        return Entry("priority", self._clock.tenths(), item.junction, vehicle, detail)

    def note(self, who: Identity, vehicle: str, junction: str, why: str) -> None:
        """Record that something was refused before it became a report."""
        actor = vehicle[:LONGEST_NAME]
        self.refusals.note(who.name, why, junction=junction, actor=actor, detail=_speaker(who))


def _speaker(who: Identity) -> dict[str, object]:
    return {"certificate": who.name, "role": str(who.role)} if who.verified else {}
