"""One junction with its desk, policy and cabinet in lock step, a conflict monitor on its lamps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from stopline_cabinets.fake import FakeCabinet, FakeStreet
from stopline_cabinets.words import DARK, CabinetState, Can, Kind
from stopline_controller.arbiter import Arbiter
from stopline_controller.audit import AuditLog
from stopline_controller.desk import Desk, Grant, Request
from stopline_controller.identity import NOBODY, Identity
from stopline_controller.junction import Action, JunctionControl, Step
from stopline_controller.leases import Lease, LeaseBook
from stopline_controller.link import CabinetLink
from stopline_controller.overrides import Answer, OverrideBook, Verb
from stopline_controller.priority import PriorityBook
from stopline_controller.runtime import JunctionRuntime
from stopline_controller.snapshots import Hub, Snapshot
from stopline_controller.sources import Proposal, Source
from stopline_hil.cards import card_from_plan
from stopline_hil.example import crossroads
from stopline_mmu import Lamp, Monitor
from stopline_signals.detectors import NOTHING, DetectorReading
from stopline_signals.plan import SignalPlan
from stopline_signals.priority import PrioritySettings
from tests.controller.manual_clock import ManualClock

PLAN = replace(crossroads(), junction="A")
MAIN, LEFT, SIDE = range(3)
MAIN_GROUP, LEFT_GROUP, SIDE_GROUP, ALONG, ACROSS = range(5)
CLIENT_ID = 7
BEGAN_US = 1_760_000_400_000_000
"""Wall clock at the start, microseconds since 1970 UTC: a full quarter of an hour."""
TTL_S = 15.0

Chooser = Callable[[int, int], int]


def rest(allowed: int, present: int) -> int:
    """A policy that stays."""
    return present if allowed >> present & 1 else (allowed & -allowed).bit_length() - 1


def cycle(allowed: int, present: int) -> int:
    """A policy that goes round as fast as it may."""
    stages = [stage for stage in range(3) if allowed >> stage & 1]
    return next((stage for stage in stages if stage > present), stages[0]) if stages else present


class Town:
    """Ticks ten times a second of a clock that only this class moves."""

    def __init__(
        self,
        folder: Path,
        *,
        policy: Chooser | None = rest,
        plan: SignalPlan = PLAN,
        can: Can = ~Can.NONE,
        preempts: bool = False,
        max_lease: float = 300.0,
        priority: PrioritySettings | None = None,
    ) -> None:
        self.plan = plan
        self.clock = ManualClock()
        self.street = FakeStreet(plan)
        self.street.core.can = can
        self.street.core._observer = self._look
        self.monitor = Monitor(card_from_plan(plan))
        self.arbiter = Arbiter()
        self.control = JunctionControl(plan, self.arbiter, 10, preempts=preempts)
        self.leases = LeaseBook(self.clock, max_lease)
        self.book = OverrideBook(self.leases)
        self.audit = AuditLog(folder / "audit.sqlite")
        self.hub = Hub()
        self.desk = Desk(self.clock, self.arbiter, {"A": self.control}, self.book, self.audit, self.hub)
        cabinet = FakeCabinet(self.street, owner=CLIENT_ID)
        self.link = CabinetLink(cabinet, plan, self.clock, heartbeat=0.4, ttl=TTL_S)
        self.runtime = JunctionRuntime(self.control, self.link, self.clock, min_coverage=0.5, restart_delay=5)
        self.policy = policy
        self.priority = PriorityBook(self.clock, {"A": plan}, priority)
        self.above: list[Proposal] = []
        """What emergency vehicles and such ask for."""
        self.refused: list[str] = []
        self.step: Step | None = None
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Town:
        self.run(20)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._loop.close()
        self.audit.close()
        if kind is None:
            assert self.monitor.violations == []
            assert self.refused == []

    @property
    def seen(self) -> CabinetState:
        return self.street.core.state(self.street.now)

    @property
    def state(self) -> Snapshot:
        return self.hub.latest["A"]

    @property
    def wall(self) -> int:
        return BEGAN_US + round(self.clock.at * 1e6)

    @property
    def source(self) -> Source:
        return self.state.ruling.winner.source

    def run(self, seconds: float) -> list[int]:
        """Tick for some seconds; returns the stages the cabinet went through."""
        stages = [self.seen.stage]
        for _ in range(round(seconds * 10)):
            self.tick()
            if self.seen.stage != stages[-1]:
                stages.append(self.seen.stage)
        return stages

    def until(self, holds: Callable[[], bool], seconds: float) -> float:
        """Tick until something holds; returns the seconds it took, fails when it takes longer."""
        for tick in range(round(seconds * 10)):
            if holds():
                return tick / 10
            self.tick()
        raise AssertionError(f"not within {seconds} s; {self.state.ruling.winner}, {self.seen.aspects}")

    def tick(self) -> None:
        self.street.run(1)
        self.clock.at = self.street.now / 10
        self._loop.run_until_complete(self._tick())

    def queue(self, *detectors: str, vehicles: int = 3) -> None:
        names = [detector.name for detector in self.plan.detectors]
        readings = [NOTHING] * len(names)
        for name in detectors:
            readings[names.index(name)] = DetectorReading(vehicles, vehicles)
        self.street.core.set_readings(readings)

    def lease(self, who: str | Identity = "kim", *groups: str, ttl: float = 200, priority: int = 0) -> Lease:
        identity = who if isinstance(who, Identity) else NOBODY
        name = who.name if isinstance(who, Identity) else who
        return self.desk.acquire(Grant("A", name, ttl, "test", priority, groups), identity)

    def ask(self, lease: Lease, verb: Verb, *groups: str, who: Identity = NOBODY, **rest: object) -> Answer:
        request = Request(lease.lease_id, lease.token, verb, groups=groups)
        return self.desk.override(request._replace(**rest), who)  # type: ignore[arg-type]  # fields of the request

    def confirmed(self, lease: Lease, verb: Verb, second: str = "lee") -> Answer:
        """Ask for something that takes two persons, and let the second one agree."""
        first = self.ask(lease, verb)
        assert first.confirmation, first
        return self.desk.confirm(first.confirmation, second)

    async def _tick(self) -> None:
        await self.link.beat()
        seen = await self.link.read()
        if seen is None:
            self._publish()
            return
        self.control.wishes = self.book.wishes("A", self.clock.at, seen.aspects)
        self.control.reserve(self.priority.closed("A", self.control.observe(seen)))
        assert self.control.now is not None
        present = self.control.now.state.stage
        fresh = self.control.decision_due and self.policy is not None
        if fresh and self.policy:
            self.control.decided(Proposal(Source.POLICY, self.policy(self.control.allowed, present), "test"))
        below = self.control.policy.stage if self.control.policy else None
        proposals = [*self.above, *self.priority.proposals("A", self.control.now, below)]
        override = self.book.proposal("A", self.clock.at, present, self.control.followed)
        if override is not None:
            proposals.append(override)
        step = self.step = self.control.rule(seen, proposals, {}, fresh)
        if step.action is Action.RELEASE:
            self.control.obedience.forget()
            await self.link.release()
        elif step.action is Action.ASK:
            asked = await self.link.ask(step.order)
            if asked.accepted:
                self.control.obedience.accepted(step.order)
            else:
                self.control.obedience.forget()
            if asked.unable:
                self.control.unable(step.order)
            if not asked.accepted and step.order.kind is not Kind.PREEMPT:
                self.refused.append(asked.problem)
        self._publish(seen, step)

    def _publish(self, seen: CabinetState | None = None, step: Step | None = None) -> None:
        self.runtime.seen, self.runtime.step = seen, step
        self.hub.publish([self.runtime.snapshot(self.clock.tenths(), self.wall, ())])

    def _look(self, now: int, aspects: tuple[int, ...]) -> None:
        lamps = tuple(Lamp.FLASH if aspect == DARK else Lamp(aspect) for aspect in aspects)
        self.monitor.observe(now, lamps)
