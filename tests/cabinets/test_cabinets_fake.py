"""The in-memory cabinet keeps every promise of the seam."""

from __future__ import annotations

from stopline_cabinets import (
    check_cabinet,
)
from stopline_cabinets.fake import FakeCabinet, FakeStreet
from stopline_hil.example import crossroads


async def test_the_fake_conforms() -> None:
    plan = crossroads()
    street = FakeStreet(plan)

    async def pause(tenths: int) -> None:
        street.run(tenths)

    findings = await check_cabinet(
        lambda owner, label: FakeCabinet(street, owner=owner, label=label), plan, pause
    )
    assert len(findings) > 25
    assert all(finding.met for finding in findings)
