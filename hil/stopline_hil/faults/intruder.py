"""A second writer: another system that commands the same cabinet, past our wire."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from stopline_cabinets.errors import CabinetError
from stopline_cabinets.modbus.driver import ModbusCabinet
from stopline_cabinets.ntcip.objects import cell
from stopline_cabinets.snmp.codec import integer
from stopline_cabinets.snmp.peer import Access, CommunityPeer
from stopline_cabinets.words import PlanCommand, PlanRow, stage_minimum
from stopline_hil.faults.handles import INTRUDER
from stopline_hil.faults.target import Target

EVERY_S = 1.0
"""Cabinet seconds between two of its writes."""
EVERY_PHASE = 0xFF
"""Of the first group of eight."""


@asynccontextmanager
async def intruder(target: Target) -> AsyncGenerator[None]:
    """Write to the cabinet as long as this lasts, whatever it answers."""
    work = asyncio.create_task(_WRITERS[target.protocol](target))
    try:
        yield
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


async def _modbus(target: Target) -> None:
    """Tries to take the lease, and sends plans without it."""
    cabinet = target.handle.cabinet
    driver = ModbusCabinet(cabinet.host, cabinet.port, cabinet.plan, owner=INTRUDER, label="intruder")

    async def write() -> None:
        with contextlib.suppress(CabinetError):
            await driver.connect(lease=False)
            await driver.write(_plan(driver, target))
        with contextlib.suppress(CabinetError):
            await driver.connect()

    try:
        await _again_and_again(target, write)
    finally:
        await driver.close()


async def _ntcip(target: Target) -> None:
    """Calls every phase again and again, which also feeds the backup timer that all writers share.

    A call for one phase alone may be just what the controller wants, and then nobody can tell them apart.
    """
    cabinet = target.handle.cabinet
    peer = CommunityPeer(Access(host=cabinet.host, port=cabinet.port))
    target.handle.foreign = frozenset({("phaseControlGroupVehCall", 1), ("phaseControlGroupHold", 1)})
    call = integer(cell("phaseControlGroupVehCall", 1), EVERY_PHASE)
    hold = integer(cell("phaseControlGroupHold", 1), 0)

    async def write() -> None:
        with contextlib.suppress(CabinetError):
            await peer.set(lambda: [call, hold])

    await _again_and_again(target, write)


async def _again_and_again(target: Target, write: Callable[[], Awaitable[None]]) -> None:
    while True:
        await write()
        await target.pause(EVERY_S)


def _plan(driver: ModbusCabinet, target: Target) -> PlanCommand:
    plan = target.handle.cabinet.plan
    return PlanCommand(driver.next_seq, (PlanRow(0, stage_minimum(plan, 0), 600),), 600)


_WRITERS: Mapping[str, Callable[[Target], Coroutine[Any, Any, None]]] = {"modbus": _modbus, "ntcip": _ntcip}
