"""Vehicle priority: reports in, the stage each vehicle needs out, early enough and no longer than needed.

Pure but for the book's own memory: whoever uses it says what time it is, in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stopline_signals.approach import Now, closing, need, relieving_stage, way_tenths
from stopline_signals.engine import KEEP, shown_green
from stopline_signals.plan import GroupKind, SignalPlan
from stopline_signals.plausible import Told, implausible, told
from stopline_signals.recovery import Debts
from stopline_signals.transit import TransitRule, TransitSettings
from stopline_signals.vehicles import (
    CLASSES,
    Ahead,
    Progress,
    Request,
    State,
    Urgency,
    VehicleClass,
    VehicleReport,
    Wish,
)

__all__ = [
    "CLASSES",
    "Ahead",
    "PriorityRequests",
    "PrioritySettings",
    "Progress",
    "State",
    "TransitSettings",
    "Urgency",
    "VehicleClass",
    "VehicleReport",
    "Wish",
]

SLOWEST_MPS = 8.0
"""A vehicle that stands in a queue is expected to drive at least this fast once the queue moves."""


STANDING_MPS = 1.0
STUCK_S = 6.0
"""A vehicle that stands so long before its green, short of the stop line, is held by those beside it."""
SHORT_M = 15.0
RELIEF_S = 15.0
"""How long those beside it are let go at most before its own green comes back."""


DESIRED_SHARE = 0.5
"""Weight of the speed a vehicle would like to drive, against its present one, in what is expected of it."""
SMOOTH_S = 10.0
"""Time over which its present speed is smoothed, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrioritySettings:
    """Times in seconds."""

    report_timeout: float = 8.0
    """Silence after which a vehicle's requests end."""
    margin: float = 4.0
    """How long before the vehicle the green should be there."""
    max_presence: float = 120.0
    """Longest time one vehicle may hold a junction."""
    recovery: bool = False
    """Whether who waited longest is asked for after an emergency, before the policy decides again."""
    transit: TransitSettings = field(default_factory=TransitSettings)


KEPT_VEHICLES = 100
"""Vehicles remembered before those that fell silent are looked for; every trip may have a name of its own."""


class PriorityRequests:
    """The standing requests of all vehicles at some junctions; not for several threads at once."""

    def __init__(self, plans: Mapping[str, SignalPlan], settings: PrioritySettings | None = None) -> None:
        """One plan per junction that requests may name."""
        self._plans = plans
        self._settings = settings or PrioritySettings()
        self._requests: dict[str, dict[str, Request]] = {junction: {} for junction in plans}
        self._heard: dict[str, tuple[int, float]] = {}
        self._told: dict[str, Told] = {}
        self._speeds: dict[str, tuple[float, float]] = {}
        self._silent: dict[str, set[str]] = {}
        """Junctions at which a vehicle's request ended because it fell silent."""
        self._held: dict[tuple[str, str], tuple[float, float]] = {}
        """Per junction and vehicle the seconds its ended requests held it, and when the last one ended."""
        self._forget_at = KEPT_VEHICLES
        self._debts = Debts()
        self._transit = {
            junction: TransitRule(self._settings.transit, self._settings.margin) for junction in plans
        }

    def report(self, report: VehicleReport, now: float) -> list[Progress]:
        """Take a report in; returns the status at each of our junctions that it names or no longer names."""
        last, at = self._heard.get(report.vehicle, (-1, 0.0))
        # After a silence that ended all its requests a vehicle may count from the start again.
        if report.sequence <= last and now - at <= self._settings.report_timeout:
            return self._standing(report.vehicle, now)
        if lie := self.lie(report, now):
            # Nothing of it counts: what stands falls silent unless a report that can be true follows.
            ours = sorted({ahead.junction for ahead in report.ahead if ahead.junction in self._plans})
            return [Progress(junction, State.REJECTED, reason=lie) for junction in ours]
        stale = self._ended_by_silence(report.vehicle, now - at, now)
        self._told[report.vehicle] = told(report, now)
        self._heard[report.vehicle] = (report.sequence, now)
        if len(self._heard) > self._forget_at:
            self._forget_silent(now)
        named = {} if report.cancel else {ahead.junction: ahead for ahead in report.ahead}
        gone = [
            Progress(junction, State.COMPLETED, reason="cancelled" if report.cancel else "passed")
            for junction, requests in self._requests.items()
            if junction not in named and report.vehicle in requests
        ]
        for progress in gone:
            self._end(progress.junction, report.vehicle, now)
        speed = self._expected_speed(report, now)
        refused = [
            Progress(ahead.junction, State.REJECTED, reason=problem)
            for ahead in named.values()
            if ahead.junction in self._plans and (problem := self._update(report, ahead, now, speed))
        ]
        reason = f"silent for {now - at:.0f} s: what was asked for has ended"
        standing = [
            one._replace(state=State.STALE, reason=f"{reason}, this begins anew")
            if one.junction in stale
            else one
            for one in self._standing(report.vehicle, now)
        ]
        gone += [Progress(junction, State.STALE, reason=reason) for junction in sorted(stale - named.keys())]
        return [*standing, *gone, *refused]

    def lie(self, report: VehicleReport, now: float) -> str:
        """Why the report cannot be true, alone or after the last one; empty when it can."""
        _, at = self._heard.get(report.vehicle, (-1, 0.0))
        known = self._told.get(report.vehicle) if now - at <= self._settings.report_timeout else None
        return implausible(report, known, now)

    def _ended_by_silence(self, vehicle: str, silence: float, now: float) -> set[str]:
        """Junctions at which the vehicle had asked for something before it fell silent."""
        if silence <= self._settings.report_timeout:
            return set()
        ended = self._silent.pop(vehicle, set())
        for junction, requests in self._requests.items():
            if vehicle in requests:
                # Nobody has looked at the junction since: it ends now.
                self._end(junction, vehicle, now)
                ended.add(junction)
        return ended

    def _end(self, junction: str, vehicle: str, now: float) -> None:
        """A request is over; what an emergency has made others wait is made up for."""
        request = self._requests[junction].pop(vehicle)
        self._note_held(junction, request, now)
        if request.alive and request.activated is not None:
            self._owe(junction, vehicle)

    def _note_held(self, junction: str, request: Request, now: float) -> None:
        """A request that is made anew goes on counting: nobody holds a junction longer by dropping out."""
        held = request.held_s + (0.0 if request.activated is None else now - request.activated)
        if held:
            self._held[junction, request.vehicle] = (held, now)

    def _held_before(self, junction: str, vehicle: str, now: float) -> float:
        """Seconds for which the vehicle has held the junction by requests that ended a short time ago."""
        held, ended = self._held.pop((junction, vehicle), (0.0, now))
        return held if now - ended <= self._settings.max_presence else 0.0

    def _owe(self, junction: str, vehicle: str) -> None:
        if self._settings.recovery:
            self._debts.note(junction, vehicle)

    def _forget_silent(self, now: float) -> None:
        """Drop vehicles without a request that fell silent: they may count from the start again anyway."""
        asking = {vehicle for requests in self._requests.values() for vehicle in requests}
        self._heard = {
            vehicle: heard
            for vehicle, heard in self._heard.items()
            if vehicle in asking or now - heard[1] <= self._settings.report_timeout
        }
        self._told = {vehicle: known for vehicle, known in self._told.items() if vehicle in self._heard}
        self._speeds = {vehicle: known for vehicle, known in self._speeds.items() if vehicle in self._heard}
        self._silent = {vehicle: known for vehicle, known in self._silent.items() if vehicle in self._heard}
        lasting = self._settings.max_presence
        self._held = {key: held for key, held in self._held.items() if now - held[1] <= lasting}
        # Not again at every report while all of them are fresh.
        self._forget_at = max(KEPT_VEHICLES, 2 * len(self._heard))

    def waiting(self, junction: str) -> bool:
        """Whether any vehicle has a request at the junction, or one that had is still to be dealt with."""
        left_over = self._debts.owing(junction) or not self._transit[junction].idle
        return left_over or bool(self._requests[junction])

    def wishes(self, junction: str, here: Now, now: float, below: int | None = None) -> list[Wish]:
        """What vehicles ask of the junction as it is: at most one stage of each urgency.

        `below` is the stage that less urgent sources ask for. Where it, or the rule against waiting too long,
        would begin something from which the way back is too long, the stage in force is asked for instead.
        """
        requests = self._requests[junction]
        for vehicle in [v for v in requests if now - self._heard[v][1] > self._settings.report_timeout]:
            self._silent.setdefault(vehicle, set()).add(junction)
            self._end(junction, vehicle, now)
        if not self.waiting(junction):
            return []
        emergencies = [r for r in requests.values() if r.kind is not VehicleClass.TRANSIT]
        wishes = (
            self._emergency(emergencies, here, now, below),
            self._recovery(junction, emergencies, here, now),
            self._transit_wish(junction, here, now),
        )
        return [wish for wish in wishes if wish is not None]

    def _emergency(
        self, emergencies: Sequence[Request], here: Now, now: float, below: int | None
    ) -> Wish | None:
        leader: Request | None = None
        for request in sorted(emergencies, key=Request.rank):
            leader = self._assess(request, here, now, leader)
        if leader is not None:
            stage = leader.stage if leader.relief == KEEP else leader.relief
            return Wish(Urgency.EMERGENCY, stage, leader.vehicle, f"{leader} {leader.reason}")
        keeper = self._keeper(emergencies, here, now, below)
        if keeper is None:
            return None
        reason = f"{keeper} keeps the way to its stage short"
        return Wish(Urgency.EMERGENCY, here.state.stage, keeper.vehicle, reason)

    def _recovery(self, junction: str, emergencies: Sequence[Request], here: Now, now: float) -> Wish | None:
        """The stage that waited longest for an emergency that is through, while no other one is coming."""
        if any(request.alive for request in emergencies):
            self._debts.forget(junction)
            return None
        return self._debts.wish(junction, self._plans[junction], here.state, now)

    def _transit_wish(self, junction: str, here: Now, now: float) -> Wish | None:
        """What transit asks for; nothing while anybody else has business here, be it far away."""
        requests = self._requests[junction]
        buses = [r for r in requests.values() if r.kind is VehicleClass.TRANSIT]
        if not buses and self._transit[junction].idle:
            return None
        others = (r for r in requests.values() if r.kind is not VehicleClass.TRANSIT and r.alive)
        first = min(others, key=Request.rank, default=None)
        hindrance = "those who waited for an emergency go first" if self._debts.owing(junction) else ""
        if first is not None:
            hindrance = f"{first} goes first"
        return self._transit[junction].wish(buses, here, now, hindrance)

    def closed(self, junction: str, here: Now, now: float) -> int:
        """Mask of the stages that less urgent sources should not begin now, or an emergency came too late."""
        closed = 0
        for request in self._requests[junction].values():
            if request.kind is not VehicleClass.TRANSIT and request.alive:
                left = request.arrives - now
                closed |= closing(here, request.group, left_s=left, margin_s=self._settings.margin)
        return closed

    def active(self) -> dict[str, list[str]]:
        """Vehicles with a request per junction, for status pages."""
        return {junction: sorted(requests) for junction, requests in self._requests.items() if requests}

    def _keeper(
        self, emergencies: Sequence[Request], here: Now, now: float, below: int | None
    ) -> Request | None:
        """The emergency that would come too late if what is about to begin began."""
        state = here.state
        if here.state.now < state.settled_at:
            return None
        overdue = here.engine.most_overdue(state)
        about = 0 if below is None or below == state.stage else 1 << below
        if overdue is not None:
            about |= here.engine.serving(overdue) & ~(1 << state.stage)
        if not about:
            return None
        for request in sorted(emergencies, key=Request.rank):
            if not request.alive:
                continue
            left = request.arrives - now
            if about & closing(here, request.group, left_s=left, margin_s=self._settings.margin):
                return request
        return None

    def _expected_speed(self, report: VehicleReport, now: float) -> float:
        """What the vehicle will drive from here on: between its smoothed speed and the one it would like."""
        smooth, at = self._speeds.get(report.vehicle, (report.speed_mps, now))
        share = min((now - at) / SMOOTH_S, 1.0)
        smooth += share * (report.speed_mps - smooth)
        self._speeds[report.vehicle] = (smooth, now)
        return max(smooth + DESIRED_SHARE * max(report.desired_mps - smooth, 0.0), SLOWEST_MPS)

    def _update(self, report: VehicleReport, ahead: Ahead, now: float, speed: float) -> str | None:
        group = _group_of(self._plans[ahead.junction], ahead)
        if group is None:
            wanted = f"group {ahead.group!r}" if ahead.group else f"approach {ahead.approach!r}"
            return f"junction {ahead.junction} has no vehicle {wanted}"
        arrives = now + (ahead.eta_s or ahead.distance_m / speed)
        request = self._requests[ahead.junction].get(report.vehicle)
        if request is None or request.group != group:
            if request is not None:
                self._note_held(ahead.junction, request, now)
            held = self._held_before(ahead.junction, report.vehicle, now)
            request = Request(report.vehicle, report.kind, group, arrives, held_s=held)
            self._requests[ahead.junction][report.vehicle] = request
        request.arrives, request.late = arrives, report.late_s
        request.standing = (
            report.speed_mps < STANDING_MPS
            and ahead == report.ahead[0]
            # At the line as well where it is not known which movement it wants: it may be the one beside.
            and (ahead.distance_m > SHORT_M or not ahead.group)
        )
        return None

    def _assess(self, request: Request, now: Now, clock: float, leader: Request | None) -> Request | None:
        """Bring one emergency up to date: it leads, follows the leader, or queues. Returns who leads then."""
        found = need(
            now,
            request.group,
            margin_s=self._settings.margin,
            wanted=leader.stage if leader else (request.stage if request.activated is not None else None),
        )
        request.start_in = max(request.arrives - clock - found.lead_s, 0.0)
        if request.activated is None and request.start_in > 0:
            request.state, request.stage, request.reason = State.WAITING, KEEP, "too early"
            return leader
        if request.activated is None:
            request.activated = clock
        request.start_in = 0.0
        if request.held_s + clock - request.activated > self._settings.max_presence:
            if request.alive:
                self._owe(now.engine.plan.junction, request.vehicle)
            request.state, request.stage = State.REJECTED, KEEP
            request.reason = f"held the junction for {self._settings.max_presence:g} s"
            return leader
        if leader is not None and leader.stage != found.stage:
            request.state, request.stage, request.reason = State.QUEUED, KEEP, f"{leader.vehicle} goes first"
            return leader
        request.stage = found.stage
        request.green_in = way_tenths(now, found.stage) / 10
        request.state, request.reason = _state_on_the_way(request, now)
        if leader is not None:
            return leader
        _relieve(request, now, clock)
        return request

    def _standing(self, vehicle: str, now: float) -> list[Progress]:
        return [
            Progress(junction, r.state, r.stage, max(r.arrives - now, 0.0), r.start_in, r.reason, r.green_in)
            for junction, requests in self._requests.items()
            if (r := requests.get(vehicle))
        ]


def _relieve(request: Request, now: Now, clock: float) -> None:
    """Let those go who keep a vehicle from its green: a turn's queue that reaches into its lane."""
    settled = now.state.now >= now.state.settled_at
    if request.relief != KEEP:
        begun = now.state.stage == request.relief and settled
        if not begun and now.state.stage == request.stage and not request.standing:
            request.relief, request.stuck_since = KEEP, None
        elif begun and request.stuck_since is None:
            request.stuck_since = clock
        elif begun and request.stuck_since is not None and clock - request.stuck_since >= RELIEF_S:
            request.relief, request.stuck_since = KEEP, None
    elif not request.standing or request.state is not State.GREEN:
        request.stuck_since = None
    elif request.stuck_since is None:
        request.stuck_since = clock
    elif (
        clock - request.stuck_since >= STUCK_S and (stage := relieving_stage(now, request.group)) is not None
    ):
        request.relief, request.stuck_since = stage, None
    if request.relief != KEEP:
        request.state, request.reason = State.GRANTED, "lets those beside it go first"


def _state_on_the_way(request: Request, now: Now) -> tuple[State, str]:
    engine, state = now.engine, now.state
    if state.stage == request.stage:
        if shown_green(state.aspects[request.group]) and not state.in_transition:
            return State.GREEN, "is served"
        return State.GRANTED, "is being served"
    wait = engine.earliest(state, request.stage) - state.now
    if wait > 0:
        return State.PENDING_SAFE_POINT, f"waits {wait / 10:.1f} s for the timing rules"
    return State.GRANTED, "asks now"


def _group_of(plan: SignalPlan, ahead: Ahead) -> int | None:
    """Index of the group the vehicle will pass: by name, or the widest on its approach that is served."""
    served = [
        index
        for index, group in enumerate(plan.groups)
        if plan.stages_serving(index) and group.kind is not GroupKind.PEDESTRIAN
    ]
    if ahead.group:
        named = (index for index in served if plan.groups[index].name == ahead.group)
        # A group of another approach than the one it comes by does not serve it.
        sides = ("", ahead.approach)
        return next((i for i in named if not ahead.approach or plan.groups[i].approach in sides), None)
    beside = [i for i in served if ahead.approach and plan.groups[i].approach == ahead.approach]
    return max(beside, key=lambda index: plan.groups[index].lanes, default=None)
