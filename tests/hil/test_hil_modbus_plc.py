"""The virtual PLC cabinet: conformance, watchdog, its own monitor, foreign clients that know only the map."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymodbus.client import AsyncModbusTcpClient

from stopline_cabinets import (
    CabinetOffline,
    CabinetState,
    CabinetTimeout,
    Mode,
    PlanCommand,
    PlanRow,
    WrongCabinet,
    check_cabinet,
)
from stopline_cabinets.modbus import ModbusCabinet
from stopline_hil.clock import RunningClock, SteppedClock
from stopline_hil.example import crossroads
from stopline_hil.modbus_plc import PlcCabinet
from stopline_mmu import Lamp, Rule
from stopline_signals.detectors import DetectorReading
from stopline_signals.errors import CabinetError
from stopline_signals.plan import SignalPlan


class Bench(Protocol):
    plan: SignalPlan
    clock: SteppedClock
    cabinet: PlcCabinet

    def run(self, tenths: int) -> None: ...
    def client(
        self, owner: int = 7, label: str = "bench", *, port: int = 0, timeout: float = 0.3
    ) -> ModbusCabinet: ...


@pytest.mark.parametrize("step", [1, 10])
async def test_the_virtual_plc_conforms(step: int) -> None:
    plan, clock = crossroads().rounded_up(step), SteppedClock(1000)
    async with PlcCabinet(plan, clock, step=step) as cabinet:

        async def pause(tenths: int) -> None:
            clock.advance(tenths)
            cabinet.tick(clock.tenths())

        def client(owner: int, label: str) -> ModbusCabinet:
            return ModbusCabinet("127.0.0.1", cabinet.port, plan, owner=owner, label=label)

        findings = await check_cabinet(client, plan, pause)
        assert all(finding.met for finding in findings)
        assert cabinet.violations == []


async def test_heartbeat_loss_goes_local_within_the_limit_in_real_time() -> None:
    plan, clock = crossroads(), RunningClock(rate=5)
    async with PlcCabinet(plan, clock) as cabinet:
        ticking = asyncio.create_task(cabinet.run(0.005))
        client = ModbusCabinet("127.0.0.1", cabinet.port, plan, owner=1, limit=30, timeout=2.0)
        while cabinet.state().mode is not Mode.LOCAL:
            await asyncio.sleep(0.01)
        await client.connect()
        await client.write(PlanCommand(client.next_seq, (PlanRow(2, 70, 600),), 3000))
        for _ in range(20):
            await client.heartbeat()
            await asyncio.sleep(0.03)
        assert (await client.read()).mode is Mode.REMOTE
        await client.heartbeat()
        assert cabinet.core.lease is not None
        silent_since = cabinet.core.lease.beat_at
        await client.close()  # the controller is gone without a word
        while cabinet.state().mode is Mode.REMOTE:
            await asyncio.sleep(0.002)
        assert 30 <= clock.tenths() - silent_since <= 30 + 20  # as long as this machine makes one wait
        ticking.cancel()
        assert cabinet.violations == []


class Sabotaged(PlcCabinet):
    """Its lamps get a second, conflicting green."""

    broken = False

    def _observe(self, now: int, aspects: tuple[int, ...]) -> None:
        super()._observe(now, (3, 3, 3, 3, 3) if self.broken and not self.core.flashing else aspects)


async def test_its_monitor_puts_it_on_flash_and_latches() -> None:
    plan, clock = crossroads(), SteppedClock(0)
    async with Sabotaged(plan, clock) as cabinet:
        client = ModbusCabinet("127.0.0.1", cabinet.port, plan, owner=1)
        clock.advance(200)
        cabinet.tick(200)
        await client.connect()
        await client.write(PlanCommand(client.next_seq, (PlanRow(2, 70, 600),), 600))
        cabinet.broken = True
        clock.advance(1)
        cabinet.tick(201)
        cabinet.broken = False
        assert set(cabinet.lamps()) == {Lamp.FLASH}
        state = await client.read()
        assert state.mode is Mode.FLASH
        assert not state.monitor_ok
        assert state.violations >= 1
        assert cabinet.violations[0].rule is Rule.CONFLICT
        with pytest.raises(CabinetError, match="manual or on flash"):
            await client.write(PlanCommand(client.next_seq, (PlanRow(2, 70, 600),), 600))
        cabinet.restart()
        assert cabinet.state().mode is Mode.FLASH, "power loss must not clear the latch"
        cabinet.reset_monitor()
        clock.advance(200)
        cabinet.tick(401)
        assert cabinet.state().mode is Mode.LOCAL
        await client.close()


async def test_a_reboot_is_seen_and_survived(bench: Bench) -> None:
    client = bench.client()
    await client.connect()
    await client.write(PlanCommand(client.next_seq, (PlanRow(2, 70, 600),), 600))
    bench.cabinet.restart()
    bench.cabinet.monitor.reset()  # the power cut interrupted greens, which is no fault of the timing
    bench.run(200)
    with pytest.raises(CabinetError, match="lease ran out"):
        await client.heartbeat()
    await client.connect()
    await client.write(PlanCommand(client.next_seq, (PlanRow(2, 70, 600),), 600))
    assert (await client.read()).active_seq == 1


async def test_a_taken_port_is_an_error_that_says_which() -> None:
    async with PlcCabinet(crossroads(), SteppedClock()) as first:
        second = PlcCabinet(crossroads(), SteppedClock(), port=first.port)
        with pytest.raises(CabinetError, match=str(first.port)):
            await second.start()


moves = st.lists(
    st.tuples(
        st.sampled_from(["plan", "beat", "claim", "release", "call", "manual", "leave", "wait"]),
        st.integers(0, 2),
        st.integers(1, 60),
    ),
    max_size=60,
)


@given(moves)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_controller_does_the_lamps_stay_legal(steps: list[tuple[str, int, int]]) -> None:
    plan, clock = crossroads(), SteppedClock(0)
    cabinet = PlcCabinet(plan, clock)
    core = cabinet.core
    for number, (what, stage, tenths) in enumerate(steps, start=1):
        now = clock.tenths()
        if what == "plan":
            rows = (PlanRow(stage, 90, 100), PlanRow((stage + 1) % 3, 90, 200))
            core.submit(PlanCommand(core.accepted_seq + 1, rows, tenths * 10), 1, number, now)
        elif what == "beat":
            core.beat(1, number, now)
        elif what == "claim":
            core.claim(1, "", 10 + tenths, number, now)
        elif what == "release":
            core.give_back(1, now)
        elif what == "call":
            cabinet.set_readings([DetectorReading(int(d.group == stage)) for d in plan.detectors])
        elif what in ("manual", "leave"):
            core.set_manual(stage if what == "manual" else None)
        clock.advance(tenths)
        cabinet.tick(clock.tenths())
    assert cabinet.violations == []


# --- foreign clients: they know docs/modbus_map.md and nothing else ---


async def test_a_bare_client_writes_a_plan_from_the_document(bench: Bench) -> None:
    client = AsyncModbusTcpClient("127.0.0.1", port=bench.cabinet.port, retries=0)
    await client.connect()
    state = (await client.read_input_registers(0, count=125, device_id=1)).registers
    assert state[0] == 0x0102
    assert state[1] == state[124]
    lease = [0x0001, 0x0002, 1, 30, 1, 0x424F, 0x4220, 0, 0, 0, 0, 0, 0]
    assert not (await client.write_registers(100, lease, device_id=1)).isError()
    seq, stage = state[47] + 1, 2
    plan = [0x0102, seq, 1, 1, 0, 300, 0, 0, 0x0001, 0x0002, 0, 1 << stage, 70, 600] + [0] * 60
    crc = zlib.crc32(b"".join(word.to_bytes(2, "big") for word in plan[1:74]))
    plan += [crc >> 16, crc & 0xFFFF, seq]
    assert len(plan) == 77
    assert not (await client.write_registers(0, plan, device_id=1)).isError()
    for beat in range(2, 10):
        bench.run(20)
        assert not (await client.write_registers(100, [0x0001, 0x0002, beat], device_id=1)).isError()
    state = (await client.read_input_registers(0, count=125, device_id=1)).registers
    assert (state[2], state[6], state[8], state[9]) == (2, seq, seq, 1)
    assert (state[10] << 16 | state[11]) == crc
    assert (state[14], state[16]) == (stage, 0)
    assert state[21] == 1 << 2 | 1 << 4  # side street and the crossing beside it show green and walk
    inputs = (await client.read_discrete_inputs(0, count=16, device_id=1)).bits
    assert inputs[0]
    assert inputs[8]
    client.close()


async def test_a_wrong_crc_is_refused_and_stored_nowhere(bench: Bench) -> None:
    good = bench.client()
    await good.connect()
    await good.write(PlanCommand(good.next_seq, (PlanRow(2, 70, 600),), 600))
    client = AsyncModbusTcpClient("127.0.0.1", port=bench.cabinet.port, retries=0)
    await client.connect()
    held = (await client.read_holding_registers(0, count=77, device_id=1)).registers
    damaged = [*held]
    damaged[1] = damaged[76] = 2
    damaged[13] ^= 1
    answer = await client.write_registers(0, damaged, device_id=1)
    assert answer.isError()
    assert answer.exception_code == 3
    state = (await client.read_input_registers(0, count=125, device_id=1)).registers
    assert (state[6], state[8], state[9]) == (1, 2, 3)
    assert (await client.read_holding_registers(0, count=77, device_id=1)).registers == held
    client.close()


@pytest.mark.parametrize(
    ("address", "count", "code"), [(0, 10, 2), (10, 4, 2), (1, 76, 2), (100, 2, 2), (104, 1, 2), (400, 1, 2)]
)
async def test_a_part_of_a_block_is_refused(bench: Bench, address: int, count: int, code: int) -> None:
    client = AsyncModbusTcpClient("127.0.0.1", port=bench.cabinet.port, retries=0)
    await client.connect()
    answer = await client.write_registers(address, [1] * count, device_id=1)
    assert answer.isError()
    assert answer.exception_code == code
    assert (await client.write_register(12, 10, device_id=1)).isError()
    client.close()


async def test_the_clearances_can_be_read(bench: Bench) -> None:
    client = AsyncModbusTcpClient("127.0.0.1", port=bench.cabinet.port, retries=0)
    await client.connect()
    change = (await client.read_input_registers(1064, count=5, device_id=1)).registers
    assert change == [group.change for group in bench.plan.groups]
    for i, row in enumerate(bench.plan.intergreen):
        read = (await client.read_input_registers(1296 + 32 * i, count=len(row), device_id=1)).registers
        assert read == [0xFFFF if value < 0 else value for value in row]
    protected = (await client.read_input_registers(1168, count=6, device_id=1)).registers
    assert protected[1::2] == [0b01001, 0b01010, 0b10100]
    client.close()


async def test_mbpoll_reads_the_map(bench: Bench, tool: Callable[[str], str]) -> None:
    mbpoll = tool("mbpoll")
    client = bench.client(owner=0x10002)
    await client.connect()
    await client.write(PlanCommand(client.next_seq, (PlanRow(0, 70, 600),), 600))

    async def poll(kind: str, first: int, count: int) -> list[str]:
        command = [mbpoll, "-m", "tcp", "-p", str(bench.cabinet.port), "-a", "1", "-0", "-1", "-q"]
        command += ["-t", kind, "-r", str(first), "-c", str(count), "127.0.0.1"]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=10)
        assert done.returncode == 0, done.stderr
        lines = [line.split() for line in done.stdout.splitlines() if line.startswith("[")]
        return [parts[1] for parts in lines]

    state = await poll("3:hex", 0, 48)
    assert state[0] == "0x0102"
    assert (state[6], state[9]) == ("0x0001", "0x0001")
    assert (state[35], state[36]) == ("0x0001", "0x0002")
    plan = await poll("4:hex", 0, 77)
    assert plan[0] == "0x0102"
    assert plan[76] == "0x0001"
    inputs = await poll("1", 0, 16)
    assert inputs[0] == "1"
    intergreen = await poll("3", 1296, 5)
    assert intergreen[1] == "50"


async def test_mbpoll_takes_the_lease(bench: Bench, tool: Callable[[str], str]) -> None:
    command = [tool("mbpoll"), "-m", "tcp", "-p", str(bench.cabinet.port), "-a", "1", "-0", "-q", "-t", "4"]
    command += ["-r", "100", "127.0.0.1", "0", "99", "1", "30", "1", *["0"] * 8]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (await bench.client().connect(lease=False)).owner == 99


def test_a_plan_larger_than_the_map_is_refused() -> None:
    plan = crossroads()
    detectors = tuple(replace(plan.detectors[0], name=f"d{n}") for n in range(65))
    with pytest.raises(CabinetError, match="65 detectors; the map holds"):
        PlcCabinet(replace(plan, detectors=detectors), SteppedClock())._sim_device()


async def test_each_detector_and_each_demand_is_a_discrete_input(bench: Bench) -> None:
    plan = bench.plan
    readings = [DetectorReading() for _ in plan.detectors]
    readings[3] = DetectorReading(2, 1)
    readings[5] = DetectorReading(1)
    bench.cabinet.set_readings(readings)
    bench.run(1)
    client = AsyncModbusTcpClient("127.0.0.1", port=bench.cabinet.port, retries=0)
    await client.connect()
    bits = (await client.read_discrete_inputs(16, count=len(plan.detectors), device_id=1)).bits
    assert [number for number, bit in enumerate(bits) if bit] == [3, 5]
    called = (await client.read_discrete_inputs(80, count=len(plan.groups), device_id=1)).bits
    assert {plan.detectors[3].group, plan.detectors[5].group} <= {n for n, bit in enumerate(called) if bit}
    client.close()


async def test_there_are_no_coils_to_write(bench: Bench) -> None:
    client = AsyncModbusTcpClient("127.0.0.1", port=bench.cabinet.port, retries=0)
    await client.connect()
    for answer in (
        await client.write_coil(0, True, device_id=1),
        await client.write_coils(0, [True] * 8, device_id=1),
    ):
        assert answer.isError()
        assert answer.exception_code == 1
    client.close()


async def connected(driver: ModbusCabinet) -> CabinetState:
    """Reach a cabinet that was away, however long the driver waits between two attempts."""
    for _ in range(100):
        try:
            return await driver.connect(lease=False)
        except CabinetError:
            await asyncio.sleep(0.1)
    raise AssertionError("it does not come back")


async def test_a_power_cut_darkens_the_lamps_and_ends_lease_and_plan(bench: Bench) -> None:
    driver = bench.client()
    await driver.connect()
    await driver.write(PlanCommand(driver.next_seq, (PlanRow(2, 70, 600),), 600))
    bench.run(20)
    await bench.cabinet.power_off()
    assert set(bench.cabinet.lamps()) == {Lamp.DARK}
    bench.run(50)
    with pytest.raises(CabinetError):
        await driver.read()
    await bench.cabinet.power_on()
    assert set(bench.cabinet.lamps()) == {Lamp.RED}
    state = await connected(driver)
    assert (state.mode, state.owner, state.active_seq) == (Mode.STARTUP, 0, 0)
    bench.run(bench.plan.startup_red + 10)
    assert (await driver.read()).mode is Mode.LOCAL


async def test_a_clock_that_is_set_moves_no_deadline(bench: Bench) -> None:
    driver = bench.client()
    await driver.connect()
    await driver.write(PlanCommand(driver.next_seq, (PlanRow(2, 70, 600),), 600))
    before = await driver.read()
    bench.cabinet.set_clock(0)
    after = await driver.read()
    assert (after.time, after.ttl_remaining, after.heartbeat_age) == (
        before.time,
        before.ttl_remaining,
        before.heartbeat_age,
    )
    raw = AsyncModbusTcpClient("127.0.0.1", port=bench.cabinet.port, retries=0)
    await raw.connect()
    shown = (await raw.read_input_registers(39, count=2, device_id=1)).registers
    assert shown[0] << 16 | shown[1] < 60
    raw.close()


async def test_another_program_starts_over_and_is_another_cabinet(bench: Bench) -> None:
    driver = bench.client()
    await driver.connect()
    groups = tuple(replace(group, max_green=group.max_green + 10) for group in bench.plan.groups)
    await bench.cabinet.load(replace(bench.plan, groups=groups))
    with pytest.raises(WrongCabinet, match="load the same plan on both sides"):
        for _ in range(100):
            with contextlib.suppress(CabinetOffline, CabinetTimeout):
                await driver.read()
            await asyncio.sleep(0.1)
    await bench.cabinet.load(bench.plan)
    assert (await connected(driver)).mode is Mode.STARTUP


async def test_the_panel_decides_and_the_monitor_latches_over_a_power_cut(bench: Bench) -> None:
    cabinet = bench.cabinet
    cabinet.set_manual(1)
    bench.run(400)
    assert (cabinet.state().mode, cabinet.state().stage) == (Mode.MANUAL, 1)
    cabinet.set_manual(None)
    cabinet.set_flash(True)
    bench.run(5)
    assert (cabinet.state().mode, set(cabinet.lamps())) == (Mode.FLASH, {Lamp.FLASH})
    cabinet.set_flash(False)
    bench.run(60)
    assert cabinet.state().mode is Mode.LOCAL
    cabinet.trip()
    bench.run(5)
    assert not cabinet.state().monitor_ok
    cabinet.reset_monitor()
    bench.run(60)
    assert (cabinet.state().mode, cabinet.state().monitor_ok) == (Mode.LOCAL, True)
