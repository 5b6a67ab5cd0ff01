"""The timing engine: a pure function from state, request and calls to lamps over time.

`advance` jumps from deadline to deadline and equals stepping tick by tick. A request is a stage index; the
engine takes it up at the first moment at which no green or walk would be cut short, and then runs the
transition to its end. Yellow, red clearance and pedestrian clearance are never anybody's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from stopline_signals.engine_state import (
    KEEP,
    LONG_AGO,
    NOT_WAITING,
    Advanced,
    EngineState,
    Lit,
    Run,
    Shown,
    end_moment,
    members,
    passed_to,
    waits_after,
)
from stopline_signals.engine_tables import event_codes, stages_that_keep, transition_table, turns_across
from stopline_signals.errors import PlanError
from stopline_signals.events import Event, HiRes
from stopline_signals.plan import Aspect, GroupKind, SignalPlan
from stopline_signals.records import new
from stopline_signals.transition import PERMISSIVE, RED, Transitions

__all__ = ["KEEP", "LONG_AGO", "NOT_WAITING", "Advanced", "Engine", "EngineState", "Run", "shown_green"]

KEPT_LAMPS = 4096
"""Lamp combinations whose `Lit` is remembered; a junction shows a few dozen."""

NEVER_OVERDUE = 1 << 60
"""Limit of a group that no stage serves: asking for it would not help."""

_param = itemgetter(2)


class Engine:
    """Runs one signal plan."""

    def __init__(self, plan: SignalPlan) -> None:
        """Compile the plan's tables; the plan itself was checked when it was built."""
        self.plan = plan
        self._transitions = Transitions(plan)
        self._minimum = tuple(group.minimum for group in plan.groups)
        self._codes = tuple(event_codes(group.kind) for group in plan.groups)
        self._pedestrian = tuple(group.kind is GroupKind.PEDESTRIAN for group in plan.groups)
        self.all_red = len(plan.stages)
        """Stage number of all red, one past the plan's own; for operators and flash, never for policies."""
        self._all_stages = (2 << len(plan.stages)) - 1
        self._all_groups = (1 << len(plan.groups)) - 1
        self._keeping = stages_that_keep(self._transitions)
        self._turns = turns_across(plan)
        self._lit_by_aspects: dict[tuple[int, ...], Lit] = {}
        on_demand = self._transitions.on_demand
        self._served = tuple(
            sum(1 << g for g, aspect in enumerate(row) if aspect >= PERMISSIVE and on_demand >> g & 1)
            for row in self._transitions.stage_aspects
        )
        self._typical = transition_table(self._transitions, ~on_demand)
        self._worst = transition_table(self._transitions, -1)
        serving = tuple(plan.stages_serving(group) for group in range(len(plan.groups)))
        self._serving = tuple(sum(1 << stage for stage in stages) for stages in serving)
        longest = max(self._minimum)
        self.limits = tuple(
            max(group.max_red - self._lead(stages) - longest, 0)
            for group, stages in zip(plan.groups, serving, strict=True)
        )
        """Per group the wait (tenths) after which it must be asked for so that its red ends near max_red."""
        self._overdue_after = tuple(
            limit if stages else NEVER_OVERDUE
            for limit, stages in zip(self.limits, self._serving, strict=True)
        )
        # The last answers, known again by the very tuples they were given for: between two changes of lamps
        # or calls only time passes, and an answer that stays true is not worked out again.
        self._past_minima: tuple[tuple[int, ...], tuple[int, ...], int] = (), (), 0
        self._patience = min(self._overdue_after)
        self._calm: tuple[tuple[int, ...], int] = (), 0

    def start(self, now: int, stage: int = 0) -> EngineState:
        """Start-up at `now` (tenths): all red, then the stage."""
        count = len(self.plan.groups)
        state = EngineState(
            now, stage, now, (RED,) * count, (now,) * count, (LONG_AGO,) * count, (NOT_WAITING,) * count, ()
        )
        # At least one tick, so that all red is seen whatever the plan says.
        red_until = now + max(self.plan.startup_red, 1)
        schedule = self._transitions.schedule(stage, state.aspects, state.ended, 0, red_until)
        return state._replace(pending=schedule.changes, settled_at=max(schedule.settled_at, red_until))

    def advance(self, state: EngineState, request: int, calls: int, until: int) -> Advanced:
        """Run to `until` (tenths) with a request (stage index or KEEP) and calls (bit mask) held on the way.

        The request counts at every tick after `state.now`, so that lamps already shown for `state.now` stay
        true; with `until == state.now` it counts at once, which is how a simulator acts on a decision.
        """
        now, stage, settled_at, aspects, since, ended, waiting, pending, called = state
        if until < now:
            raise self._backwards(now, until)
        events: list[Event] = []
        at_rest = request in (stage, KEEP) and not calls & self._served[stage]
        if at_rest and calls == called and not (pending and pending[0][0] <= until):
            # Only time passes: the way most calls go, so it is spelt out.
            steady = (until, stage, settled_at, aspects, since, ended, waiting, pending, called)
            return new(Advanced, (new(EngineState, steady), events))
        self._known(request)
        state = self._note_waiting(state, calls, events)
        if at_rest or now == until:  # nothing to take up on the way
            return new(Advanced, (self._settle(state, until, request, calls, events), events))
        while now < until:
            now = max(self._next_deadline(state, request, calls, until), now + 1)
            state = self._settle(state, now, request, calls, events)
        return new(Advanced, (state, events))

    def run(self, state: EngineState, until: int, request: int = KEEP) -> Run:
        """Run to `until` (tenths) with a request that counts at once and the calls noted before.

        This is `advance` for a simulator, which needs no events but each change of the lamps beforehand,
        those at `state.now` among them; of two changes at one moment the later counts.
        """
        if until < state.now:
            raise self._backwards(state.now, until)
        shown: Shown = []
        calls = state.called
        if request not in (KEEP, state.stage):
            self._known(request)
            if self.legal(state) >> request & 1:
                state = self._change(state, request, calls)
        while calls & self._served[state.stage] and state.now < until:  # walks may be taken up on the way
            now = max(self._next_deadline(state, KEEP, calls, until), state.now + 1)
            state = self._settle(state, now, KEEP, calls, [], shown)
        after = self._run_to(state, until, [], [], shown)
        self._still_calm(state.waiting_since, after.waiting_since, state.now)
        return new(Run, (after, shown))

    def sense(self, state: EngineState, calls: int, until: int) -> EngineState:
        """Run to `until` (tenths) and take note of new calls (bit mask) there, for who needs no events."""
        now, stage, settled_at, aspects, since, ended, waiting, pending, called = state
        if until < now or (calls | called) & self._served[stage] or (pending and pending[0][0] <= until):
            if now < until:
                state = self.run(state, until).state
            return self.advance(state, KEEP, calls, until).state
        if calls != called:
            lit = (self._lit_by_aspects.get(aspects) or self._lit(aspects)).mask
            changed = (calls ^ called) & ~lit & self._all_groups
            if changed:
                before, waiting = waiting, waits_after(waiting, calls, changed, until)
                self._still_calm(before, waiting, until)
        return new(EngineState, (until, stage, settled_at, aspects, since, ended, waiting, pending, calls))

    def legal(self, state: EngineState) -> int:
        """Bit mask of the stages that may be asked for now; the stage in force is always among them.

        The bit past the plan's own stages is `all_red`.
        """
        if state.now < state.settled_at:
            return 1 << state.stage
        legal, now, since, aspects = self._all_stages, state.now, state.since, state.aspects
        past = self._past_minima
        if since is past[0] and aspects is past[1] and now >= past[2]:
            return legal
        lit = self._lit_by_aspects.get(aspects) or self._lit(aspects)
        for group, minimum, keepers in lit.minima:
            if now - since[group] < minimum:
                legal &= keepers
        if legal == self._all_stages:
            self._past_minima = since, aspects, now
        return legal | 1 << state.stage

    def at_ease(self, state: EngineState, grace: int = 0) -> bool:
        """Whether it is known without working it out that every stage is legal and nobody is overdue.

        False says nothing: `legal` and `most_overdue` (`grace` as there) then tell.
        """
        now, _, settled_at, aspects, since, _, waiting, _, _ = state
        past, calm = self._past_minima, self._calm
        return (
            now >= settled_at
            and since is past[0]
            and aspects is past[1]
            and now >= past[2]
            and waiting is calm[0]
            and now - grace < calm[1]
        )

    def earliest(self, state: EngineState, stage: int) -> int:
        """When the stage may be asked for if nothing else is asked for before (tenths)."""
        earliest = max(state.now, state.settled_at)
        aspects, since = self._after_transition(state)
        for group, minimum, keepers in self._lit(aspects).minima:
            if not keepers >> stage & 1:
                earliest = max(earliest, since[group] + minimum)
        return earliest

    def waits(self, state: EngineState) -> list[int]:
        """Tenths until each of the plan's stages may be asked for: `earliest` less `now`, all at once."""
        soonest = max(state.settled_at - state.now, 0)
        waits = [soonest] * len(self.plan.stages)
        aspects, since = self._after_transition(state)
        for group, minimum, keepers in self._lit(aspects).minima:
            left = since[group] + minimum - state.now
            if left > soonest:
                waits = [
                    wait if keepers >> stage & 1 or wait > left else left for stage, wait in enumerate(waits)
                ]
        return waits

    def transition_time(self, state: EngineState, stage: int, calls: int = 0) -> int:
        """Tenths from asking now until every group of the stage is green, from the lamps as they are."""
        if state.now < state.settled_at:
            aspects, _ = self._after_transition(state)
            start = self._transitions.schedule(stage, aspects, state.ended, calls, state.settled_at)
            return start.settled_at - state.now
        schedule = self._transitions.schedule(stage, state.aspects, state.ended, calls, state.now)
        return schedule.settled_at - state.now

    def typical_transition(self, stage: int, to: int) -> int:
        """Tenths from one settled stage to another, on-demand groups at rest."""
        return self._typical[stage][to]

    def worst_transition(self, stage: int, to: int) -> int:
        """Tenths from one settled stage to another with every on-demand group just served."""
        return self._worst[stage][to]

    def most_overdue(self, state: EngineState, grace: int = 0) -> int | None:
        """The group whose call is furthest past its limit and `grace` (tenths), if any; ties by index."""
        by, waiting = state.now - grace, state.waiting_since
        if waiting is self._calm[0] and by < self._calm[1]:
            return None
        worst, group_at_worst, first = -1, None, NEVER_OVERDUE
        for group, since in enumerate(waiting):
            if since >= 0:
                limit = since + self._overdue_after[group]
                if by - limit > worst:
                    worst, group_at_worst = by - limit, group
                if limit < first:
                    first = limit
        self._calm = waiting, first
        return group_at_worst

    def serving(self, group: int) -> int:
        """Bit mask of the stages in which the group is green."""
        return self._serving[group]

    def program_request(self, state: EngineState, calls: int = 0) -> int:
        """The stage the plan's fixed program asks for now, early enough for its green to start on time."""
        program = self.plan.program
        if program is None:
            raise PlanError(f"junction {self.plan.junction}: has no fixed program to follow")
        step = program.step_at(state.now)
        following = (step + 1) % len(program.steps)
        asked, coming = program.steps[step].stage, program.steps[following].stage
        if coming == asked:
            return asked
        lead = program.until_green(following, state.now)
        if lead <= max(self._worst[asked]) and lead <= self.transition_time(state, coming, calls):
            return coming
        return asked

    def observed(
        self,
        now: int,
        stage: int,
        aspects: Sequence[int],
        *,
        previous: EngineState | None,
        in_transition: bool,
        calls: int,
    ) -> EngineState:
        """State as read back from a cabinet; what was not seen to begin earlier counts as begun now."""
        count = len(self.plan.groups)
        if previous is None:
            blank = (now,) * count
            previous = EngineState(now, stage, now, tuple(aspects), blank, blank, (NOT_WAITING,) * count, ())
        shown, before = tuple(aspects), previous.aspects
        since, ended = previous.since, previous.ended
        if shown != before:
            lamps = list(zip(before, shown, strict=True))
            since = tuple(now if new != old else at for (old, new), at in zip(lamps, since, strict=True))
            ended = tuple(
                now if old >= PERMISSIVE and new < old else at
                for (old, new), at in zip(lamps, ended, strict=True)
            )
        settled = now + 1 if in_transition else min(previous.settled_at, now)
        read = (now, stage, settled, shown, since, ended, previous.waiting_since, (), previous.called)
        state = new(EngineState, read)
        return self._note_waiting(state, calls, [], previous.aspects)

    def _backwards(self, now: int, until: int) -> PlanError:
        return PlanError(f"junction {self.plan.junction}: time ran backwards, {now} to {until} tenths")

    def _still_calm(self, before: tuple[int, ...], after: tuple[int, ...], now: int) -> None:
        """Who began to wait between the two did so at `now` or later, and is not overdue for a while."""
        known, calm = self._calm
        if known is before:
            soonest = now + self._patience
            self._calm = after, soonest if soonest < calm else calm

    def _known(self, request: int) -> None:
        """Raise PlanError for a stage that is none."""
        if not KEEP <= request <= self.all_red:
            raise PlanError(
                f"junction {self.plan.junction}: asked for stage {request} of {len(self.plan.stages)}"
            )

    def _settle(
        self,
        state: EngineState,
        now: int,
        request: int,
        calls: int,
        events: list[Event],
        shown: Shown | None = None,
    ) -> EngineState:
        """Go to `now`, up to which nothing is taken up, and take up what is asked or called then.

        `shown` as in `_run_to`.
        """
        calling: list[Event] = []
        state = self._run_to(state, now, events, calling, shown)
        if request not in (KEEP, state.stage) or calls & self._served[state.stage]:
            state = self._run_to(self._take_up(state, request, calls), now, events, calling, shown)
        events += sorted(calling, key=_param)
        return state

    def _run_to(
        self,
        state: EngineState,
        now: int,
        events: list[Event],
        calling: list[Event],
        shown: Shown | None = None,
    ) -> EngineState:
        """Show what is due by `now`, and note whose call is served or begins to wait by that.

        `calling` are events of calls that follow the events of all lamps of their moment. With `shown`, to
        which the lamps after each moment are added, there are no events.
        """
        last, stage, settled_at, lamps, begun, over, waits, pending, called = state
        if not pending or pending[0][0] > now:
            return state if now == last else passed_to(now, state)
        aspects, since, ended, waiting = list(lamps), list(begun), list(over), list(waits)
        count, noted = 0, pending[0][0]
        for due, group, aspect in pending:
            if due > now:
                break
            if due != noted:
                end_moment(noted, aspects, events, calling, shown)
                noted = due
            count += 1
            before = aspects[group]
            aspects[group], since[group] = aspect, due
            if shown is None and (before < PERMISSIVE or aspect < PERMISSIVE):
                for code in self._codes[group][aspect]:
                    events.append(new(Event, (due, code, group + 1)))
            if aspect >= PERMISSIVE > before:
                waiting[group] = NOT_WAITING
            elif aspect < before >= PERMISSIVE:
                ended[group] = due
                if aspect < PERMISSIVE and called >> group & 1:
                    waiting[group] = due
                    calling.append(self._call_event(due, group, True))
        after = tuple(aspects)
        if shown is not None:
            shown.append((noted, after))
        record = (now, stage, settled_at, after, tuple(since), tuple(ended), tuple(waiting), pending[count:])
        return new(EngineState, (*record, called))

    def _note_waiting(
        self, state: EngineState, calls: int, events: list[Event], before: tuple[int, ...] | None = None
    ) -> EngineState:
        """Note which calls wait now; `before` are the lamps at which `state.called` was noted."""
        aspects, called, kept = state.aspects, state.called, self._lit_by_aspects
        if before is None:
            if calls == called:
                return state
            before = aspects
        lit = (kept.get(aspects) or self._lit(aspects)).mask
        before_lit = lit if before is aspects else (kept.get(before) or self._lit(before)).mask
        changed = ((calls & ~lit) ^ (called & ~before_lit)) & self._all_groups
        if not changed:
            return state if calls == called else new(EngineState, (*state[:-1], calls))
        for group in members(changed & ~lit):
            events.append(self._call_event(state.now, group, calls >> group & 1 > 0))
        waiting = waits_after(state.waiting_since, calls & ~lit, changed, state.now)
        return new(EngineState, (*state[:6], waiting, state.pending, calls))

    def _take_up(self, state: EngineState, request: int, calls: int) -> EngineState:
        if request not in (KEEP, state.stage):
            return self._change(state, request, calls) if self.legal(state) >> request & 1 else state
        on_demand = self._served[state.stage] & calls
        if on_demand and state.now >= state.settled_at:
            return self._serve(state, on_demand)
        return state

    def _change(self, state: EngineState, stage: int, calls: int) -> EngineState:
        pending, settled_at = self._transitions.schedule(
            stage, state.aspects, state.ended, calls, state.now, state.pending
        )
        if state.pending:
            # Of a walk, which ends by itself: nobody may leave before its yellow, and that ends in red.
            pending = tuple(sorted([*state.pending, *pending]))
        return new(EngineState, (state.now, stage, settled_at, *state[3:7], pending, state.called))

    def _serve(self, state: EngineState, on_demand: int) -> EngineState:
        if self._about_to_leave(state):
            return state
        for group in range(len(state.aspects)):
            if self._may_serve(state, group, on_demand) and self._ready_at(state, group) <= state.now:
                wanted = self._transitions.stage_aspects[state.stage][group]
                changes = self._transitions.starting(group, state.now, wanted)
                state = state._replace(pending=tuple(sorted([*state.pending, *changes])))
        return state

    def _about_to_leave(self, state: EngineState) -> bool:
        """Whether the stage keeps the most overdue call waiting; a walk begun now could do so for ever."""
        overdue = self.most_overdue(state)
        return overdue is not None and not self._serving[overdue] >> state.stage & 1

    def _may_serve(self, state: EngineState, group: int, on_demand: int) -> bool:
        return bool(on_demand >> group & 1) and state.aspects[group] == RED

    def _ready_at(self, state: EngineState, group: int) -> int:
        return self._transitions.ready_at(group, state.aspects, state.ended)

    def _next_deadline(self, state: EngineState, request: int, calls: int, until: int) -> int:
        """The next moment at which anything can change; now or earlier when it could before."""
        stage, settled_at, deadline = state.stage, state.settled_at, until
        if state.pending and state.pending[0][0] < deadline:
            deadline = state.pending[0][0]
        on_demand = self._served[stage] & calls
        if request in (KEEP, stage) and not on_demand:
            return deadline
        if state.now < settled_at:
            return min(deadline, settled_at)
        if request not in (KEEP, stage):
            return min(deadline, self.earliest(state, request))
        if not self._about_to_leave(state):
            for group in range(len(state.aspects)):
                if self._may_serve(state, group, on_demand):
                    deadline = min(deadline, self._ready_at(state, group))
        return deadline

    def _lead(self, serving: Sequence[int]) -> int:
        """Longest way to the stage that serves a group best."""
        ways = (self._worst[other][stage] for stage in serving[:1] for other in range(len(self.plan.stages)))
        return max(ways, default=0)

    def _after_transition(self, state: EngineState) -> tuple[tuple[int, ...], Sequence[int]]:
        if not state.pending:
            return state.aspects, state.since
        aspects, since = list(state.aspects), list(state.since)
        for due, group, aspect in state.pending:
            if due <= state.settled_at:
                aspects[group], since[group] = aspect, due
        return tuple(aspects), since

    def _lit(self, aspects: tuple[int, ...]) -> Lit:
        lit = self._lit_by_aspects.get(aspects)
        if lit is None:
            greens = [group for group, aspect in enumerate(aspects) if aspect >= PERMISSIVE]
            minima = tuple((g, self._minimum[g], self._keepers(aspects, g)) for g in greens)
            lit = Lit(sum(1 << group for group in greens), minima)
            if len(self._lit_by_aspects) < KEPT_LAMPS:
                self._lit_by_aspects[aspects] = lit
        return lit

    def _keepers(self, aspects: Sequence[int], group: int) -> int:
        """Stages (bit mask) that do not end the group's green, given the lamps now."""
        keepers = self._all_stages
        together = [group]
        for member in together:  # grows while we walk it: two shared lanes may turn across each other
            keepers &= self._keeping[member][aspects[member] - PERMISSIVE]
            # Ending a permissive turn would end the group it crosses with it (the yellow trap).
            together += [t for t in self._turns[member] if aspects[t] == PERMISSIVE and t not in together]
        return keepers

    def _call_event(self, now: int, group: int, called: bool) -> Event:
        if called and self._pedestrian[group]:
            return Event(now, HiRes.PED_CALL, group + 1)
        return Event(now, HiRes.CALL_ON if called else HiRes.CALL_OFF, group + 1)


def shown_green(aspect: int) -> bool:
    """Whether an aspect lets its traffic go, protected or permissive."""
    return aspect >= Aspect.PERMISSIVE
