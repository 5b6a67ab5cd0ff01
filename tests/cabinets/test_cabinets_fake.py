"""The in-memory cabinet keeps the promises of the seam; the conformance test notices one that does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stopline_cabinets import (
    CabinetOffline,
    CabinetState,
    ConformanceError,
    Finding,
    LeaseRefused,
    PlanCommand,
    PlanRefused,
    PlanRow,
    Receipt,
    Result,
    WrongCabinet,
    check_cabinet,
)
from stopline_cabinets.fake import FakeCabinet, FakeStreet
from stopline_cabinets.reference import ReferenceCabinet
from stopline_hil.example import crossroads
from stopline_signals.errors import CabinetTimeout

PLAN = crossroads()


async def conformance(street: FakeStreet, client: type[FakeCabinet] = FakeCabinet) -> list[Finding]:
    async def pause(tenths: int) -> None:
        street.run(tenths)

    return await check_cabinet(lambda owner, label: client(street, owner=owner, label=label), PLAN, pause)


async def test_the_fake_conforms() -> None:
    findings = await conformance(FakeStreet(PLAN))
    assert len(findings) > 25
    assert all(finding.met for finding in findings)


class TakesEveryPlan(ReferenceCabinet):
    def _judge(self, command: PlanCommand, owner: int) -> Result:
        return Result.ACCEPTED


class HasNoWatchdog(ReferenceCabinet):
    def _watch(self, now: int) -> None:
        if self.lease is not None:
            self.lease.beat_at = now
        super()._watch(now)


class KeepsPlansForEver(ReferenceCabinet):
    def submit(self, command: PlanCommand, owner: int, crc: int, now: int) -> Result:
        longer = PlanCommand(command.seq, command.rows, 3000 if command.ttl else 0, command.valid_from)
        return super().submit(longer, owner, crc, now)


class LetsAnybodyIn(ReferenceCabinet):
    def claim(self, owner: int, label: str, limit: int, counter: int, now: int) -> bool:
        self.lease = None
        return super().claim(owner, label, limit, counter, now)


class RevivesALease(ReferenceCabinet):
    def beat(self, owner: int, counter: int, now: int) -> bool:
        return super().beat(owner, counter, now) or self.claim(owner, "", 30, counter, now)


class IgnoresPlans(ReferenceCabinet):
    def _request(self, now: int) -> int:
        return 0


class KeepsALeaseGivenBack(ReferenceCabinet):
    def give_back(self, owner: int, now: int) -> bool:
        return True


class StandsStill(ReferenceCabinet):
    def state(self, now: int) -> CabinetState:
        return super().state(0)


DEFECTS: list[tuple[Callable[..., ReferenceCabinet], str]] = [
    (TakesEveryPlan, "refuses STALE_SEQUENCE"),
    (HasNoWatchdog, "silence puts it on its local plan"),
    (KeepsPlansForEver, "a plan ends with its ttl"),
    (LetsAnybodyIn, "a second controller is refused by name"),
    (RevivesALease, "a lease that ran out stays out"),
    (IgnoresPlans, "stage left is reached"),
    (KeepsALeaseGivenBack, "release ends the plan and the lease"),
    (StandsStill, "cabinet time runs"),
]


@pytest.mark.parametrize(("core", "requirement"), DEFECTS, ids=[defect[0].__name__ for defect in DEFECTS])
async def test_a_defect_fails_its_requirement(
    core: Callable[..., ReferenceCabinet], requirement: str
) -> None:
    street = FakeStreet(PLAN)
    street.core = core(PLAN, now=0)
    with pytest.raises(ConformanceError) as caught:
        await conformance(street)
    assert requirement in [finding.requirement for finding in caught.value.findings if not finding.met]


class ForgetsTheSequence(FakeCabinet):
    async def write(self, command: PlanCommand) -> Receipt:
        receipt = await super().write(command)
        return receipt._replace(seq=receipt.seq + 1)


async def test_a_driver_that_mixes_receipts_up_fails() -> None:
    with pytest.raises(ConformanceError, match="receipt carries the plan's number"):
        await conformance(FakeStreet(PLAN), ForgetsTheSequence)


async def test_errors_are_typed() -> None:
    street = FakeStreet(PLAN)
    street.run(200)
    cabinet, other = FakeCabinet(street, owner=1, label="mine"), FakeCabinet(street, owner=2, label="theirs")
    await cabinet.connect()
    with pytest.raises(LeaseRefused, match="leased by mine"):
        await other.connect()
    with pytest.raises(PlanRefused) as refusal:
        await cabinet.write(PlanCommand(cabinet.next_seq, (PlanRow(9, 50, 60),), 100))
    assert refusal.value.result is Result.UNKNOWN_STAGE
    with pytest.raises(WrongCabinet, match="another signal plan"):
        await FakeCabinet(street, plan=crossroads("elsewhere")).connect()
    street.online = False
    with pytest.raises(CabinetOffline):
        await cabinet.read()
    street.fail_with = CabinetTimeout("slow")
    with pytest.raises(CabinetTimeout):
        await cabinet.heartbeat()
