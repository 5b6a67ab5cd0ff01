"""Effects and wires: what becomes of each frame, on TCP and on UDP, without a cabinet behind them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import cast

import pytest

from stopline_cabinets.snmp.codec import ErrorStatus, Message, Pdu, Version, decode, encode, integer, null
from stopline_hil.faults import FAULTS, Clean, Passage, TcpWire, UdpWire, modbus_frame
from stopline_hil.faults.dialects import REFUSALS, ModbusDialect, SnmpDialect
from stopline_hil.faults.effects import (
    Delay,
    Drip,
    Duplicate,
    Lose,
    LoseNext,
    Noise,
    Refuse,
    Reorder,
    Replay,
    Rewrite,
)

READ = bytes.fromhex("0007 0000 0006 01 04 0000 007d".replace(" ", ""))
PLAN = bytes.fromhex("0008 0000 00a1 01 10 0000 004d 9a".replace(" ", "")) + bytes(154)
BEAT = bytes.fromhex("0009 0000 000d 01 10 0064 0003 06 000000070005".replace(" ", ""))
STATE = bytes.fromhex("0007 0000 00fd 01 04 fa".replace(" ", "")) + bytes(250)
OID = (1, 3, 6, 1, 4, 1, 1206, 4, 2, 1, 1, 4, 1, 4, 1)


def dice() -> random.Random:
    return random.Random(1)


def data(passages: Sequence[Passage]) -> list[bytes]:
    return [passage.data for passage in passages]


def test_loss_loses_its_share() -> None:
    lossy = Lose(0.3, dice())
    kept = sum(len(lossy.request(READ)) for _ in range(2000))
    assert 1300 < kept < 1500
    silent = Lose(1.0, dice(), requests=False)
    assert data(silent.request(READ)) == [READ]
    assert silent.reply(STATE) == ()


def test_so_many_are_lost_and_no_more() -> None:
    effect = LoseNext(requests=2, replies=1)
    assert [len(effect.request(READ)) for _ in range(4)] == [0, 0, 1, 1]
    assert [len(effect.reply(STATE)) for _ in range(2)] == [0, 1]


def test_duplicates_come_later() -> None:
    assert Duplicate(1.0, 0.2, dice()).request(READ) == (Passage(READ), Passage(READ, 0.2))


def test_reordered_frames_change_places_and_none_is_lost() -> None:
    effect = Reorder(0.5, dice())
    frames = [bytes((number,)) for number in range(200)]
    out = [one for frame in frames for one in data(effect.request(frame))]
    assert out != frames[: len(out)]
    assert sorted(out) == frames[: len(out)] or len(out) >= 199


def test_delays_lie_between_their_bounds() -> None:
    effect = Delay(0.015, 0.7, dice())
    late = [effect.reply(READ)[0].delay for _ in range(500)]
    assert min(late) >= 0.015
    assert max(late) <= 0.7
    assert max(late) - min(late) > 0.6


def test_rewriting_touches_its_direction_only() -> None:
    effect = Rewrite(1.0, dice(), reply=lambda frame: frame[:2])
    assert data(effect.request(READ)) == [READ]
    assert data(effect.reply(READ)) == [READ[:2]]


def test_what_is_refused_never_reaches_the_cabinet() -> None:
    effect = Refuse(lambda frame: b"no" if frame == BEAT else None, 1.0, dice())
    assert effect.request(BEAT) == (Passage(b"no", back=True),)
    assert data(effect.request(READ)) == [READ]


def test_a_drip_is_the_same_bytes_ever_later() -> None:
    passages = Drip(0.1).reply(b"abc")
    assert b"".join(data(passages)) == b"abc"
    assert [round(passage.delay, 3) for passage in passages] == [0.1, 0.2, 0.3]


def test_noise_is_beside_the_frame() -> None:
    assert READ in data(Noise(1.0, dice()).request(READ))
    assert len(Noise(1.0, dice()).request(READ)) == 2


def test_a_replay_knows_one_command_only() -> None:
    effect = Replay(ModbusDialect().is_write, BEAT)
    assert data(effect.request(PLAN)) == [BEAT]
    assert data(effect.request(READ)) == [READ]


def test_modbus_frames_are_told_apart() -> None:
    dialect = ModbusDialect()
    assert [dialect.is_write(frame) for frame in (READ, PLAN, BEAT)] == [False, True, True]
    assert [dialect.is_wish(frame) for frame in (READ, PLAN, BEAT)] == [False, True, False]
    assert dialect.is_news(STATE)
    assert not dialect.is_news(READ)
    assert dialect.torn(STATE) == STATE[:-1] + b"\x01"
    assert dialect.torn(READ) == READ
    assert dialect.misaddressed(READ)[6] != READ[6]
    assert dialect.misnumbered(READ)[:2] != READ[:2]


@pytest.mark.parametrize("kind", REFUSALS)
def test_refusals_are_what_the_protocols_have(kind: str) -> None:
    refused = ModbusDialect().refusal(PLAN, kind)
    assert refused is not None
    assert refused[:2] == PLAN[:2]
    assert refused[7:] == bytes((0x90, REFUSALS[kind].exception))
    asked = Message(Version.V1, b"public", Pdu.SET, 77, bindings=(integer(OID, 3),))
    answer = SnmpDialect().refusal(encode(asked), kind)
    assert answer is not None
    found = decode(answer)
    assert (found.pdu, found.request_id, found.error_status) == (Pdu.RESPONSE, 77, REFUSALS[kind].status)
    assert found.error_index == (0 if REFUSALS[kind].status is ErrorStatus.TOO_BIG else 1)


def test_snmp_messages_are_told_apart() -> None:
    dialect = SnmpDialect()
    get = encode(Message(Version.V1, b"public", Pdu.GET, 7, bindings=(null(OID),)))
    put = encode(Message(Version.V1, b"administrator", Pdu.SET, 8, bindings=(integer(OID, 1),)))
    assert [dialect.is_write(frame) for frame in (get, put, b"noise")] == [False, True, False]
    assert decode(dialect.misnumbered(get)).request_id != 7
    assert decode(dialect.misaddressed(get)).community == b"elsewhere"
    detectors = encode(
        Message(Version.V1, b"p", Pdu.RESPONSE, 7, bindings=(integer((*OID[:10], 2, 4, 1, 2, 1), 3),))
    )
    assert dialect.is_news(detectors)
    assert not dialect.is_news(get)


def test_a_torn_answer_mixes_old_and_new() -> None:
    dialect = SnmpDialect()

    def answer(value: int) -> bytes:
        pair = (integer(OID, value), integer((*OID, 9), value))
        return encode(Message(Version.V1, b"public", Pdu.RESPONSE, 7, bindings=pair))

    dialect.torn(answer(1))
    assert [binding.value for binding in decode(dialect.torn(answer(2))).bindings] == [2, 1]


@pytest.mark.parametrize("cut", [1, 5, 7, len(READ)])
def test_frames_are_cut_off_a_stream_however_it_comes(cut: int) -> None:
    stream, buffer, found = READ + PLAN + BEAT, bytearray(), list[bytes]()
    for at in range(0, len(stream), cut):
        buffer += stream[at : at + cut]
        while (frame := modbus_frame(buffer)) is not None:
            found.append(frame)
    assert found == [READ, PLAN, BEAT]


def test_what_is_no_frame_goes_as_it_came() -> None:
    buffer = bytearray(b"\xff" * 20)
    assert modbus_frame(buffer) == b"\xff" * 20
    assert not buffer


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_a_tcp_wire_keeps_the_order_of_what_it_delays(echo: int) -> None:
    async with TcpWire("127.0.0.1", echo, modbus_frame) as wire:
        wire.effect = Delay(0.0, 0.05, dice())
        reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
        frames = [number.to_bytes(2, "big") + READ[2:] for number in range(20)]
        writer.write(b"".join(frames))
        assert await asyncio.wait_for(reader.readexactly(20 * len(READ)), 5) == b"".join(frames)
        assert wire.requests == 20
        writer.close()


async def test_a_refusing_tcp_wire_opens_again_at_its_port(echo: int) -> None:
    async with TcpWire("127.0.0.1", echo) as wire:
        reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
        await wire.refuse(True)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection("127.0.0.1", wire.port)
        await wire.refuse(False)
        reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
        writer.write(b"again")
        assert await asyncio.wait_for(reader.readexactly(5), 5) == b"again"
        writer.close()


class Mirror(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)


class Inbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.got.put_nowait(data)


async def test_a_udp_wire_passes_answers_back_and_tells_its_taps() -> None:
    loop = asyncio.get_running_loop()
    mirror, _ = await loop.create_datagram_endpoint(Mirror, local_addr=("127.0.0.1", 0))
    seen: list[tuple[bool, bytes]] = []
    async with UdpWire("127.0.0.1", mirror.get_extra_info("sockname")[1]) as wire:
        wire.taps.append(lambda up, frame: seen.append((up, frame)))
        mine, inbox = await loop.create_datagram_endpoint(Inbox, remote_addr=("127.0.0.1", wire.port))
        mine.sendto(b"one")
        assert await asyncio.wait_for(inbox.got.get(), 5) == b"one"
        wire.effect = Refuse(lambda _: b"no", 1.0, dice())
        mine.sendto(b"two")
        assert await asyncio.wait_for(inbox.got.get(), 5) == b"no"
        wire.effect = Clean()
        wire.cut()
        mine.sendto(b"three")
        assert await asyncio.wait_for(inbox.got.get(), 5) == b"three"
        mine.close()
    mirror.close()
    assert seen == [(True, b"one"), (False, b"one"), (False, b"no"), (True, b"three"), (False, b"three")]


def test_every_fault_says_what_it_is_and_where_it_ends() -> None:
    assert sum(len(row.protocols) for row in FAULTS.values() if row.name != "none") >= 2 * 25
    for row in FAULTS.values():
        assert row.what
        assert row.expect
        assert row.lasts_s >= 10
