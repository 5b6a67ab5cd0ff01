"""One junction with its desk, policy and cabinet in lock step, a conflict monitor on its lamps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from stopline_cabinets.fake import FakeCabinet, FakeStreet
from stopline_cabinets.words import DARK, CabinetState, Can, Kind
from stopline_controller.arbiter import Arbiter
from stopline_controller.audit import AuditLog
from stopline_controller.desk import Desk, Grant, Request
from stopline_controller.identity import NOBODY, Identity
from stopline_controller.junction import JunctionControl, Step
from stopline_controller.leases import Lease, LeaseBook
from stopline_controller.link import Asked, CabinetLink
from stopline_controller.overrides import Answer, OverrideBook, Verb
from stopline_controller.priority import PriorityBook
from stopline_controller.runtime import JunctionRuntime
from stopline_controller.snapshots import Hub, Snapshot
from stopline_controller.sources import Order, Proposal, Source
from stopline_controller.statistics import Statistics
from stopline_hil.cards import card_from_plan
from stopline_hil.example import crossroads
from stopline_mmu import Lamp, Monitor
from stopline_signals.approach import Now
from stopline_signals.detectors import NOTHING, DetectorReading
from stopline_signals.plan import SignalPlan
from stopline_signals.priority import PrioritySettings
from stopline_signals.view import JunctionView
from tests.controller.lockstep import Lockstep, MortalLoop, SleepersClock

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
    """Ticks ten times a second of a clock that only this class moves; the controller is the product's own."""

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
        self.clock = SleepersClock()
        self.street = FakeStreet(plan)
        self.street.core.can = can
        self.street.core._observer = self._look
        self.monitor = Monitor(card_from_plan(plan))
        self.arbiter = Arbiter()
        self.policy = policy
        self.above: list[Proposal] = []
        """What emergency vehicles and such ask for."""
        self.refused: list[str] = []
        self._preempts, self._max_lease, self._settings = preempts, max_lease, priority
        self._start(folder / "audit.sqlite", CLIENT_ID)

    def _start(self, path: Path, client: int) -> None:
        """The controller as it begins, with its files and nothing else."""
        self.control = JunctionControl(self.plan, self.arbiter, 10, preempts=self._preempts)
        self.audit = AuditLog(path)
        self.leases = LeaseBook(self.clock, self._max_lease, self.audit.last + 1)
        self.book = OverrideBook(self.leases)
        self.hub = Hub()
        self.desk = Desk(self.clock, self.arbiter, {"A": self.control}, self.book, self.audit, self.hub)
        self.priority = _Vehicles(self, self._settings)
        self.runtime = _Runtime(self, client)
        loop = MortalLoop(
            self.clock,
            [self.runtime],
            policy=_Policy(self),
            overrides=self.book,
            priority=self.priority,
            audit=self.audit,
            hub=self.hub,
            statistics=Statistics(),
        )
        self._lockstep = Lockstep(loop, self.clock)

    def restart(self, *, client: int = CLIENT_ID) -> None:
        """Die as by kill -9, and begin as another process."""
        self._lockstep.end(kill=True)
        self.audit.close()
        self.clock.at = self.street.now / 10
        self._start(self.audit.path, client)
        self.tick()

    def __enter__(self) -> Town:
        self.run(20)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._lockstep.end()
        self.audit.close()
        if kind is None:
            assert self.monitor.violations == []
            assert self.refused == []
            assert self.runtime.fault == ""

    @property
    def step(self) -> Step | None:
        return self.runtime.step

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
        self._lockstep.tick(self.street.now / 10)

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

    def _look(self, now: int, aspects: tuple[int, ...]) -> None:
        lamps = tuple(Lamp.FLASH if aspect == DARK else Lamp(aspect) for aspect in aspects)
        self.monitor.observe(now, lamps)


class _Policy:
    """The town's chooser, as the loop asks for it."""

    def __init__(self, town: Town) -> None:
        self._town = town

    def decide(self, views: Sequence[JunctionView]) -> list[Proposal | None]:
        choose = self._town.policy
        if choose is None:
            return [None] * len(views)
        return [Proposal(Source.POLICY, choose(v.allowed, v.state.stage), "test") for v in views]

    def withdraws(self, junction: str) -> str:
        return "" if self._town.policy else "this town runs without a policy"

    def warm(self, views: Sequence[JunctionView]) -> None:
        pass


class _Vehicles(PriorityBook):
    """Vehicles that report, and those of which a test just says what they ask for."""

    def __init__(self, town: Town, settings: PrioritySettings | None) -> None:
        super().__init__(town.clock, {"A": town.plan}, settings)
        self._town = town

    def proposals(self, junction: str, now: Now, below: int | None = None) -> list[Proposal]:
        return [*self._town.above, *super().proposals(junction, now, below)]


class _Link(CabinetLink):
    """Keeps what the cabinet refused."""

    def __init__(self, town: Town, client: int) -> None:
        cabinet = FakeCabinet(town.street, owner=client)
        super().__init__(cabinet, town.plan, town.clock, heartbeat=0.4, ttl=TTL_S)
        self._refusals = town.refused

    async def ask(self, order: Order) -> Asked:
        asked = await super().ask(order)
        if not asked.accepted and order.kind is not Kind.PREEMPT:
            self._refusals.append(asked.problem)
        return asked


class _Runtime(JunctionRuntime):
    """Its snapshots carry the town's own wall clock."""

    def __init__(self, town: Town, client: int) -> None:
        link = _Link(town, client)
        super().__init__(town.control, link, town.clock, min_coverage=0.5, restart_delay=5)
        self._town = town

    def snapshot(self, tenths: int, wall: int, alarms: tuple[str, ...]) -> Snapshot:
        return super().snapshot(tenths, self._town.wall, alarms)
