"""The NTCIP driver at the virtual NTCIP cabinet, whose conflict monitor must never have anything to say."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from stopline_cabinets import check_cabinet
from stopline_cabinets.errors import CabinetRefused, LeaseRefused
from stopline_cabinets.ntcip import Address, Push, dial, timing_of
from stopline_cabinets.ntcip import NtcipCabinet as Driver
from stopline_cabinets.ntcip.checks import FAULT_DATABASE, FAULT_MONITOR, FAULT_PUSH
from stopline_cabinets.ntcip.groups import GroupMap
from stopline_cabinets.ntcip.push import Listener
from stopline_cabinets.preempts import preempt_for
from stopline_cabinets.snmp.codec import Version
from stopline_cabinets.words import CabinetState, Kind, Mode, PlanCommand, PlanRow, stage_minimum
from stopline_hil.clock import RunningClock
from stopline_hil.ntcip import AgentProfile, NtcipCabinet
from stopline_hil.ntcip import Push as PushMode
from stopline_signals.errors import CabinetError
from stopline_signals.ring_barrier import Phase, dual_ring

RATE = 10.0
PLAN = dual_ring(
    "Virtual", [Phase(number=1, permissive_with=(2,)), Phase(number=2, walk=70, ped_clear=100)]
).plan()


class Rig:
    """One virtual cabinet, running, and drivers for it."""

    def __init__(self, cabinet: NtcipCabinet, leases: Path) -> None:
        self.cabinet = cabinet
        self._leases = leases

    def driver(self, owner: int = 7, label: str = "test", **options: Any) -> Driver:
        version = options.pop("version", Version.V1)
        dialed = options.pop("dialed", None)
        known: dict[str, Any] = {"rate": RATE, "lease_dir": self._leases} | options
        address = dialed or Address(
            host="127.0.0.1", port=self.cabinet.port, profile="virtual", version=version
        )
        return Driver(
            lambda: dial(address),
            PLAN,
            address=f"127.0.0.1:{self.cabinet.port}",
            owner=owner,
            label=label,
            **known,
        )

    async def pause(self, tenths: int) -> None:
        await asyncio.sleep(tenths / 10 / RATE)

    async def asked(self, stage: str, **options: Any) -> Driver:
        """A driver whose stage is in force."""
        driver = self.driver(**options)
        await driver.connect()
        number = PLAN.stage_index(stage)
        await self.until(driver, lambda s: s.mode is Mode.LOCAL and not s.in_transition)
        await driver.write(self.command(driver, number))
        await self.until(driver, lambda s: s.stage == number and not s.in_transition)
        return driver

    def command(self, driver: Driver, stage: int, ttl: int = 3000) -> PlanCommand:
        return PlanCommand(driver.next_seq, (PlanRow(stage, stage_minimum(PLAN, stage), 3000),), ttl)

    async def until(
        self, driver: Driver, done: Callable[[CabinetState], bool], patience: int = 900
    ) -> CabinetState:
        for _ in range(0, patience, 4):
            await driver.heartbeat()
            state = await driver.read()
            if done(state):
                return state
            await self.pause(4)
        raise AssertionError(f"not within {patience / 10} s: {await driver.read()}")


async def running(leases: Path, **options: Any) -> AsyncIterator[Rig]:
    async with NtcipCabinet(PLAN, RunningClock(rate=RATE), **options) as cabinet:
        ticking = asyncio.create_task(cabinet.run())
        yield Rig(cabinet, leases)
        ticking.cancel()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async for found in running(tmp_path):
        yield found
        assert found.cabinet.violations == []


async def test_the_virtual_cabinet_passes_the_conformance_test(rig: Rig) -> None:
    assert len(await check_cabinet(rig.driver, PLAN, rig.pause)) > 60


async def test_one_object_a_message_and_slow_answers_are_enough(tmp_path: Path) -> None:
    """The poorest controller there is, 20 ms of its time for each object; stages are reached all the same."""
    profile = AgentProfile(max_varbinds=1, answer_delay=0.002)
    async for rig in running(tmp_path, profile=profile):
        driver = await rig.asked("4+8", poll=5, version=Version.V2C)
        assert driver.session.peer.max_varbinds == 1
        await driver.release()
        assert rig.cabinet.released
        assert rig.cabinet.violations == []


class BadLine(asyncio.DatagramProtocol):
    """Between driver and cabinet: loses a tenth of the datagrams, doubles a tenth, and mixes their order."""

    def __init__(self, cabinet: int) -> None:
        self.dice = random.Random(7)
        self.lost = self.passed = 0
        self._cabinet = ("127.0.0.1", cabinet)
        self._driver = ("127.0.0.1", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr != self._cabinet:
            self._driver = addr
        there = self._driver if addr == self._cabinet else self._cabinet
        if self.dice.random() < 0.1:
            self.lost += 1
            return
        for _ in range(1 + (self.dice.random() < 0.1)):
            self.passed += 1
            asyncio.get_running_loop().call_later(
                self.dice.uniform(0.0, 0.03), self._transport.sendto, data, there
            )


async def test_a_bad_line_slows_control_and_harms_nothing(rig: Rig) -> None:
    loop = asyncio.get_running_loop()
    transport, line = await loop.create_datagram_endpoint(
        lambda: BadLine(rig.cabinet.port), local_addr=("127.0.0.1", 0)
    )
    address = Address(
        host="127.0.0.1",
        port=transport.get_extra_info("sockname")[1],
        profile="virtual",
        timeout_s=0.25,
    )
    driver = rig.driver(dialed=address)
    wanted, reached = 0, set[int]()
    await persist(lambda: driver.connect())
    for _ in range(25):
        try:
            if driver.next_seq == 1 or wanted in reached:
                wanted = (wanted + 1) % len(PLAN.stages)
                await driver.write(rig.command(driver, wanted))
            await driver.heartbeat()
            state = await driver.read()
        except LeaseRefused:
            await persist(lambda: driver.connect())
        except CabinetError:
            continue
        else:
            if state.stage == wanted and not state.in_transition:
                reached.add(wanted)
        await rig.pause(4)
    assert line.lost > 5 and line.passed > 60
    assert len(reached) >= 1
    await persist(driver.release)
    await rig.pause(20)
    assert rig.cabinet.released, "nothing is stuck"
    transport.close()


async def persist(attempt: Callable[[], Awaitable[object]]) -> None:
    """Try again until it gets through a bad line."""
    for _ in range(40):
        try:
            await attempt()
        except CabinetError:
            await asyncio.sleep(0.02)
        else:
            return
    raise AssertionError("never got through")


async def test_a_pattern_loaded_by_us_is_run_by_the_cabinet(rig: Rig) -> None:
    driver = rig.driver()
    await driver.connect()
    stages = [(PLAN.stage_index(name), seconds) for name, seconds in (("1+5", 12), ("2+6", 30), ("3+7", 12))]
    timing = timing_of(
        GroupMap(PLAN), [*stages, (PLAN.stage_index("4+8"), 16)], pattern=9, split_table=9, coordinated=2
    )
    await driver.load_pattern(timing)
    await driver.write(PlanCommand(driver.next_seq, (), 3000, kind=Kind.PATTERN, pattern=9))
    await rig.until(driver, lambda s: driver.session.watcher.unit.pattern_running == 9)
    state = await driver.read()
    assert state.mode is Mode.REMOTE
    assert not state.faults & FAULT_DATABASE
    await driver.release()
    assert rig.cabinet.released


async def test_the_push_of_the_cabinet_is_the_drivers_eye(rig: Rig) -> None:
    port = (probe := await Listener.shared("127.0.0.1", 0)).port
    probe.close()
    rig.cabinet.pusher.fixed = rig.cabinet.pusher.target = ("127.0.0.1", port)
    rig.cabinet.pusher.mode = PushMode(6)
    driver = rig.driver(push=Push("127.0.0.1", port, "127.0.0.1"), poll=1000)
    await driver.connect()
    await asyncio.sleep(0.2)
    state = await driver.read()
    assert not state.faults & FAULT_PUSH
    stage = PLAN.stage_index("3+8")
    await driver.write(rig.command(driver, stage))
    await rig.until(driver, lambda s: s.stage == stage and not s.in_transition)


async def test_a_preempt_asked_for_runs_and_ends(rig: Rig) -> None:
    driver = await rig.asked("4+8")
    number = preempt_for(PLAN, PLAN.stage_index("2+5"))
    assert number is not None
    await driver.write(PlanCommand(driver.next_seq, (), 3000, kind=Kind.PREEMPT, pattern=number))
    stage = PLAN.stage_index("2+5")
    state = await rig.until(driver, lambda s: s.stage == stage and s.preempt and not s.in_transition)
    assert state.mode is Mode.REMOTE
    await driver.write(rig.command(driver, PLAN.stage_index("4+8")))
    modes: set[Mode] = set()

    def back(state: CabinetState) -> bool:
        modes.add(state.mode)
        return state.stage == PLAN.stage_index("4+8") and not state.in_transition

    state = await rig.until(driver, back)
    assert not state.preempt and modes == {Mode.REMOTE}, "its exit is still ours"


async def test_a_wired_preempt_outranks_us(rig: Rig) -> None:
    driver = await rig.asked("4+8")
    rig.cabinet.set_preempt(1, True)
    state = await rig.until(driver, lambda s: s.mode is Mode.PREEMPT)
    await driver.heartbeat()
    assert state.preempt and rig.cabinet.released
    rig.cabinet.set_preempt(1, False)
    await rig.until(driver, lambda s: s.mode is Mode.LOCAL)


async def test_the_panel_the_monitor_and_the_switch_end_control(rig: Rig) -> None:
    driver = await rig.asked("4+8")
    rig.cabinet.set_manual(0)
    await rig.until(driver, lambda s: s.mode is Mode.MANUAL)
    await driver.heartbeat()
    assert rig.cabinet.released
    rig.cabinet.set_manual(None)
    await rig.until(driver, lambda s: s.mode is Mode.LOCAL)
    rig.cabinet.set_flash(True)
    state = await rig.until(driver, lambda s: s.mode is Mode.FLASH)
    assert not state.faults & FAULT_MONITOR
    rig.cabinet.set_flash(False)
    await rig.until(driver, lambda s: s.mode is Mode.LOCAL)
    rig.cabinet.unit.trip()
    state = await rig.until(driver, lambda s: s.mode is Mode.FLASH)
    assert state.faults & FAULT_MONITOR and not state.monitor_ok


async def test_a_power_cut_is_a_restart(rig: Rig) -> None:
    driver = await rig.asked("4+8")
    await rig.until(driver, lambda s: s.time > 300)
    before = (await driver.read()).time
    rig.cabinet.power_off()
    await asyncio.sleep(0.05)
    rig.cabinet.power_on()
    await rig.pause(12)
    state = await driver.read()
    assert state.time < before
    with pytest.raises(LeaseRefused, match="restarted"):
        await driver.heartbeat()
    await driver.connect(lease=False)
    await driver.connect()


async def test_a_change_at_the_keyboard_is_noticed(rig: Rig) -> None:
    driver = await rig.asked("4+8")
    rig.cabinet.edit_by_hand("phaseMinimumGreen", (8,), 7)
    state = await rig.until(driver, lambda s: bool(s.faults & FAULT_DATABASE))
    assert state.mode is Mode.REMOTE
    rig.cabinet.edit_by_hand("phaseMinimumGreen", (8,), 5)
    await rig.until(driver, lambda _: driver.session.database_changes == 2)
    assert driver.session.configuration.times[8].min_green == 50, "taken back: noticed and read again"
    rig.cabinet.edit_by_hand("unitBackupTime", (), 0)
    await rig.pause(12)
    await driver.read()
    await driver.heartbeat()
    assert rig.cabinet.released
    with pytest.raises(CabinetRefused, match="unitBackupTime is 0"):
        await driver.connect()
