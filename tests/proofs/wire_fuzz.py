"""A million frames for every decoder of ours: it answers with a value or its own error, and at once.

`python -m tests.proofs.wire_fuzz` prints a line for each decoder; a row of `DECODERS` is one. A third of the
frames are noise, the others real ones that were changed, so that the deep ends are reached as well.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pymodbus.exceptions import ModbusIOException

from stopline_cabinets.modbus import codec
from stopline_cabinets.modbus.link import InputRegisters
from stopline_cabinets.modbus.registers import LEASE_LENGTH, LEASE_START, PLAN_LENGTH, STATE_LENGTH
from stopline_cabinets.ntcip import spat
from stopline_cabinets.snmp.codec import DecodeError, decode
from stopline_cabinets.words import PlanCommand, PlanRow
from stopline_hil.clock import SteppedClock
from stopline_hil.example import crossroads
from stopline_hil.faults.dialects import ModbusDialect, SnmpDialect, modbus_frame
from stopline_hil.modbus_plc import PlcCabinet
from stopline_hil.ntcip import NtcipCabinet, with_phases
from tests.cabinets.test_ntcip_fuzz import mutated, snmp_seeds, spat_seeds
from tests.proofs._result import Stopwatch, write_result

FRAMES = 1_000_000
SLOWEST_S = 1.0
"""CPU seconds one frame may take: a decoder that loops takes for ever."""

Decoder = Callable[[bytes], bool]
"""Tries a frame; whether it made sense. What it raises is a finding."""


class Row(NamedTuple):
    """One decoder: real frames to begin from, and how it is made."""

    name: str
    seeds: Callable[[], Sequence[bytes]]
    make: Callable[[], Decoder]


class Tally(NamedTuple):
    """What came of one decoder's frames."""

    frames: int
    understood: int
    slowest_ms: float
    findings: list[str]


def fuzz(row: Row, frames: int, seed: int = 1) -> Tally:
    """Put so many frames through a decoder; at most ten findings are kept."""
    dice = random.Random(f"{seed} {row.name}")
    seeds, tries = row.seeds(), row.make()
    longest = max(map(len, seeds))
    understood, slowest, findings = 0, 0.0, list[str]()
    for number in range(frames):
        frame = (
            mutated(dice.choice(seeds), dice) if number % 3 else dice.randbytes(dice.randrange(longest + 40))
        )
        began = time.thread_time()
        try:
            understood += tries(frame)
        except Exception as error:
            if len(findings) < 10:
                findings.append(f"{type(error).__name__}: {error}: {frame.hex()}")
        took = time.thread_time() - began
        slowest = max(slowest, took)
        if took > SLOWEST_S and len(findings) < 10:
            findings.append(f"took {took:.1f} s: {frame.hex()}")
    return Tally(frames, understood, round(1000 * slowest, 2), findings)


def _registers(data: bytes, count: int) -> list[int]:
    padded = data[: 2 * count].ljust(2 * count, b"\0")
    return [int.from_bytes(padded[at : at + 2], "big") for at in range(0, 2 * count, 2)]


def _bytes(registers: Sequence[int]) -> bytes:
    return b"".join(word.to_bytes(2, "big") for word in registers)


def _plan_seeds() -> list[bytes]:
    rows = tuple(PlanRow(stage, 70, 600) for stage in range(3))
    plans = (PlanCommand(5, rows, 100), PlanCommand(6, rows[:1], 100, calls=1, omits=2))
    return [_bytes(codec.encode_plan(plan, 7)) for plan in plans]


def _state_seeds() -> list[bytes]:
    return [_bytes(PlcCabinet(crossroads(), SteppedClock(1000)).state_registers())]


def _modbus_seeds() -> list[bytes]:
    bodies = [bytes((16, 0, 0, 0, 77, 154)) + seed for seed in _plan_seeds()]
    bodies += [bytes((4, 250)) + _state_seeds()[0], bytes((4, 0, 0, 0, 125)), bytes((0x90, 6))]
    bodies.append(bytes((16, 0, 100, 0, 3, 6, 0, 0, 0, 7, 0, 5)))
    return [b"\0\7\0\0" + (len(body) + 1).to_bytes(2, "big") + b"\1" + body for body in bodies]


def _plan() -> Decoder:
    def tries(frame: bytes) -> bool:
        registers = _registers(frame, PLAN_LENGTH)
        if len(frame) % 2:  # most changes break the CRC: look behind it as well
            codec.put32(registers, codec.P["crc"], codec.plan_crc(registers))
            registers[codec.P["map_version"]] = 0x0102
            registers[codec.P["commit"]] = registers[codec.P["seq"]]
        try:
            command, owner = codec.decode_plan(registers)
        except codec.PlanFault:
            return False
        again = codec.encode_plan(command, owner)
        return codec.decode_plan(again) == (command, owner)

    return tries


def _state() -> Decoder:
    def tries(frame: bytes) -> bool:
        registers = _registers(frame, STATE_LENGTH)
        codec.is_torn(registers)
        codec.owner_label(registers)
        try:
            codec.decode_state(registers)
        except codec.StateFault:
            return False
        return True

    return tries


def _plc() -> Decoder:
    """All that a PLC does with what is written to it, from the lease on."""
    clock = SteppedClock(1000)
    cabinet = PlcCabinet(crossroads(), clock)
    clock.advance(300)
    cabinet.tick(1300)  # past its start-up
    blocks = {PLAN_LENGTH: 0, LEASE_LENGTH: LEASE_START, 3: LEASE_START}

    def tries(frame: bytes) -> bool:
        count = (PLAN_LENGTH, PLAN_LENGTH, LEASE_LENGTH, 3)[len(frame) % 4]
        values = _registers(frame, count)
        if count == PLAN_LENGTH:
            cabinet.core.claim(7, "fuzz", 30, 1, 1300)
            values[codec.P["seq"]] = values[codec.P["commit"]] = cabinet.core.accepted_seq + 1 & 0xFFFF
            codec.put32(values, codec.P["crc"], codec.plan_crc(values))
        else:
            cabinet.core.lease = None
        return _now(cabinet._action(16, 0, blocks[count], count, [], values)) is None

    return tries


def _answer() -> Decoder:
    def tries(frame: bytes) -> bool:
        answer = InputRegisters()
        try:
            answer.decode(frame)
        except ModbusIOException:
            return False
        return len(answer.registers) == frame[0] // 2

    return tries


def _wire() -> Decoder:
    dialect, dice = ModbusDialect(), random.Random(1)

    def tries(frame: bytes) -> bool:
        buffer, cut = bytearray(frame), 0
        while (one := modbus_frame(buffer)) is not None:
            cut += 1
            for use in (dialect.is_write, dialect.is_news, dialect.torn):
                use(one)
            if dialect.is_write(one):
                dialect.is_wish(one)
            dialect.refusal(one, "busy")
            if one:
                dialect.damaged(one, dice)
        return cut > 0

    return tries


def _snmp() -> Decoder:
    dialect = SnmpDialect()

    def tries(frame: bytes) -> bool:
        dialect.torn(frame)
        try:
            decode(frame)
        except DecodeError:
            return False
        return True

    return tries


def _agent() -> Decoder:
    cabinet = NtcipCabinet(with_phases(crossroads()), SteppedClock(1000))
    return lambda frame: cabinet.agent.answer(frame, "127.0.0.1") is not None


def _push() -> Decoder:
    def tries(frame: bytes) -> bool:
        try:
            spat.decode(frame)
        except spat.SpatError:
            return False
        return True

    return tries


def _now(work: Coroutine[Any, Any, object]) -> object:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waits")


DECODERS: tuple[Row, ...] = (
    Row("modbus plan registers", _plan_seeds, _plan),
    Row("modbus state registers", _state_seeds, _state),
    Row("modbus answers of registers", lambda: [b"\xfa" + _state_seeds()[0], b"\4\0\1\0\2"], _answer),
    Row("modbus writes at the virtual PLC", _plan_seeds, _plc),
    Row("modbus frames at the fault wire", _modbus_seeds, _wire),
    Row("snmp v1 and v2c messages", snmp_seeds, _snmp),
    Row("snmp v1 and v2c agent of the virtual controller", snmp_seeds, _agent),
    Row("signal state push", spat_seeds, _push),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz every decoder; 0 when none crashed, blocked, or understood nothing at all."""
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.wire_fuzz", description=__doc__)
    parser.add_argument("--frames", type=int, default=FRAMES, help="for each decoder")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    watch, rows, holds = Stopwatch(), list[dict[str, object]](), True
    for row in DECODERS:
        tally = fuzz(row, options.frames)
        good = not tally.findings and tally.understood > options.frames // 1000
        holds &= good
        rows.append({"decoder": row.name, **tally._asdict()})
        print(
            f"{'holds ' if good else 'BROKEN'} {row.name}: {tally.frames:,} frames, {tally.understood:,} "
            f"understood, slowest {tally.slowest_ms} ms",
            *(f"    {finding[:300]}" for finding in tally.findings),
            sep="\n",
            flush=True,
        )
    if options.out:
        command = f"python -m tests.proofs.wire_fuzz --frames {options.frames}"
        notes = "SNMPv3 is decoded by pysnmp, Modbus framing by pymodbus: not ours, not fuzzed here"
        write_result(options.out, command, watch, {"holds": holds, "notes": notes, "decoders": rows})
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
