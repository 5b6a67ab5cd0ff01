"""The in-memory cabinet keeps every promise of the seam."""

from __future__ import annotations

import pytest

from stopline_cabinets import (
    CabinetOffline,
    ConformanceError,
    LeaseRefused,
    Mode,
    PlanCommand,
    PlanRefused,
    PlanRow,
    Result,
    WrongCabinet,
    check_cabinet,
    stage_minimum,
)
from stopline_cabinets.fake import FakeCabinet, FakeStreet
from stopline_hil.example import crossroads
from stopline_signals.errors import CabinetTimeout


async def test_the_fake_conforms() -> None:
    plan = crossroads()
    street = FakeStreet(plan)

    async def pause(tenths: int) -> None:
        street.run(tenths)

    findings = await check_cabinet(lambda owner, label: FakeCabinet(street, owner=owner, label=label), plan, pause)
    assert len(findings) > 25
    assert all(finding.met for finding in findings)
