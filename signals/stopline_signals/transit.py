"""Priority for buses and trams: a green held or begun a little early, for those that are late, now and then.

The milder sibling of an emergency's priority. It keeps coordination: what it may move is bounded per
vehicle and per junction, it never acts while an emergency vehicle has business at the junction, and it keeps
nobody waiting whose call would become overdue meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from stopline_signals.approach import Now, need, serving_stage, way_tenths
from stopline_signals.engine import KEEP, Engine, shown_green
from stopline_signals.vehicles import Request, State, Urgency, Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitSettings:
    """Times in seconds."""

    late: float = 60.0
    """Behind its timetable, from which on a vehicle is served."""
    extension: float = 10.0
    """Longest time a green is held for one vehicle."""
    early: float = 10.0
    """By how much another stage's green may be shorter than the junction's program has it."""
    kept: float = 15.0
    """Green that another stage keeps at a junction without a program."""
    cooldown: float = 120.0
    """After one vehicle was served, how long none is at this junction."""


@dataclass(slots=True)
class Grant:
    """What one vehicle has been given; times in controller seconds."""

    vehicle: str
    asked_since: float | None = None
    """Since when its green is asked for early."""
    held_since: float | None = None
    """Since when its green is held."""


class Verdict(NamedTuple):
    """What becomes of a request in this tick; with `asks` its stage is asked for."""

    state: State
    reason: str
    stage: int = KEEP
    asks: bool = False


class TransitRule:
    """Decides for one junction whom it gives way to; at most one vehicle has a grant."""

    def __init__(self, settings: TransitSettings, margin: float) -> None:
        """`margin` is how long before the vehicle its green should be there, seconds."""
        self._settings = settings
        self._margin = margin
        self._grant: Grant | None = None
        self._spent: set[str] = set()
        self._closed_until = 0.0

    @property
    def idle(self) -> bool:
        """Whether there is nobody to bring to an end."""
        return self._grant is None and not self._spent

    def wish(self, requests: Iterable[Request], here: Now, clock: float, first: str) -> Wish | None:
        """Bring the requests up to date; the stage asked for, if any.

        `first` says who goes before all transit now; with it nobody is served and a grant is over.
        """
        waiting = {request.vehicle: request for request in requests}
        self._spent &= waiting.keys()
        if self._grant and (first or self._grant.vehicle not in waiting):
            self._end(clock)
        granted = self._grant.vehicle if self._grant else None
        leader: Request | None = None
        for request in sorted(waiting.values(), key=lambda r: (r.vehicle != granted, r.arrives, r.vehicle)):
            verdict = self._verdict(request, here, clock, first, leader)
            request.state, request.reason, request.stage = verdict.state, verdict.reason, verdict.stage
            request.green_in = way_tenths(here, verdict.stage) / 10 if verdict.stage != KEEP else 0.0
            if verdict.asks:
                leader = request
        if leader is None:
            return None
        return Wish(Urgency.TRANSIT, leader.stage, leader.vehicle, f"{leader} {leader.reason}")

    def _verdict(
        self, request: Request, here: Now, clock: float, first: str, leader: Request | None
    ) -> Verdict:
        request.start_in = 0.0
        refused = self._refusal(request, here, clock, first)
        if refused is not None:
            return refused
        stage = serving_stage(here, request.group)
        if leader is not None:
            return _behind(leader, stage)
        if here.state.stage == stage:
            return self._held(request, here, clock, stage)
        return self._early(request, here, clock, stage)

    def _refusal(self, request: Request, here: Now, clock: float, first: str) -> Verdict | None:
        """Why nothing is done for a vehicle whatever the lamps show."""
        limits = self._settings
        if request.late < limits.late:
            return Verdict(State.REJECTED, f"is {request.late:g} s late, served from {limits.late:g} s on")
        if first:
            return Verdict(State.QUEUED, first)
        if request.vehicle in self._spent:
            return Verdict(State.REJECTED, "had what transit is given at most")
        if clock < self._closed_until:
            request.start_in = self._closed_until - clock
            return Verdict(State.COOLDOWN, f"transit was served, again in {request.start_in:.0f} s")
        if self._overdue(here):
            return Verdict(State.QUEUED, "a call would wait too long")
        return None

    def _overdue(self, here: Now) -> bool:
        """Whether somebody is overdue, or would be by the end of what may be given."""
        longest = round(10 * max(self._settings.extension, self._settings.early))
        later = here.state._replace(now=here.state.now + longest)
        return here.engine.most_overdue(later) is not None

    def _held(self, request: Request, here: Now, clock: float, stage: int) -> Verdict:
        """Its stage is in force: keep it until the vehicle is through."""
        grant = self._grant
        if here.state.in_transition or not shown_green(here.state.aspects[request.group]):
            return Verdict(State.GRANTED, "is being served", stage, asks=grant is not None)
        left = request.arrives - clock
        if left > self._settings.extension:
            request.start_in = left - self._settings.extension
            return Verdict(State.GREEN, "has green, which it is too early to hold", stage)
        if grant is None:
            grant = self._grant = Grant(request.vehicle)
        if grant.held_since is None:
            grant.held_since = clock
        if clock - grant.held_since >= self._settings.extension:
            return self._use_up(request, clock)
        return Verdict(State.GREEN, f"has its green held for {max(left, 0.0):.0f} s", stage, asks=True)

    def _early(self, request: Request, here: Now, clock: float, stage: int) -> Verdict:
        """Another stage is in force: end it early, if that is in time for the vehicle and cuts little."""
        grant = self._grant
        left = request.arrives - clock
        lead = need(here, request.group, margin_s=self._margin).lead_s
        # Green that would have to be held for longer than it may be is not begun.
        lead = min(lead, way_tenths(here, stage) / 10 + self._settings.extension)
        if grant is None and left > lead:
            request.start_in = left - lead
            return Verdict(State.WAITING, "too early")
        if grant is not None and grant.held_since is not None:
            return self._use_up(request, clock)
        if (missing := self._still_kept(here)) > 0:
            return Verdict(State.PENDING_SAFE_POINT, f"others keep their green for {missing / 10:.1f} s")
        if not here.engine.legal(here.state) >> stage & 1:
            wait = here.engine.earliest(here.state, stage) - here.state.now
            return Verdict(State.PENDING_SAFE_POINT, f"waits {wait / 10:.1f} s for the timing rules")
        if grant is None:
            grant = self._grant = Grant(request.vehicle, asked_since=clock)
        if grant.asked_since is not None and clock - grant.asked_since >= self._settings.early:
            return self._use_up(request, clock)
        return Verdict(State.GRANTED, "has its green begin early", stage, asks=True)

    def _still_kept(self, here: Now) -> int:
        """Tenths of green that the stage in force keeps whoever is late."""
        state = here.state
        if state.in_transition or state.stage >= len(here.engine.plan.stages):
            return max(state.settled_at - state.now, 1)
        usual = usual_green(here.engine, state.stage)
        kept = self._settings.kept * 10 if usual is None else usual - 10 * self._settings.early
        return round(kept) - (state.now - state.settled_at)

    def _use_up(self, request: Request, clock: float) -> Verdict:
        self._spent.add(request.vehicle)
        self._end(clock)
        return Verdict(State.REJECTED, "had what transit is given at most")

    def _end(self, clock: float) -> None:
        self._grant = None
        self._closed_until = clock + self._settings.cooldown


def usual_green(engine: Engine, stage: int) -> int | None:
    """Tenths of green that the plan's fixed program gives a stage, the least of its steps; None without."""
    program = engine.plan.program
    if program is None:
        return None
    following = (*program.steps[1:], program.steps[0])
    greens = [
        (after.green_at - step.green_at) % program.cycle - engine.typical_transition(stage, after.stage)
        for step, after in zip(program.steps, following, strict=True)
        if step.stage == stage and after.stage != stage
    ]
    return min(greens, default=None)


def _behind(leader: Request, stage: int) -> Verdict:
    if stage == leader.stage:
        return Verdict(leader.state, f"shares the green of {leader.vehicle}", stage)
    return Verdict(State.QUEUED, f"{leader.vehicle} goes first")
