"""One junction's control, tick by tick, without any input or output of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import structlog

from stopline_cabinets.preempts import preempt_for
from stopline_cabinets.words import OWN_PATTERN, CabinetState, Can, Kind, Mode
from stopline_controller.arbiter import Arbiter, Ruling
from stopline_controller.command_cap import CommandCap
from stopline_controller.foresight import changes_to_come
from stopline_controller.obedience import Obedience
from stopline_controller.sources import CABINET_DECIDES, GRACE, Order, Proposal, Source
from stopline_controller.wishes import NO_WISHES, Choice, Wishes, restrict, with_calls
from stopline_signals.approach import Now
from stopline_signals.detectors import DetectorReading, calls_from, groups_without_sensor
from stopline_signals.engine import KEEP, Engine, EngineState, shown_green
from stopline_signals.guard import Guard, Reason, Verdict
from stopline_signals.plan import SignalPlan
from stopline_signals.records import new
from stopline_signals.view import JunctionView

log = structlog.get_logger(__name__)

NEVER = -1
SOON = 2
"""Tenths: one tick, and one for the difference of two clocks."""
# Looking a member up in its enumeration takes ten times as long as a name; this is done at every tick.
_POLICY, _EMERGENCY, _LOCAL, _STAGES = Source.POLICY, Source.EMERGENCY, Source.LOCAL, Kind.STAGES
BY_CABINET = frozenset({Kind.PATTERN, Kind.PREEMPT})
"""Kinds of plan under which the cabinet itself chooses its stages, by its own rules."""


class Action(StrEnum):
    """What one tick does to the cabinet."""

    NOTHING = "nothing"
    ASK = "ask"
    RELEASE = "release"


class Step(NamedTuple):
    """Result of one tick; `order` is what to ask for when the action is ASK."""

    action: Action
    ruling: Ruling
    verdict: Verdict
    order: Order


class Basis(NamedTuple):
    """What the policy decided on last, and what it said (None: it was not asked, or withdrew)."""

    now: Now
    readings: tuple[DetectorReading, ...]
    """With the calls of operators, as the policy sees them."""
    allowed: int
    proposal: Proposal | None


class JunctionControl:
    """Turns what the cabinet shows and what the sources want into the next command.

    Time is the cabinet's own (tenths), so that a clock that steps, here or there, moves no deadline.
    """

    def __init__(
        self,
        plan: SignalPlan,
        arbiter: Arbiter,
        interval: int,
        *,
        phase: int = 0,
        preempts: bool = False,
        rate: float = 1.0,
    ) -> None:
        """Decide every `interval` tenths; commands of other sources are refreshed as often.

        With `preempts`, emergency vehicles are served by the cabinet's own preempt for their stage. The
        second decision comes `phase` tenths early, so that junctions that start together do not decide
        together ever after. `rate` is the controller's clock against real time.
        """
        self.plan = plan
        self.engine = Engine(plan)
        self.guard = Guard(self.engine)
        self._arbiter = arbiter
        self._below_centre = arbiter.order[arbiter.order.index(Source.CENTRE) + 1 :]
        self._interval = interval
        self._cap = CommandCap(plan.junction, interval)
        self.obedience = Obedience(self.engine, rate)
        self.held_back = False
        """Whether the latest ruling would have been a command too many."""
        self._phase = phase % interval
        self._preempts = preempts
        self._unwatched = groups_without_sensor(plan)
        self._next_decision = NEVER
        self._last_ask: tuple[Order, Source, str] | None = None
        self._asked_at = NEVER
        self._without_choice = False
        self._kept: Step | None = None
        """What a tick comes to as long as the policy asks and the guard answers the same."""
        self._alone = False
        """Whether that is a ruling on the latest read-back, and nobody but the policy asked for anything."""
        self._ruled: tuple[object, Ruling] | None = None
        self.now: Now | None = None
        self.allowed = 0
        self.steady = False
        """Whether the latest read-back showed nothing new but the time."""
        self.policy: Proposal | None = None
        self.basis: Basis | None = None
        self.wishes: Wishes = NO_WISHES
        """What operators want of single groups."""
        self._plain = True
        self._seen: CabinetState | None = None
        self._choice: Choice | None = None

    def pace(self, interval: int) -> None:
        """Decide every `interval` tenths from now on."""
        self._interval = interval
        self._cap.pace(interval)

    def goes_on(self, seen: CabinetState) -> Step | None:
        """Take in a read-back that says nothing new but the time; what the tick then comes to.

        None, and nothing is taken in, when that is to be found out by `observe` and `rule`. Only for who
        knows that nobody asks for anything but the policy. Most ticks of a junction are of this sort: what
        the policy decided stands, and the guard would answer the same again.

        Raises:
            CabinetDisobeys: As `observe`.
        """
        step, last, before = self._kept, self._seen, self.now
        if step is None or last is None or before is None or not self._alone:
            return None
        known, time = before.state, seen.time
        if not known.now <= time < self._next_decision or not _only_later(seen, last, known):
            return None
        state = new(EngineState, (time, *known[1:]))
        allowed = self.guard.allowed(state)
        if not allowed >> step.verdict.stage & 1 or (self._without_choice and allowed & (allowed - 1)):
            return None
        self._seen, self.now = seen, new(Now, (self.engine, state, seen.readings))
        self.allowed, self.steady, self.held_back = allowed, True, False
        self.obedience.judge(seen, state)
        return step

    def observe(self, seen: CabinetState) -> Now:
        """Take in a read-back; a cabinet whose time ran backwards was restarted and is learnt anew.

        Raises:
            CabinetDisobeys: It has not done what it accepted, for longer than a wire could be the cause.
        """
        previous = self.now.state if self.now else None
        if previous and seen.time < previous.now:
            previous = None
            self.forget()
        last, self._seen = self._seen, seen
        plain = self.wishes == NO_WISHES
        was_plain, self._plain = self._plain, plain
        self.steady = self._alone = False
        if plain and was_plain and previous and last and _only_later(seen, last, previous):
            self.steady = True
            state = new(EngineState, (seen.time, *previous[1:]))
            self._choice = None
        else:
            state = self._learnt(seen, previous)
            self._choice = None if plain else restrict(self.engine, self.guard, state, self.wishes)
        self.now = Now(self.engine, state, seen.readings)
        self.obedience.judge(seen, state)
        self.allowed = self.guard.allowed(state) if self._choice is None else self._choice.allowed
        return self.now

    def reserve(self, closed: int) -> None:
        """Close stages (mask) to the policy for an emergency on its way; only after `observe`.

        Overdue calls may then wait as long as the emergency's own stage may make them wait.
        """
        if not closed or self.now is None:
            return
        allowed = self.allowed
        if self._choice is None:
            allowed = self.guard.allowed(self.now.state, GRACE[Source.EMERGENCY])
        self.allowed = allowed & ~closed or self.allowed

    def _learnt(self, seen: CabinetState, previous: EngineState | None) -> EngineState:
        """The signal state as a whole from a read-back and what was known before."""
        calls = calls_from(self.plan, seen.readings) | self._unwatched | self.wishes.calls
        state = self.engine.observed(
            seen.time,
            seen.stage,
            seen.aspects,
            previous=previous,
            in_transition=seen.in_transition,
            calls=calls,
        )
        if not seen.in_transition:
            return self._dated(state, seen, previous)
        state = state._replace(settled_at=seen.time + max(seen.settled_in, 1))
        return state._replace(pending=changes_to_come(self.engine, previous, state, calls))

    def forget(self) -> None:
        """Start afresh: after a restart of the loop, or of the cabinet."""
        self.now, self.policy, self._last_ask, self._seen, self._kept = None, None, None, None, None
        self.basis = None
        self._without_choice = False
        self._next_decision = self._asked_at = NEVER
        self.obedience.forget()

    @property
    def state(self) -> EngineState | None:
        """The signal state of the latest read-back."""
        return self.now.state if self.now else None

    @property
    def followed(self) -> str:
        """Who is behind the proposal followed last: a lease, a vehicle, a policy."""
        return self._ruled[1].winner.holder if self._ruled else ""

    @property
    def decision_due(self) -> bool:
        """Whether the policy is to decide in this tick.

        It decides every interval. When it had no choice, because a transition or a minimum was running, it
        decides again as soon as there is one: a cabinet's answer time must not cost it a whole interval.
        """
        if self.now is None or not self.allowed:
            return False
        choice = self.allowed & (self.allowed - 1)
        return self.now.state.now >= self._next_decision or (self._without_choice and choice != 0)

    @property
    def decides_soon(self) -> bool:
        """Whether the policy's next regular decision may come in the next tick."""
        return self.now is not None and self.now.state.now + SOON >= self._next_decision

    def view(self) -> JunctionView:
        """What the policy may know; only after `observe`."""
        assert self.now is not None
        state = self.now.state
        return JunctionView(self.plan, state, self._readings(), self.allowed, state.now / 10)

    def decided(self, proposal: Proposal | None) -> None:
        """Take the policy's decision (None: it withdraws) and set the next one."""
        assert self.now is not None
        self.policy = proposal
        self.basis = Basis(self.now, self._readings(), self.allowed, proposal)
        present = self.now.state.now
        early = present < self._next_decision
        first = self._next_decision == NEVER
        following = self._next_decision + self._interval
        on_time = self._next_decision != NEVER and following > present and not early
        self._next_decision = following if on_time else present + self._interval
        if first:
            self._next_decision -= self._phase
        self._without_choice = self.allowed & (self.allowed - 1) == 0

    def rule(
        self, seen: CabinetState, proposals: Sequence[Proposal], withheld: Mapping[Source, str], fresh: bool
    ) -> Step:
        """Rule on the proposals; `fresh` says that the policy decided in this tick."""
        assert self.now is not None
        self.held_back = False
        kept, self._kept = self._kept, None
        ruling = self._ruling(seen, proposals, withheld)
        winner, state = ruling.winner, self.now.state
        calls, omits = (0, 0) if self._plain else self.wishes.carried(seen.can)
        if winner.source in CABINET_DECIDES:
            stay = Order(KEEP, Kind.PATTERN, OWN_PATTERN, calls, omits)
            if winner.source is _LOCAL and calls | omits:
                # The cabinet decides, with what operators want of single groups.
                action = self._action(stay, winner, state.now, fresh)
            else:
                action = Action.RELEASE if self._last_ask else Action.NOTHING
                self._last_ask = None
            return Step(action, ruling, Verdict(state.stage, None), stay)
        if self._preempts and winner.source is _EMERGENCY:
            winner = _by_preempt(winner, self.plan, seen.can)
        own = winner.kind in BY_CABINET
        verdict = Verdict(state.stage, None) if own else self._judge(state, winner)
        self._alone = not proposals and verdict.reason is None
        if kept and not fresh and self._plain and ruling is kept.ruling and verdict == kept.verdict:
            self._kept = kept
            return kept
        order = _order(winner, verdict, calls, omits)
        if order.kind is _STAGES and not 0 <= verdict.stage < len(self.plan.stages):
            # All red, at start-up or after flash: the cabinet leaves it by itself.
            return Step(Action.NOTHING, ruling, verdict, order)
        step = Step(self._action(order, winner, state.now, fresh, verdict), ruling, verdict, order)
        asked = self._last_ask == (order, winner.source, winner.holder)
        nothing_to_do = asked and step.action is Action.NOTHING and winner.source is _POLICY
        if nothing_to_do and self._plain:
            self._kept = step
        return step

    def unable(self, order: Order) -> None:
        """The cabinet cannot do that: a preempt is not asked for again, its stage is."""
        if order.kind is Kind.PREEMPT:
            self._preempts = False
            log.warning("preempts_given_up", junction=self.plan.junction, preempt=order.pattern)

    def blind(self, reason: str) -> Ruling:
        """The stack while the cabinet does not answer: nobody asks for anything."""
        return self._arbiter.rule([Proposal(Source.LOCAL, reason=reason)], dict.fromkeys(Source, reason))

    def _readings(self) -> tuple[DetectorReading, ...]:
        """What the policy may see of the detectors."""
        assert self.now is not None
        return with_calls(self.plan, self.now.readings, self.wishes.calls)

    def _ruling(
        self, seen: CabinetState, proposals: Sequence[Proposal], withheld: Mapping[Source, str]
    ) -> Ruling:
        """The arbiter's ruling, the last one again while nobody changed what they ask."""
        asked = (seen.mode, seen.stage, self.policy, withheld, proposals)
        if self._ruled is None or self._ruled[0] != asked:
            own = [] if self.policy is None else [self.policy]
            self._ruled = (asked, self._arbiter.rule([*_cabinets_own(seen), *proposals, *own], withheld))
        return self._ruled[1]

    def _dated(self, state: EngineState, seen: CabinetState, previous: EngineState | None) -> EngineState:
        """Greens that began with the stage are as old as the cabinet says, not as our look at them."""
        begun = seen.time - seen.stage_elapsed
        if previous is not None and begun <= previous.now:
            return state
        groups = zip(state.since, state.aspects, self.plan.groups, strict=True)
        since = tuple(
            min(at, begun) if shown_green(aspect) and not group.on_demand else at
            for at, aspect, group in groups
        )
        return state._replace(since=since)

    def _judge(self, state: EngineState, winner: Proposal) -> Verdict:
        """The guard's verdict; all red, one past the last stage, only for who asks for it by name."""
        if winner.stage >= len(self.plan.stages) and winner.kind is _STAGES:
            return self.guard.decide(state, KEEP)._replace(reason=Reason.UNKNOWN_STAGE)
        if self._choice is None or winner.source not in self._below_centre:
            return self.guard.decide(state, winner.stage, GRACE.get(winner.source, 0))
        verdict, allowed = self.guard.decide(self._choice.state, winner.stage), self._choice.allowed
        if allowed >> verdict.stage & 1 or not allowed:
            return verdict
        stage = state.stage if allowed >> state.stage & 1 else (allowed & -allowed).bit_length() - 1
        return Verdict(stage, Reason.WITHHELD)

    def _action(
        self, order: Order, winner: Proposal, present: int, fresh: bool, verdict: Verdict | None = None
    ) -> Action:
        ask = (order, winner.source, winner.holder)
        new = ask != self._last_ask
        rewished = self._last_ask is not None and self._last_ask[0][3:] != order[3:]
        if winner.source is _POLICY and not fresh and not rewished:
            # Control came back, or the guard moves on without the policy: it decides at the next tick.
            moved = verdict is not None and verdict.reason is not None
            if new and (moved or self._last_ask is None or ask[1:] != self._last_ask[1:]):
                self._next_decision = present
            return Action.NOTHING
        if not new and not fresh and present - self._asked_at < self._interval:
            return Action.NOTHING
        if not self._cap.take(present):
            self.held_back = True
            return Action.NOTHING
        self._last_ask, self._asked_at = ask, present
        return Action.ASK


def _only_later(seen: CabinetState, last: CabinetState, known: EngineState) -> bool:
    """Whether a read-back differs from the one before, and from what is known since, in its time alone."""
    return (
        seen.stage == last.stage
        and seen.aspects == last.aspects
        and seen.readings == last.readings
        and seen.flags == last.flags
        and seen.mode is last.mode
        and seen.calls == last.calls
        and seen.pattern == last.pattern
        and seen.can == last.can
        and not known.pending
        and known.settled_at <= known.now
        and seen.time - seen.stage_elapsed <= known.now
    )


def _order(winner: Proposal, verdict: Verdict, calls: int, omits: int) -> Order:
    """What to ask for: another kind of plan only once the guard lets it begin, before that its stage."""
    if winner.kind in BY_CABINET:
        return Order(KEEP, winner.kind, winner.pattern, calls, omits)
    kind = winner.kind if verdict.stage == winner.stage else Kind.STAGES
    return Order(verdict.stage, kind, OWN_PATTERN, calls, omits)


def _by_preempt(winner: Proposal, plan: SignalPlan, can: Can) -> Proposal:
    """The cabinet's preempt that dwells in the stage asked for, where it has one."""
    number = preempt_for(plan, winner.stage) if Can.PREEMPT in can else None
    return winner if number is None else winner._replace(kind=Kind.PREEMPT, pattern=number)


def _cabinets_own(seen: CabinetState) -> Iterable[Proposal]:
    """The proposals of the cabinet itself, which are observed and never fought."""
    if seen.mode in (Mode.STARTUP, Mode.MANUAL, Mode.FLASH):
        yield Proposal(Source.CABINET, seen.stage, f"the cabinet is in {seen.mode.name.lower()}", "cabinet")
    elif seen.mode is Mode.PREEMPT:
        yield Proposal(Source.RAIL, seen.stage, "the cabinet runs a preempt", "cabinet")
