"""The Modbus driver at a PLC it does not know: programmed from the published map, with none of our code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from stopline_cabinets import Can, Mode, PlanCommand, PlanRow, check_cabinet
from stopline_cabinets.errors import PlanRefused, WrongCabinet
from stopline_cabinets.modbus import ModbusCabinet
from stopline_cabinets.words import Kind, Result, digest32
from stopline_signals.plan import NO_CONFLICT, Detector, DetectorKind, SignalGroup, SignalPlan, Stage
from tests.cabinets.modbus_foreign_plc import ALL_RED, MIN_GREEN, YELLOW, Plc

RATE = 5.0
CLEARANCE = YELLOW + ALL_RED
PLAN = SignalPlan(
    junction="PLC",
    groups=tuple(
        SignalGroup(name=name, min_green=MIN_GREEN, max_green=300, max_red=1200, yellow=YELLOW)
        for name in "AB"
    ),
    stages=(Stage("A", (0,)), Stage("B", (1,))),
    intergreen=((NO_CONFLICT, CLEARANCE), (CLEARANCE, NO_CONFLICT)),
    yields=((False, False), (False, False)),
    detectors=tuple(
        Detector(f"{name} near", DetectorKind.NEAR_ZONE, at, 0.0, 50.0, 6.0) for at, name in enumerate("AB")
    ),
)


class Bench:
    """One PLC and drivers for it."""

    def __init__(self, plc: Plc, port: int) -> None:
        self.plc = plc
        self._port = port
        self.made: list[ModbusCabinet] = []

    def driver(self, owner: int = 7, label: str = "test", plan: SignalPlan = PLAN) -> ModbusCabinet:
        cabinet = ModbusCabinet(
            "127.0.0.1", self._port, plan, owner=owner, label=label, limit=100, timeout=2, write_timeout=4
        )
        self.made.append(cabinet)
        return cabinet

    async def pause(self, tenths: int) -> None:
        await asyncio.sleep(tenths / 10 / RATE)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    plc = Plc(digest32(PLAN.digest()), rate=RATE)
    found = Bench(plc, await plc.open())
    yield found
    for cabinet in found.made:
        await cabinet.close()
    await plc.close()


async def test_a_plc_programmed_from_the_map_passes_the_conformance_test(bench: Bench) -> None:
    """Every promise of the seam: plans, deadlines, leases, refusals by their codes, the watchdog."""
    findings = await check_cabinet(bench.driver, PLAN, bench.pause)
    assert len(findings) > 25


async def test_what_it_cannot_do_is_not_sent_twice(bench: Bench) -> None:
    cabinet = bench.driver()
    state = await cabinet.connect()
    assert state.can is Can.NONE
    with pytest.raises(PlanRefused) as refused:
        await cabinet.write(PlanCommand(cabinet.next_seq, (), 100, kind=Kind.PREEMPT, pattern=1))
    assert refused.value.result is Result.UNABLE


async def test_its_own_program_takes_over_when_the_driver_dies(bench: Bench) -> None:
    cabinet, watcher = bench.driver(), bench.driver(owner=8)
    await cabinet.connect()
    await cabinet.write(PlanCommand(cabinet.next_seq, (PlanRow(1, MIN_GREEN, 3000),), 3000))
    assert (await watcher.connect(lease=False)).mode is Mode.REMOTE
    await cabinet.close()
    await bench.pause(130)
    state = await watcher.read()
    assert (state.mode, state.owner, state.active_seq) == (Mode.LOCAL, 0, 0)


async def test_a_plc_with_another_plan_is_refused(bench: Bench) -> None:
    other = replace(PLAN, groups=tuple(replace(group, min_green=60) for group in PLAN.groups))
    with pytest.raises(WrongCabinet, match="load the same plan"):
        await bench.driver(plan=other).connect()
