"""The way of a vehicle's report from whoever speaks for it to the requests: who may, how old, how often.

Everything that brings reports in goes through here, so that no way in is easier than another.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from stopline_controller.audit import AuditLog, Entry
from stopline_controller.clock import Clock
from stopline_controller.dates import Dates
from stopline_controller.identity import NOBODY, Identity
from stopline_controller.limits import Meter, Rate
from stopline_controller.priority import PriorityBook
from stopline_controller.refusals import RefusalLog
from stopline_controller.texts import LONGEST_NAME
from stopline_signals.approach_map import ApproachMap
from stopline_signals.matching import Placed, Tracker
from stopline_signals.plausible import no_place, too_long
from stopline_signals.priority import KEPT_VEHICLES, Progress, State, VehicleReport

KEPT_SILENCES = 1_000
"""Vehicles that fell silent and whose streams have not been told, at most; the oldest are forgotten first."""


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
    stated: bool = False
    """Whether it has said itself what is ahead: then it is not looked for on the map when that runs empty."""
    states: dict[str, State] = field(default_factory=dict[str, State])
    asked: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """Group and approach that its last report named at each junction."""


class PriorityDesk:
    """Takes reports in, and records every grant and every refusal; used from the services' thread only."""

    def __init__(
        self,
        book: PriorityBook,
        audit: AuditLog,
        clock: Clock,
        junctions: Container[str],
        limits: InputLimits | None = None,
        dates: Dates | None = None,
        approaches: ApproachMap | None = None,
    ) -> None:
        """`dates` knows how old a stated time is; positions can only be matched where there is a map."""
        self._tracker = None if approaches is None else Tracker(approaches)
        self._book = book
        self._audit = audit
        self._clock = clock
        self._junctions = junctions
        self._limits = limits or InputLimits()
        self._dates = dates or Dates()
        self._trips: dict[str, _Trip] = {}
        self._prune_at = KEPT_VEHICLES
        self._silences: dict[str, tuple[Identity, Silence]] = {}
        """Vehicles that fell silent and whose streams have not been told yet."""
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
        if report.ahead and report.position and no_place(report.position):
            report = replace(report, position=None)  # what it says is ahead stands by itself
        trip = self._heard(report.vehicle)
        if problem := self._problem(report, who, measured, trip):
            placed = Placed(reason=problem) if report.position and not report.ahead else None
            return Answer(self.refuse(report, who, problem), placed)
        placed = None
        fresh = trip is None or report.sequence > trip.sequence
        if fresh:
            trip = self._counted(report, who, trip)
            report, placed = self._placed(report, trip)
            self._authorise(report, who, trip)
        elif trip is not None:
            why = f"report {report.sequence} after {trip.sequence}: old, or a replay; ignored"
            self.note(who, report.vehicle, "", why)
        progress = self._book.report(report)
        self._record(report, who, trip, progress)
        return Answer(progress, placed)

    def fallen_silent(self, who: Identity, vehicles: Container[str]) -> list[Silence]:
        """Of these vehicles of a speaker's those whose requests ended in silence; each is told once."""
        self.sweep()
        mine = [v for v, (speaker, _) in self._silences.items() if speaker == who and v in vehicles]
        return [self._silences.pop(vehicle)[1] for vehicle in mine]

    def sweep(self) -> None:
        """Record whose requests have ended for want of reports; to be called every second or so."""
        self._dates.look()
        over = [vehicle for vehicle in self._trips if self._heard(vehicle) is None]
        for vehicle in over:
            trip = self._trips.pop(vehicle)
            silence = self._silence(vehicle, trip)
            if silence.progress:
                self._silences[vehicle] = (trip.speaker, silence)
        while len(self._silences) > KEPT_SILENCES:
            self._silences.pop(next(iter(self._silences)))

    def _silence(self, vehicle: str, trip: _Trip) -> Silence:
        """Commit that what a vehicle asked for has ended."""
        why = f"silent for {self._limits.silence:g} s: what was asked for has ended"
        asking = [junction for junction, state in trip.states.items() if state is not State.REJECTED]
        progress = [Progress(junction, State.STALE, reason=why) for junction in asking]
        self._audit.append([self._entry(vehicle, item, trip.speaker, trip.incident) for item in progress])
        return Silence(vehicle, trip.sequence, progress)

    def _placed(self, report: VehicleReport, trip: _Trip) -> tuple[VehicleReport, Placed | None]:
        """The report with what is ahead of its position; one that says what is ahead is left as it is."""
        if self._tracker is None or report.position is None or trip.stated:
            return report, None
        if report.cancel:
            self._tracker.forget(report.vehicle)
            return report, None
        placed = self._tracker.place(
            report.vehicle, report.position, report.speed_mps, report.route, self._clock.seconds()
        )
        return replace(report, ahead=placed.ahead, matched=True), placed

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
            age = self._dates.age(measured)
            if not abs(age) <= self._limits.max_age:
                return f"measured {abs(age):.1f} s {'ago' if age > 0 else 'in the future'}"
        if self._meter.take(report.vehicle) > 0:
            return f"over {self._limits.reports_per_s:g} reports a second of one vehicle"
        return too_long(report) or self._misplaced(report, trip) or self._book.lie(report)

    def _misplaced(self, report: VehicleReport, trip: _Trip | None) -> str:
        """Why what is ahead cannot be had from a position, or cannot be true where it is."""
        if report.position is None or report.cancel:
            return ""
        if problem := no_place(report.position):
            return problem
        if self._tracker is not None:
            return self._tracker.lie(report)
        if report.ahead or (trip is not None and trip.stated):
            return ""
        return "has only a position, and this site has no map of approaches: name the junctions ahead"

    def _authorise(self, report: VehicleReport, who: Identity, trip: _Trip) -> None:
        """Commit what a report asks for anew before the control thread can see it."""
        asked = {} if report.cancel else {one.junction: (one.group, one.approach) for one in report.ahead}
        new = {junction for junction, way in asked.items() if trip.asked.get(junction) != way}
        if new and self._book.lie(report):
            return  # as matched to the map; it will be new again in the next one
        trip.asked = asked
        progress = self._book.preview(report, new) if new else []
        self._audit.append([self._entry(report.vehicle, item, who, report.incident) for item in progress])
        trip.states |= {item.junction: item.state for item in progress}

    def _record(
        self, report: VehicleReport, who: Identity, trip: _Trip | None, progress: list[Progress]
    ) -> None:
        """Commit every further change of a request's state before it is answered."""
        states = trip.states if trip else {}
        named = {ahead.junction for ahead in report.ahead}
        entries: list[Entry] = []
        for item in progress:
            if item.state is State.REJECTED:
                self.note(who, report.vehicle, item.junction, item.reason)
            elif states.get(item.junction) is not item.state:
                entries.append(self._entry(report.vehicle, item, who, report.incident))
            states[item.junction] = item.state
            if item.state is State.COMPLETED or (item.state is State.STALE and item.junction not in named):
                del states[item.junction]
        self._audit.append(entries)

    def _counted(self, report: VehicleReport, who: Identity, trip: _Trip | None) -> _Trip:
        """The vehicle is heard, and is this speaker's."""
        now = self._clock.seconds()
        trip = trip or _Trip(who, now, report.sequence)
        trip.at, trip.sequence, trip.incident = now, report.sequence, report.incident
        trip.stated = trip.stated or bool(report.ahead)
        self._trips[report.vehicle] = trip
        self._silences.pop(report.vehicle, None)
        if len(self._trips) > self._prune_at:
            self.sweep()
            # Not again at every report while all of them are fresh.
            self._prune_at = max(KEPT_VEHICLES, 2 * len(self._trips))
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
