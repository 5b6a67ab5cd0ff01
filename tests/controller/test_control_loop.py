"""The loop as a whole, with cabinets in memory: one junction's mistake is its own, a policy's is survived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from stopline_cabinets.words import Mode
from stopline_controller.arbiter import Arbiter
from stopline_controller.audit import AuditLog
from stopline_controller.clock import Clock
from stopline_controller.drivers import Lessee, MemoryCabinet
from stopline_controller.junction import JunctionControl
from stopline_controller.leases import LeaseBook
from stopline_controller.link import CabinetLink
from stopline_controller.loop import PERIOD_S, ControlLoop
from stopline_controller.overrides import OverrideBook
from stopline_controller.policies import PolicyFacts, PolicyHost
from stopline_controller.priority import PriorityBook
from stopline_controller.runtime import JunctionRuntime
from stopline_controller.snapshots import Hub, Snapshot
from stopline_controller.sources import Source
from stopline_controller.statistics import Statistics
from stopline_hil.example import crossroads
from stopline_policy.seam import ABSTAIN
from stopline_signals.detectors import DetectorReading
from stopline_signals.errors import CabinetTimeout
from stopline_signals.plan import SignalPlan
from stopline_signals.view import JunctionView
from tests.controller.leasing import acquire
from tests.controller.lockstep import SleepersClock, rest


class Turns:
    """A policy that wants the next stage each time, until it is told to misbehave."""

    name = "turns"
    decision_interval = 5.0

    def __init__(self) -> None:
        self.mischief: Callable[[Sequence[JunctionView]], list[int]] | None = None
        self.batches: list[int] = []

    def reset(self, plans: Sequence[SignalPlan]) -> None:
        pass

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        self.batches.append(len(views))
        if self.mischief is not None:
            return self.mischief(views)
        return [max(s for s in range(3) if view.allowed >> s & 1) for view in views]


class Plant:
    """A running loop with its parts in reach; time passes while something is waited for, and only then."""

    def __init__(self, path: Path, *names: str, clock: Clock | None = None) -> None:
        self.clock = clock or SleepersClock()
        self.policy = Turns()
        plans = {name: replace(crossroads(), junction=name) for name in names}
        self.cabinets = {n: MemoryCabinet(plan, Lessee(1, "test"), self.clock) for n, plan in plans.items()}
        self.controls = {name: JunctionControl(plan, Arbiter(), 50) for name, plan in plans.items()}
        self.runtimes = {
            name: JunctionRuntime(
                control,
                CabinetLink(self.cabinets[name], control.plan, self.clock, heartbeat=0.4, ttl=15),
                self.clock,
                min_coverage=0.75,
                restart_delay=2.0,
            )
            for name, control in self.controls.items()
        }
        self.hub, self.statistics = Hub(), Statistics()
        self.audit = AuditLog(path / "audit.sqlite")
        self.leases = LeaseBook(self.clock, 60)
        self.loop = ControlLoop(
            self.clock,
            list(self.runtimes.values()),
            policy=PolicyHost(self.policy, list(plans.values()), PolicyFacts("turns")),
            overrides=OverrideBook(self.leases),
            priority=PriorityBook(self.clock, plans),
            audit=self.audit,
            hub=self.hub,
            statistics=self.statistics,
        )

    async def __aenter__(self) -> Plant:
        self._task = asyncio.create_task(self.loop.run())
        await self.until(lambda: all(self.mode(name) is Mode.REMOTE for name in self.cabinets))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.loop.stop()
        await self._task
        self.audit.close()

    def mode(self, name: str) -> Mode:
        return self.cabinets[name].street.core.mode

    def latest(self, name: str) -> Snapshot:
        return self.hub.latest[name]

    async def until(self, holds: Callable[[], bool], seconds: float = 60) -> None:
        """Wait for something, at most `seconds` of the plant's clock."""
        clock = self.clock
        assert isinstance(clock, SleepersClock)
        deadline = clock.at + seconds
        while not holds():
            assert not self._task.done()
            assert clock.at < deadline, "it did not happen in time"
            await rest(self.loop, clock)
            clock.move(clock.at + PERIOD_S)
            await rest(self.loop, clock)


@pytest.mark.parametrize("step", ["observe", "rule"])
async def test_a_mistake_at_one_junction_stays_there_and_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    async with Plant(tmp_path, "A", "B") as plant:

        def broken(*_: object) -> None:
            raise RuntimeError("a mistake of ours")

        with monkeypatch.context() as patch:
            patch.setattr(plant.controls["A"], step, broken)
            await plant.until(lambda: plant.mode("A") is Mode.LOCAL)
            assert any("a mistake of ours" in alarm for alarm in plant.latest("A").alarms)
            assert plant.mode("B") is Mode.REMOTE
        await plant.until(lambda: plant.mode("A") is Mode.REMOTE)
        await plant.until(lambda: plant.latest("A").alarms == ())
        assert plant.mode("B") is Mode.REMOTE


@pytest.mark.parametrize(
    "mischief",
    [
        lambda views: [1 // 0],
        lambda views: [],
        lambda views: [ABSTAIN] * len(views),
    ],
    ids=["raises", "answers short", "abstains for good"],
)
async def test_a_policy_that_fails_leaves_the_cabinets_to_their_local_plans(
    tmp_path: Path, mischief: Callable[[Sequence[JunctionView]], list[int]]
) -> None:
    async with Plant(tmp_path, "A", "B") as plant:
        plant.policy.mischief = mischief
        await plant.until(lambda: plant.mode("A") is Mode.LOCAL and plant.mode("B") is Mode.LOCAL)
        standing = next(s for s in plant.latest("A").ruling.stack if s.proposal.source is Source.POLICY)
        assert "failed" in standing.proposal.reason or "abstained" in standing.proposal.reason
        plant.policy.mischief = None
        await plant.until(lambda: plant.mode("A") is Mode.REMOTE and plant.mode("B") is Mode.REMOTE)


async def test_failed_detectors_take_the_policy_out_until_they_work_again(tmp_path: Path) -> None:
    async with Plant(tmp_path, "A", "B") as plant:
        count = len(plant.controls["A"].plan.detectors)
        failed = tuple(DetectorReading(0, 0, index > 2) for index in range(count))
        plant.cabinets["A"].street.core.set_readings(failed)
        await plant.until(lambda: plant.mode("A") is Mode.LOCAL)
        assert "62% of the detectors" in plant.latest("A").alarms[0]
        assert plant.mode("B") is Mode.REMOTE
        plant.cabinets["A"].street.core.set_readings((DetectorReading(),) * count)
        await plant.until(lambda: plant.mode("A") is Mode.REMOTE)


async def test_a_cabinet_that_is_unreachable_is_offline_alone_and_comes_back(tmp_path: Path) -> None:
    async with Plant(tmp_path, "A", "B") as plant:
        plant.cabinets["A"].street.fail_with = CabinetTimeout("no answer")
        await plant.until(lambda: not plant.latest("A").online)
        assert plant.latest("A").now is None
        assert plant.mode("B") is Mode.REMOTE
        plant.cabinets["A"].street.fail_with = None
        await plant.until(lambda: plant.latest("A").online, 120)
        await plant.until(lambda: plant.mode("A") is Mode.REMOTE)


async def test_every_accepted_plan_has_its_record_and_the_end_hands_back(tmp_path: Path) -> None:
    plant = Plant(tmp_path, "A", "B", "C")
    async with plant:
        await plant.until(lambda: plant.statistics.plans_accepted >= 30, 200)
    assert all(plant.mode(name) is Mode.LOCAL for name in plant.cabinets)
    assert plant.statistics.decisions_audited == plant.statistics.plans_accepted
    log = AuditLog(tmp_path / "audit.sqlite")
    assert len(list(log.read(kind="decision"))) == plant.statistics.decisions_audited
    assert log.verify().intact
    log.close()


async def test_junctions_of_a_slot_are_decided_in_one_batch(tmp_path: Path) -> None:
    names = [f"J{number}" for number in range(30)]
    async with Plant(tmp_path, *names) as plant:
        await plant.until(lambda: plant.statistics.plans_accepted >= 60, 200)
        assert max(plant.policy.batches) == 3, "thirty junctions in ten slots"


async def test_what_the_guard_changes_is_counted_by_who_asked_and_why(tmp_path: Path) -> None:
    async with Plant(tmp_path, "A") as plant:
        plant.policy.mischief = lambda views: [
            next((s for s in range(3) if not view.allowed >> s & 1), 0) for view in views
        ]
        await plant.until(lambda: bool(plant.statistics.interventions), 120)
        assert {source for source, _ in plant.statistics.interventions} == {Source.POLICY}


async def test_a_lease_that_ends_by_itself_is_recorded_once(tmp_path: Path) -> None:
    async with Plant(tmp_path, "A") as plant:
        acquire(plant.leases, "A", "kim", 1.0, "works")
        await plant.until(lambda: bool(list(plant.audit.read(kind="lease-expired"))), 10)
        await plant.until(lambda: plant.statistics.plans_accepted >= 3, 60)
        assert [record.actor for record in plant.audit.read(kind="lease-expired")] == ["kim"]
