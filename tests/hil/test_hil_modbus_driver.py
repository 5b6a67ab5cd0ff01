"""The Modbus driver against a virtual cabinet, over a wire that fails."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Protocol, cast

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from stopline_cabinets import (
    CabinetError,
    CabinetOffline,
    LeaseRefused,
    Mode,
    PlanCommand,
    PlanRefused,
    PlanRow,
    Result,
    TornRead,
    WrongCabinet,
)
from stopline_cabinets.modbus import LinkState, ModbusCabinet, codec
from stopline_cabinets.modbus.registers import PLAN_LENGTH, STATE_LENGTH
from stopline_cabinets.words import CabinetState, digest32
from stopline_hil.example import crossroads
from stopline_hil.faults import Clean, TcpWire, modbus_frame
from stopline_hil.faults.effects import Lose, LoseNext, Rewrite
from stopline_hil.modbus_plc import PlcCabinet
from stopline_signals.errors import CabinetTimeout
from stopline_signals.plan import SignalPlan

SIDE = PlanRow(2, 70, 600)


class Bench(Protocol):
    plan: SignalPlan
    cabinet: PlcCabinet

    def run(self, tenths: int) -> None: ...
    def client(
        self, owner: int = 7, label: str = "bench", *, port: int = 0, timeout: float = 0.3
    ) -> ModbusCabinet: ...


def ask(cabinet: ModbusCabinet, row: PlanRow = SIDE, ttl: int = 600) -> PlanCommand:
    return PlanCommand(cabinet.next_seq, (row,), ttl)


async def test_a_second_controller_is_refused_and_told_by_whom(bench: Bench) -> None:
    first, second = bench.client(7, "north"), bench.client(8, "south")
    await first.connect()
    with pytest.raises(LeaseRefused, match=r"leased by north \(id 7\)") as caught:
        await second.connect()
    assert (caught.value.owner, caught.value.label) == (7, "north")
    bench.run(31)
    await second.connect()
    with pytest.raises(LeaseRefused, match="leased by south"):
        await first.heartbeat()


async def test_a_stale_sequence_is_refused_and_changes_nothing(bench: Bench) -> None:
    cabinet = bench.client()
    await cabinet.connect()
    first = ask(cabinet)
    await cabinet.write(first)
    await cabinet.write(ask(cabinet))
    for old in (first, replace(first, ttl=300)):
        with pytest.raises(PlanRefused, match="stale sequence") as caught:
            await cabinet.write(old)
        assert caught.value.result is Result.STALE_SEQUENCE
    assert (await cabinet.read()).active_seq == 2
    assert bench.cabinet.plans_accepted == 2


async def test_the_sequence_goes_on_where_another_controller_left_it(bench: Bench) -> None:
    first = bench.client(7)
    await first.connect()
    for _ in range(3):
        await first.write(ask(first))
    await first.release()
    second = bench.client(8)
    await second.connect()
    assert second.next_seq == 4


async def test_a_lost_reply_is_one_plan_not_two(bench: Bench) -> None:
    async with TcpWire("127.0.0.1", bench.cabinet.port, modbus_frame) as wire:
        cabinet = bench.client(port=wire.port, timeout=0.15)
        await cabinet.connect()
        wire.effect = LoseNext(replies=1)
        sent = wire.requests
        receipt = await cabinet.write(ask(cabinet))
        assert receipt.sends == 1
        assert wire.requests == sent + 2  # the plan, and a look at what became of it
        assert bench.cabinet.plans_accepted == 1


async def test_a_lost_request_is_sent_again_after_a_look(bench: Bench) -> None:
    async with TcpWire("127.0.0.1", bench.cabinet.port, modbus_frame) as wire:
        cabinet = bench.client(port=wire.port, timeout=0.15)
        await cabinet.connect()
        wire.effect = LoseNext(requests=1)
        receipt = await cabinet.write(ask(cabinet))
        assert receipt.sends == 2
        assert bench.cabinet.plans_accepted == 1


async def test_a_refusal_whose_reply_was_lost_is_still_a_refusal(bench: Bench) -> None:
    async with TcpWire("127.0.0.1", bench.cabinet.port, modbus_frame) as wire:
        cabinet = bench.client(port=wire.port, timeout=0.15)
        await cabinet.connect()
        wire.effect = LoseNext(replies=1)
        with pytest.raises(PlanRefused) as caught:
            await cabinet.write(ask(cabinet, PlanRow(2, 10, 600)))
        assert caught.value.result is Result.UNSAFE_TIMING


async def test_a_plan_damaged_on_the_way_is_sent_again(bench: Bench) -> None:
    async with TcpWire("127.0.0.1", bench.cabinet.port, modbus_frame) as wire:
        cabinet = bench.client(port=wire.port)
        await cabinet.connect()
        wire.effect = Rewrite(1.0, random.Random(1), request=FlipInStageMask(2))
        receipt = await cabinet.write(ask(cabinet))
        assert receipt.sends == 3
        assert (await cabinet.read()).active_seq == receipt.seq
        assert bench.cabinet.plans_accepted == 1


class FlipInStageMask:
    """Inverts a bit in the stage mask of so many plans; other requests are shorter and pass."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, frame: bytes) -> bytes:
        at = 13 + 2 * 11
        if len(frame) <= at or not self.left:
            return frame
        self.left -= 1
        return frame[:at] + bytes((frame[at] ^ 1,)) + frame[at + 1 :]


async def test_a_silent_cabinet_is_a_timeout_then_offline_then_back(bench: Bench) -> None:
    async with TcpWire("127.0.0.1", bench.cabinet.port, modbus_frame) as wire:
        cabinet = bench.client(port=wire.port, timeout=0.05)
        await cabinet.connect()
        wire.effect = Lose(1.0, random.Random(1), replies=False)
        for _ in range(3):
            with pytest.raises(CabinetTimeout):
                await cabinet.read()
        assert str(cabinet.link.state) == "backing off"
        with pytest.raises(CabinetOffline, match="next attempt in"):
            await cabinet.read()
        wire.effect = Clean()
        await asyncio.sleep(0.3)
        state = await cabinet.read()
        assert state.owner == 7
        assert cabinet.link.state is LinkState.READY
        assert cabinet.link.connections == 2


async def test_a_broken_connection_is_made_again(bench: Bench) -> None:
    async with TcpWire("127.0.0.1", bench.cabinet.port, modbus_frame) as wire:
        cabinet = bench.client(port=wire.port)
        await cabinet.connect()
        wire.cut()
        await asyncio.sleep(0.05)
        with pytest.raises(CabinetError):
            await cabinet.heartbeat()
        await asyncio.sleep(0.2)
        await cabinet.heartbeat()
        await cabinet.write(ask(cabinet))
        assert bench.cabinet.plans_accepted == 1


async def test_a_write_gives_up_at_its_deadline(bench: Bench) -> None:
    async with TcpWire("127.0.0.1", bench.cabinet.port, modbus_frame) as wire:
        cabinet = ModbusCabinet("127.0.0.1", wire.port, bench.plan, owner=7, timeout=0.2, write_timeout=0.5)
        await cabinet.connect()
        wire.effect = Lose(1.0, random.Random(1), requests=False)
        began = asyncio.get_running_loop().time()
        with pytest.raises(CabinetError):
            await cabinet.write(ask(cabinet))
        assert asyncio.get_running_loop().time() - began < 0.8
        await cabinet.close()


async def test_a_closed_port_is_offline_with_a_remedy(bench: Bench) -> None:
    await bench.cabinet.stop()
    with pytest.raises(CabinetOffline, match="is the cabinet on and the address right"):
        await bench.client().connect()


async def test_another_signal_plan_is_the_wrong_cabinet(bench: Bench) -> None:
    other = ModbusCabinet("127.0.0.1", bench.cabinet.port, crossroads("elsewhere"), owner=7)
    with pytest.raises(WrongCabinet, match="load the same plan on both sides"):
        await other.connect()
    await other.close()
    assert bench.cabinet.core.lease is None


async def test_requests_of_many_callers_go_one_at_a_time(bench: Bench) -> None:
    async with TcpWire("127.0.0.1", bench.cabinet.port, modbus_frame) as wire:
        cabinet = bench.client(port=wire.port)
        await cabinet.connect()
        states = await asyncio.gather(*(cabinet.read() for _ in range(20)))
        assert len(states) == 20


async def test_release_goes_local_at_once(bench: Bench) -> None:
    cabinet = bench.client()
    await cabinet.connect()
    await cabinet.write(ask(cabinet))
    assert (await cabinet.read()).mode is Mode.REMOTE
    await cabinet.release()
    state = await cabinet.read()
    assert (state.mode, state.owner) == (Mode.LOCAL, 0)


class Bare:
    """A device of the map that only answers reads, with the registers the test gives it."""

    def __init__(self, registers: list[int]) -> None:
        self.registers = registers
        self.torn = 0
        self.reads = 0
        self.port = 0

    async def __aenter__(self) -> Bare:
        bits = [SimData(0, count=16, values=False, datatype=DataType.BITS)]
        words = [SimData(0, values=self.registers, datatype=DataType.REGISTERS)]
        holding = [SimData(0, values=[0] * PLAN_LENGTH, datatype=DataType.REGISTERS)]
        device = SimDevice(1, (bits, list(bits), holding, words), action=self._read)
        self._server = ModbusTcpServer(device, address=("127.0.0.1", 0))
        await self._server.serve_forever(background=True)
        self.port = cast("asyncio.Server", self._server.transport).sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it untyped

    async def _read(
        self, code: int, start: int, address: int, count: int, registers: list[int], values: object
    ) -> ExcCodes | None:
        if code == 4:
            self.reads += 1
            registers[:STATE_LENGTH] = self.registers
            if self.reads <= self.torn:
                registers[STATE_LENGTH - 1] ^= 1
        return None


def state_of(plan: SignalPlan) -> list[int]:
    state = CabinetState(time=5, mode=Mode.LOCAL, aspects=(0,) * 5, plan_digest=digest32(plan.digest()))
    return codec.encode_state(state, update=3, accepted_seq=0, label="", epoch=0, stages=3)


async def test_a_torn_read_is_read_again() -> None:
    plan = crossroads()
    async with Bare(state_of(plan)) as device:
        device.torn = 2
        cabinet = ModbusCabinet("127.0.0.1", device.port, plan, owner=7)
        state = await cabinet.connect(lease=False)
        assert state.time == 5
        assert device.reads == 4  # two torn, one good, and the read that connect returns
        device.torn = 100
        with pytest.raises(TornRead):
            await cabinet.read()
        await cabinet.close()


async def test_a_program_loaded_by_hand_is_noticed_while_the_connection_stands() -> None:
    plan = crossroads()
    async with Bare(state_of(plan)) as device:
        cabinet = ModbusCabinet("127.0.0.1", device.port, plan, owner=7)
        await cabinet.connect(lease=False)
        device.registers = state_of(crossroads("another"))
        with pytest.raises(WrongCabinet, match="load the same plan on both sides"):
            await cabinet.read()
        assert cabinet.link.connections == 1
        device.registers = state_of(plan)
        assert (await cabinet.read()).time == 5
        await cabinet.close()


class Gone:
    """A client whose connection uvloop closed between the look at it and the write."""

    connected = True

    async def read_input_registers(self, *_: object, **__: object) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    def close(self) -> None:
        pass


async def test_a_write_to_a_connection_that_just_closed_is_a_timeout(bench: Bench) -> None:
    cabinet = bench.client()
    await cabinet.connect()
    cabinet.link._client = cast("AsyncModbusTcpClient", Gone())
    with pytest.raises(CabinetTimeout, match="connection broke before the answer"):
        await cabinet.read()


@pytest.mark.parametrize(("version", "words"), [(0x0101, "speaks map 0x0101"), (0x0201, "bytes are swapped")])
async def test_another_map_is_the_wrong_cabinet(version: int, words: str) -> None:
    plan = crossroads()
    registers = state_of(plan)
    registers[0] = version
    async with Bare(registers) as device:
        cabinet = ModbusCabinet("127.0.0.1", device.port, plan, owner=7)
        with pytest.raises(WrongCabinet, match=words):
            await cabinet.connect()
        await cabinet.close()


async def test_a_state_the_map_does_not_know_is_a_cabinet_error() -> None:
    plan = crossroads()
    registers = state_of(plan)
    registers[codec.S["mode"]] = 77
    async with Bare(registers) as device:
        cabinet = ModbusCabinet("127.0.0.1", device.port, plan, owner=7)
        with pytest.raises(CabinetError, match="mode 77 is unknown"):
            await cabinet.connect(lease=False)
        await cabinet.close()


async def test_a_cancellation_that_comes_with_the_answer_is_not_lost(bench: Bench) -> None:
    """Python 3.11's wait_for drops it; a control loop told to stop at that moment would run on for ever."""
    cabinet = bench.client()
    await cabinet.connect()

    async def loop() -> None:
        while True:
            try:
                await cabinet.read()
            except CabinetError:
                await asyncio.sleep(0)

    for number in range(150):
        task = asyncio.create_task(loop())
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=1)
        assert done, f"the loop ran on after {number} turns"
        assert task.cancelled()
