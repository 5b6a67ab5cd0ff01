"""The control loop: every junction every 100 ms, spread over the period, one policy batch per slot.

The loop runs in its own thread with its own event loop, so that no client of the services can make it late.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog

from stopline_cabinets.words import CabinetState, Kind
from stopline_controller.alarms import Alarms
from stopline_controller.audit import AuditLog, Entry
from stopline_controller.clock import Clock
from stopline_controller.junction import Action, Step
from stopline_controller.overrides import OverrideBook
from stopline_controller.policies import PolicyHost
from stopline_controller.priority import PriorityBook
from stopline_controller.runtime import JunctionRuntime
from stopline_controller.snapshots import Hub, Snapshot
from stopline_controller.sources import Source
from stopline_controller.statistics import Statistics

log = structlog.get_logger(__name__)

PERIOD_S = 0.1
SLOTS = 10
GRACE = 0.5
"""Share of the period a slot waits for its cabinets to answer; who is later is served in the next period."""
HANDBACK_S = 2.0
"""Real seconds the cabinets have to take the release at the end."""

Heard = tuple[JunctionRuntime, CabinetState]


class ControlLoop:
    """Ticks all junctions of a site until it is stopped, then hands every cabinet back."""

    def __init__(
        self,
        clock: Clock,
        junctions: Sequence[JunctionRuntime],
        *,
        policy: PolicyHost | None,
        overrides: OverrideBook,
        priority: PriorityBook,
        audit: AuditLog,
        hub: Hub,
        statistics: Statistics,
        alarms: Alarms | None = None,
    ) -> None:
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

    async def run(self) -> None:
        """Tick until `stop`; returns when every cabinet was released or its time to take it was over."""
        count = min(SLOTS, len(self._junctions))
        slots = [self._junctions[first::count] for first in range(count)]
        tasks = [
            asyncio.create_task(self._run_slot(slot, PERIOD_S * index / count))
            for index, slot in enumerate(slots)
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

    async def _run_slot(self, slot: Sequence[JunctionRuntime], offset: float) -> None:
        """Tick one slot for ever; a mistake of ours stops its heartbeats and is tried again."""
        failing = False
        beat = int(self._clock.seconds() / PERIOD_S) + 1
        while True:
            late = await self._clock.sleep_until(beat * PERIOD_S + offset)
            self._count(late, len(slot))
            try:
                await self._tick(slot)
                failing = False
            except Exception:
                if not failing:
                    log.exception("slot_failed", junctions=[junction.name for junction in slot])
                failing = True
            # A tick that took too long is not made up for: the next one is the next on the clock.
            beat = max(beat + 1, int((self._clock.seconds() - offset) / PERIOD_S) + 1)

    def _count(self, late: float, junctions: int) -> None:
        self._statistics.ticks += junctions
        self._statistics.lateness_ms.append(late * 1000)
        if late > self._clock.real(PERIOD_S):
            self._statistics.late_ticks += junctions

    async def _tick(self, slot: Sequence[JunctionRuntime]) -> None:
        self._note_expired_leases()
        heard = await self._read(slot)
        began = time.perf_counter()
        heard = [
            (junction, seen) for junction, seen in heard if junction.attempt("observe", self._observe, seen)
        ]
        fresh = self._decide(heard)
        steps: list[tuple[JunctionRuntime, CabinetState, Step]] = []
        for junction, seen in heard:
            step = junction.attempt("rule", self._rule, seen, fresh)
            if step is not None:
                steps.append((junction, seen, step))
        decided = time.perf_counter()
        self._record(steps, (decided - began) * 1000)
        for junction, _, step in steps:
            if step.action is not Action.NOTHING or junction.link.beat_due:
                junction.start(self._command(junction, step, decided))
        self._publish(slot, {junction: (seen, step) for junction, seen, step in steps})

    async def _read(self, slot: Sequence[JunctionRuntime]) -> list[Heard]:
        """Read all free junctions of the slot at once; who does not answer in time misses this tick."""
        for junction in slot:
            if junction.ready():
                junction.start_reading()
        waiting = [junction.reading for junction in slot if junction.reading is not None]
        if waiting:
            await asyncio.wait(waiting, timeout=self._clock.real(PERIOD_S * GRACE))
        heard: list[Heard] = []
        for junction in slot:
            seen = junction.heard()
            if seen is not None:
                heard.append((junction, seen))
        return heard

    def _observe(self, junction: JunctionRuntime, seen: CabinetState) -> bool:
        junction.control.wishes = self._overrides.wishes(junction.name, self._clock.seconds(), seen.aspects)
        junction.control.observe(seen)
        return True

    def _decide(self, heard: Sequence[Heard]) -> set[JunctionRuntime]:
        """Let the policy decide for the junctions that are due, all in one batch."""
        if self._policy is None:
            return set()
        due = [junction for junction, _ in heard if junction.control.decision_due]
        able = [junction for junction in due if junction.covered(junction.control)]
        proposals = self._policy.decide([junction.control.view() for junction in able]) if able else []
        chosen = dict(zip(able, proposals, strict=True))
        for junction in due:
            junction.control.decided(chosen.get(junction))
        return set(due)

    def _rule(self, junction: JunctionRuntime, seen: CabinetState, fresh: set[JunctionRuntime]) -> Step:
        control, name = junction.control, junction.name
        assert control.now is not None
        proposals = self._priority.proposals(name, control.now)
        now, stage = self._clock.seconds(), control.now.state.stage
        override = self._overrides.proposal(name, now, stage, control.followed)
        if override is not None:
            proposals.append(override)
        withheld = {Source.POLICY: self._why_no_policy(junction)}
        step = control.rule(seen, proposals, withheld, junction in fresh)
        if step.verdict.reason is not None and step.action is Action.ASK:
            self._statistics.guard_interventions += 1
        return step

    def _why_no_policy(self, junction: JunctionRuntime) -> str:
        if self._policy is None:
            return "this site runs without a policy"
        return junction.uncovered or self._policy.withdraws(junction.name) or "has not decided yet"

    def _record(self, steps: Sequence[tuple[JunctionRuntime, CabinetState, Step]], took_ms: float) -> None:
        """Commit what is about to be asked, before it is asked."""
        entries: list[Entry] = []
        for junction, seen, step in steps:
            entries.extend(junction.changes(step, self._clock.tenths()))
            if step.action is not Action.NOTHING:
                entries.append(_command_entry(junction, seen, step, self._clock.tenths()))
            if step.action is Action.ASK:
                self._statistics.decisions_audited += 1
                self._statistics.decision_ms.append(took_ms)
        self._audit.append(entries)

    async def _command(self, junction: JunctionRuntime, step: Step, decided: float) -> None:
        """Carry one step out at the cabinet; then, and only then, the heartbeat."""
        if step.action is Action.RELEASE:
            await junction.link.release()
        elif step.action is Action.ASK:
            asked = await junction.link.ask(step.order)
            if asked.accepted:
                junction.commanded = step.order.stage
                self._statistics.plans_accepted += 1
                self._statistics.command_ms.append((time.perf_counter() - decided) * 1000)
            else:
                self._statistics.plans_refused += 1
        await junction.link.beat()

    def _publish(
        self, slot: Sequence[JunctionRuntime], steps: dict[JunctionRuntime, tuple[CabinetState, Step]]
    ) -> None:
        wall, tenths = time.time_ns() // 1000, self._clock.tenths()
        alarms = self._alarms.texts
        if self._audit.failing:
            alarms = ("audit log cannot be written", *alarms)
        made: list[Snapshot] = []
        for junction in slot:
            seen, step = steps.get(junction, (None, None))
            if step is None and junction.hearable:
                continue
            made.append(junction.snapshot(seen, step, tenths, wall, alarms))
        self._hub.publish(made)

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
