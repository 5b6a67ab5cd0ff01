"""The virtual PLC cabinet behind real Modbus TCP, driven by our driver."""

from __future__ import annotations

from stopline_cabinets import check_cabinet
from stopline_cabinets.modbus import ModbusCabinet
from stopline_hil.clock import SteppedClock
from stopline_hil.example import crossroads
from stopline_hil.modbus_plc import PlcCabinet


async def test_the_virtual_plc_conforms() -> None:
    plan, clock = crossroads(), SteppedClock(1000)
    async with PlcCabinet(plan, clock) as cabinet:

        async def pause(tenths: int) -> None:
            clock.advance(tenths)
            cabinet.tick(clock.tenths())

        def client(owner: int, label: str) -> ModbusCabinet:
            return ModbusCabinet("127.0.0.1", cabinet.port, plan, owner=owner, label=label)

        findings = await check_cabinet(client, plan, pause)
        assert all(finding.met for finding in findings)
        assert cabinet.violations == []
