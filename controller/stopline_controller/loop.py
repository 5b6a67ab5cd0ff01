"""The control loop: every junction every 100 ms, spread over the period, one policy batch per slot.

The loop runs in its own thread with its own event loop, so that no client of the services can make it late.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from stopline_cabinets.words import CabinetState, Kind
from stopline_controller.alarms import Alarms
from stopline_controller.audit import AuditLog, Entry
from stopline_controller.clock import Clock
from stopline_controller.junction import Action, Step
from stopline_controller.overrides import OverrideBook
from stopline_controller.policies import Deciding
from stopline_controller.priority import PriorityBook
from stopline_controller.runtime import JunctionRuntime
from stopline_controller.snapshots import Hub, Snapshot
from stopline_controller.sources import Source
from stopline_controller.statistics import Statistics
from stopline_controller.tracing import NO_TRACING, Tracing

log = structlog.get_logger(__name__)

PERIOD_S = 0.1
SLOTS = 10
MOST = 130
"""Junctions of a slot: where there are more than ten times as many there are more slots, lest one take long.
Not fewer: each slot costs a batch of the policy and a commit of the audit log, however few it has."""
GRACE = 0.5
"""Share of the period a slot waits for its cabinets to answer; who is later is served in the next period."""
TIDIED = -(-MOST // 6)
"""Junctions whose new states are looked through for garbage together: a sixth of the fullest slot."""
WARMED = 10
"""Slots of up to so many junctions are warmed before a decision; in larger ones the first warm the others."""
WARM_S = 0.0018
"""Real seconds before the tick from which on decisions are made for nothing: the first takes many times as
long as the last."""
WARM_END_S = 0.0001
"""Real seconds before the tick in which none is begun."""
TOO_MANY = "too many commands"
"""Why a request that the guard let pass did not become a command; the guard's own reasons are `Reason`."""
ASIDE = 0.1
"""Of the time that a slot took which left out ticks: for so long the thread sleeps, and others may run."""
MOST_ASIDE_S = 0.02
HANDBACK_S = 2.0
"""Real seconds the cabinets have to take the release at the end."""

Pulse = Callable[[int], None]
"""Told after every tick of a slot (its number); by it a watchdog knows that control is alive."""
Tidy = Callable[[], None]
"""Called several times in a tick, so that little was made since and garbage among it is soon found."""

NO_POLICY = {Source.POLICY: "this site runs without a policy"}


def slots_for(junctions: int) -> int:
    """How many slots so many junctions are spread over."""
    return max(min(SLOTS, junctions), math.ceil(junctions / MOST))


def keep_warm(work: Callable[[], object], now: Callable[[], float], due: float) -> None:
    """Work until `due`, without beginning what would end after it; the last moment is not slept either.

    No margin on what the last one took: the first is the slow one, and one alone leaves the caches cold.
    """
    took, began = 0.0, now()
    while began + max(took, WARM_END_S) < due:
        work()
        ended = now()
        took, began = ended - began, ended
    while now() < due:
        pass


class ControlLoop:
    """Ticks all junctions of a site until it is stopped, then hands every cabinet back."""

    def __init__(
        self,
        clock: Clock,
        junctions: Sequence[JunctionRuntime],
        *,
        policy: Deciding | None,
        overrides: OverrideBook,
        priority: PriorityBook,
        audit: AuditLog,
        hub: Hub,
        statistics: Statistics,
        alarms: Alarms | None = None,
    ) -> None:
        self.pulse: Pulse = _nobody
        self.tidy: Tidy = _nothing
        self.tracing: Tracing = NO_TRACING
        self._clock = clock
        self._junctions = tuple(junctions)
        self._policy = policy
        self._overrides = overrides
        self._priority = priority
        self._audit = audit
        self._hub = hub
        self._statistics = statistics
        self._alarms = alarms or Alarms()
        self._stop = asyncio.Event()
        self._withheld: dict[str, dict[Source, str]] = {}

    @property
    def slots(self) -> int:
        """How many slots the junctions are spread over."""
        return slots_for(len(self._junctions))

    @property
    def names(self) -> list[list[str]]:
        """The junctions' names, slot by slot."""
        return [[j.name for j in self._junctions[index :: self.slots]] for index in range(self.slots)]

    @property
    def junctions(self) -> tuple[JunctionRuntime, ...]:
        """All junctions; only to be looked at from other threads."""
        return self._junctions

    async def run(self) -> None:
        """Tick until `stop`; returns when every cabinet was released or its time to take it was over."""
        tasks = [
            asyncio.create_task(self._run_slot(index, self._junctions[index :: self.slots]))
            for index in range(self.slots)
        ]
        try:
            await self._stop.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._hand_back()

    def stop(self) -> None:
        """Ask the loop to end; to be called in its own thread."""
        self._stop.set()

    async def _run_slot(self, index: int, slot: Sequence[JunctionRuntime]) -> None:
        """Tick one slot for ever; a mistake of ours stops its heartbeats and is tried again."""
        failing = False
        offset = PERIOD_S * index / self.slots
        beat = int(self._clock.seconds() / PERIOD_S) + 1
        while True:
            try:
                beat = await self._beat(index, slot, beat, offset)
                if failing:
                    log.info("slot_works_again", junctions=[junction.name for junction in slot])
                failing = False
            except Exception:
                if not failing:
                    log.exception("slot_failed", junctions=[junction.name for junction in slot])
                failing = True
                # It may have failed before its time.
                await self._clock.sleep_until(beat * PERIOD_S + offset)
                beat = self._following(beat, offset)

    async def _beat(self, index: int, slot: Sequence[JunctionRuntime], beat: int, offset: float) -> int:
        """Tick one slot when its beat is due; returns the next beat there is time for."""
        due = beat * PERIOD_S + offset
        if len(slot) <= WARMED:
            await self._warm_up(slot, due)
        late = await self._clock.sleep_until(due)
        try:
            await self._tick(slot)
        finally:
            following = self._following(beat, offset)
            took, left_out = self._clock.real(self._clock.seconds() - due), following - beat - 1
            self._count(late, took, len(slot), left_out)
            if left_out:
                # Control goes before all else: SIGTERM has to get through even if it needs more than a core.
                self._clock.stand_aside(min((took - late) * ASIDE, MOST_ASIDE_S))
        self.pulse(index)
        return following

    def _following(self, beat: int, offset: float) -> int:
        """A tick that took too long is not made up for: the next one is the next on the clock."""
        return max(beat + 1, int((self._clock.seconds() - offset) / PERIOD_S) + 1)

    async def _warm_up(self, slot: Sequence[JunctionRuntime], due: float) -> None:
        """Just before a decision, make the caches warm again that 100 ms without one left cold."""
        policy = self._policy
        if policy is None or self._clock.rate != 1:
            return
        near = [junction.control for junction in slot if junction.control.decides_soon]
        if near and await self._clock.sleep_until(due - WARM_S) < WARM_S / 2:
            views = [near[0].view()]
            keep_warm(lambda: policy.warm(views), self._clock.seconds, due)

    def _count(self, late: float, took: float, junctions: int, left_out: int) -> None:
        self._statistics.ticks += junctions
        self._statistics.lateness.add(late * 1000)
        self._statistics.slot.add(took * 1000)
        if late > self._clock.real(PERIOD_S):
            self._statistics.late_ticks += junctions
        self._statistics.late_ticks += junctions * left_out

    async def _tick(self, slot: Sequence[JunctionRuntime]) -> None:
        self._note_expired_leases()
        waiting = [task for junction in slot if (task := junction.look()) is not None]
        if waiting:
            # Who does not answer in time misses this tick.
            await asyncio.wait(waiting, timeout=self._clock.real(PERIOD_S * GRACE))
        began, now = time.perf_counter(), self._clock.seconds()
        heard = self._observe(slot, now)
        self.tidy()
        fresh = self._decide(heard)
        ruled = self._rule(heard, fresh, now)
        decided = time.perf_counter()
        self._record(ruled, (decided - began) * 1000)
        for junction in slot:
            step = junction.step
            if step and (step.action is not Action.NOTHING or junction.link.beat_due(now)):
                junction.start(self._command(junction, step, decided))
        self.tidy()
        self._publish(slot)
        self.tidy()

    def _observe(self, slot: Sequence[JunctionRuntime], now: float) -> list[JunctionRuntime]:
        """Take in what was read; returns the junctions to rule on: where something is new, or is due."""
        heard: list[JunctionRuntime] = []
        wishes, placed, waiting = self._overrides.wishes, self._overrides.placed, self._priority.waiting
        for number, junction in enumerate(slot):
            if number and number % TIDIED == 0:
                self.tidy()
            try:
                seen = junction.hear()
                if seen is None:
                    continue
                if not waiting(junction.name) and not placed(junction.name):
                    junction.step = junction.control.goes_on(seen)
                    if junction.step is not None:
                        continue
                junction.control.wishes = wishes(junction.name, now, seen.aspects)
                observed = junction.control.observe(seen)
                junction.control.reserve(self._priority.closed(junction.name, observed))
            except Exception as error:
                junction.failed("observe", error)
            else:
                heard.append(junction)
        return heard

    def _decide(self, heard: Sequence[JunctionRuntime]) -> set[JunctionRuntime]:
        """Let the policy decide for the junctions that are due, all in one batch."""
        if self._policy is None:
            return set()
        due = [junction for junction in heard if junction.control.decision_due]
        if not due:
            return set()
        able = [junction for junction in due if junction.covered(junction.control)]
        with self.tracing.span("decide", junctions=len(able)):
            proposals = self._policy.decide([junction.control.view() for junction in able]) if able else []
        chosen = dict(zip(able, proposals, strict=True))
        for junction in due:
            junction.control.decided(chosen.get(junction))
        return set(due)

    def _rule(
        self, heard: Sequence[JunctionRuntime], fresh: set[JunctionRuntime], now: float
    ) -> list[JunctionRuntime]:
        """Let arbiter and guard rule; returns the junctions whose step stands."""
        ruled: list[JunctionRuntime] = []
        for junction in heard:
            try:
                junction.step = step = self._step(junction, junction in fresh, now)
            except Exception as error:
                junction.failed("rule", error)
                continue
            ruled.append(junction)
            reason = TOO_MANY if junction.control.held_back else step.verdict.reason
            if reason is not None and (step.action is Action.ASK or reason is TOO_MANY):
                self._statistics.interventions[step.ruling.winner.source, reason] += 1
        return ruled

    def _step(self, junction: JunctionRuntime, fresh: bool, now: float) -> Step:
        control, name = junction.control, junction.name
        assert junction.seen is not None and control.now is not None
        below = control.policy.stage if control.policy else None
        proposals = self._priority.proposals(name, control.now, below)
        override = self._overrides.proposal(name, now, control.now.state.stage, control.followed)
        if override is not None:
            proposals.append(override)
        withheld = NO_POLICY if self._policy is None else self._why_no_policy(junction, self._policy)
        return control.rule(junction.seen, proposals, withheld, fresh)

    def _why_no_policy(self, junction: JunctionRuntime, policy: Deciding) -> Mapping[Source, str]:
        reason = junction.uncovered or policy.withdraws(junction.name) or "has not decided yet"
        known = self._withheld.get(junction.name)
        # The same mapping as long as the reason is the same: the ruling is then the same as well.
        if known is None or known[Source.POLICY] != reason:
            known = self._withheld[junction.name] = {Source.POLICY: reason}
        return known

    def _record(self, ruled: Sequence[JunctionRuntime], took_ms: float) -> None:
        """Commit what is about to be asked, before it is asked."""
        entries: list[Entry] = []
        tenths = self._clock.tenths()
        for junction in ruled:
            seen, step = junction.seen, junction.step
            assert seen is not None and step is not None
            entries += junction.changes(step, tenths)
            if step.action is not Action.NOTHING:
                entries.append(_command_entry(junction, seen, step, tenths))
            if step.action is Action.ASK:
                self._statistics.decisions_audited += 1
                self._statistics.decision.add(took_ms)
        if entries:
            self._audit.append(entries)

    async def _command(self, junction: JunctionRuntime, step: Step, decided: float) -> None:
        """Carry one step out at the cabinet; then, and only then, the heartbeat."""
        if step.action is Action.RELEASE:
            junction.control.obedience.forget()
            await junction.link.release()
        elif step.action is Action.ASK:
            with self.tracing.span("command", junction=junction.name, stage=step.order.stage):
                asked = await junction.link.ask(step.order)
            if asked.accepted:
                junction.commanded = step.order.stage
                junction.control.obedience.accepted(step.order)
                self._statistics.plans_accepted += 1
                self._statistics.command.add((time.perf_counter() - decided) * 1000)
            else:
                self._statistics.plans_refused += 1
                junction.control.obedience.forget()
                if asked.unable:
                    junction.control.unable(step.order)
        await junction.link.beat()

    def _publish(self, slot: Sequence[JunctionRuntime]) -> None:
        wall, tenths = time.time_ns() // 1000, self._clock.tenths()
        alarms = self._alarms.texts
        if self._audit.failing:
            alarms = ("audit log cannot be written", *alarms)
        made: list[Snapshot] = []
        news: list[Snapshot] = []
        for junction in slot:
            if junction.step is None and junction.hearable:
                continue
            snapshot = junction.snapshot(tenths, wall, alarms)
            made.append(snapshot)
            if junction.is_news(snapshot):
                news.append(snapshot)
        self._hub.publish(made, news)

    def _note_expired_leases(self) -> None:
        expired = self._overrides.leases.expire()
        if not expired:
            return
        for lease in expired:
            self._overrides.remove(lease)
        tenths = self._clock.tenths()
        self._audit.append(
            [
                Entry("lease-expired", tenths, lease.junction, lease.operator, {"lease": lease.lease_id})
                for lease in expired
            ]
        )

    async def _hand_back(self) -> None:
        """Release every cabinet; those that do not take it fall back by their own deadlines."""
        tenths = self._clock.tenths()
        self._audit.append(
            [Entry("stopped", tenths, junction.name, "controller") for junction in self._junctions]
        )
        ends = [asyncio.create_task(junction.hand_back()) for junction in self._junctions]
        _, late = await asyncio.wait(ends, timeout=HANDBACK_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def _nobody(slot: int) -> None:
    """Nobody watches over control."""


def _nothing() -> None:
    """Garbage is the interpreter's matter."""


def _command_entry(junction: JunctionRuntime, seen: CabinetState, step: Step, tenths: int) -> Entry:
    winner, verdict = step.ruling.winner, step.verdict
    detail: dict[str, object] = {"source": str(winner.source), "from": seen.stage, "cabinet_time": seen.time}
    if step.action is Action.RELEASE:
        return Entry(
            "release", tenths, junction.name, str(winner.source), {**detail, "reason": winner.reason}
        )
    detail |= {
        "asked": winner.stage,
        "stage": verdict.stage,
        "allowed": junction.control.allowed,
        "guard": None if verdict.reason is None else str(verdict.reason),
        "readings": [[reading.vehicles, reading.queued] for reading in seen.readings],
    }
    order = step.order
    if order.kind is not Kind.STAGES:
        detail |= {"kind": order.kind.name.lower(), "pattern": order.pattern}
    if order.calls | order.omits:
        detail |= {"calls": order.calls, "omits": order.omits}
    return Entry("decision", tenths, junction.name, winner.holder or str(winner.source), detail)
