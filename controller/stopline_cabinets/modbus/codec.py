"""Registers to words and back; the one place that knows how a plan or a state lies on the wire."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from enum import IntEnum
from typing import TypeVar

from stopline_cabinets.modbus.registers import (
    FLAG_DEMAND,
    LABEL_REGISTERS,
    MAP_VERSION,
    MAX_DETECTORS,
    MAX_GROUPS,
    MAX_ROWS,
    NONE16,
    PLAN_LENGTH,
    ROW_WIDTH,
    STATE_LENGTH,
    Block,
    addresses,
)
from stopline_cabinets.words import (
    DARK,
    NO_STAGE,
    CabinetState,
    Can,
    Flag,
    Kind,
    Mode,
    PlanCommand,
    PlanRow,
    Result,
)
from stopline_signals.detectors import DetectorReading
from stopline_signals.plan import Aspect

P = addresses(Block.PLAN)
S = addresses(Block.STATE)
_E = TypeVar("_E", bound=IntEnum)
_CAP = 0xFFFF
_ALL_CAN = int(~Can.NONE)
_MASKS = (
    ("green", Aspect.GREEN),
    ("permissive", Aspect.PERMISSIVE),
    ("yellow", Aspect.YELLOW),
    ("red", Aspect.RED),
)


class PlanFault(ValueError):
    """Plan registers a cabinet must not take; `result` is the code it answers with."""

    def __init__(self, result: Result, message: str) -> None:
        super().__init__(message)
        self.result = result


class StateFault(ValueError):
    """State registers no cabinet of this map version sends; the message names the field."""


def encode_plan(command: PlanCommand, owner: int) -> list[int]:
    """The plan block's registers, CRC and commit included.

    Raises:
        ValueError: a field does not fit its register; nothing was sent.
    """
    demand = bool(command.calls or command.omits)
    if len(command.rows) not in _rows_possible(command.kind, demand):
        raise ValueError(
            f"plan {command.seq}: {len(command.rows)} rows; the map holds 1 to {MAX_ROWS} stages (one fewer "
            "with groups to call or omit), and none for other kinds"
        )
    registers = [0] * PLAN_LENGTH
    registers[P["map_version"]] = MAP_VERSION
    registers[P["seq"]] = registers[P["commit"]] = _word(command.seq, "seq")
    registers[P["kind"]] = command.kind
    registers[P["row_count"]] = len(command.rows)
    registers[P["valid_from"]] = _word(command.valid_from, "valid_from")
    registers[P["ttl"]] = _word(command.ttl, "ttl")
    registers[P["pattern"]] = _word(command.pattern, "pattern")
    put32(registers, P["owner"], owner)
    for number, row in enumerate(command.rows):
        start = P["rows"] + number * ROW_WIDTH
        if not 0 <= row.stage < 32:
            raise ValueError(f"plan {command.seq}: stage {row.stage} has no bit in a 32-bit mask")
        put32(registers, start, 1 << row.stage)
        registers[start + 2] = _word(row.minimum, "minimum")
        registers[start + 3] = _word(row.maximum, "maximum")
    if demand:
        start = P["rows"] + len(command.rows) * ROW_WIDTH
        registers[P["flags"]] = FLAG_DEMAND
        put32(registers, start, command.calls)
        put32(registers, start + 2, command.omits)
    put32(registers, P["crc"], plan_crc(registers))
    return registers


def decode_plan(registers: Sequence[int]) -> tuple[PlanCommand, int]:
    """The command and its owner id, after every check that needs no knowledge of the junction.

    Raises:
        PlanFault: with the result code for the first check that failed.
    """
    if registers[P["map_version"]] != MAP_VERSION:
        raise PlanFault(Result.WRONG_MAP, f"map version {registers[P['map_version']]:#06x}")
    if registers[P["commit"]] != registers[P["seq"]]:
        raise PlanFault(Result.COMMIT_MISMATCH, "commit differs from seq")
    if get32(registers, P["crc"]) != plan_crc(registers):
        raise PlanFault(Result.BAD_CRC, "CRC does not match")
    count, flags = registers[P["row_count"]], registers[P["flags"]]
    if flags & ~FLAG_DEMAND or registers[P["kind"]] not in set(Kind):
        raise PlanFault(Result.BAD_FIELD, "kind or flags")
    kind, demand = Kind(registers[P["kind"]]), bool(flags & FLAG_DEMAND)
    if count not in _rows_possible(kind, demand):
        raise PlanFault(Result.BAD_FIELD, "row count")
    at = P["rows"] + count * ROW_WIDTH
    calls, omits = (get32(registers, at), get32(registers, at + 2)) if demand else (0, 0)
    if demand and not calls | omits:
        raise PlanFault(Result.BAD_FIELD, "flags name groups, the row holds none")
    command = PlanCommand(
        registers[P["seq"]],
        tuple(_row(registers, number) for number in range(count)),
        registers[P["ttl"]],
        registers[P["valid_from"]],
        kind,
        registers[P["pattern"]],
        calls,
        omits,
    )
    return command, get32(registers, P["owner"])


def plan_crc(registers: Sequence[int]) -> int:
    """CRC-32 over the plan block between map version and CRC, high byte first."""
    return zlib.crc32(b"".join(word.to_bytes(2, "big") for word in registers[P["seq"] : P["crc"]]))


def encode_state(
    state: CabinetState, *, update: int, accepted_seq: int, label: str, epoch: int, stages: int
) -> list[int]:
    """The state block's registers; `update` is the state sequence number, wrapped here."""
    registers = [0] * STATE_LENGTH
    words = {
        "map_version": MAP_VERSION, "state_seq": update & _CAP, "state_seq_copy": update & _CAP,
        "mode": state.mode, "flags": state.flags,
        "active_seq": state.active_seq, "staged_seq": state.staged_seq,
        "judged_seq": state.judged_seq, "result": state.result, "settled_in": state.settled_in,
        "stage_elapsed": state.stage_elapsed, "row": state.row, "ttl_remaining": state.ttl_remaining,
        "heartbeat": state.heartbeat_echo, "heartbeat_age": state.heartbeat_age,
        "heartbeat_limit": state.heartbeat_limit, "group_count": len(state.aspects), "stage_count": stages,
        "detector_count": len(state.readings), "violations": state.violations, "accepted_seq": accepted_seq,
        "can": state.can, "pattern": state.pattern,
    }  # fmt: skip
    for name, value in words.items():
        registers[S[name]] = min(int(value), _CAP)
    for name, stage in (("stage", state.stage), ("target", state.target)):
        registers[S[name]] = NONE16 if stage == NO_STAGE else stage
    doubles = {
        "faults": state.faults, "active_crc": state.active_crc, "judged_crc": state.judged_crc,
        "calls": state.calls, "legal": state.legal, "owner": state.owner, "time": state.time & 0xFFFFFFFF,
        "epoch": epoch, "plan_digest": state.plan_digest, "omits": state.omits,
    }  # fmt: skip
    for name, aspect in _MASKS:
        doubles[name] = sum(1 << group for group, shown in enumerate(state.aspects) if shown == aspect)
    for name, value in doubles.items():
        put32(registers, S[name], value)
    registers[S["label"] : S["label"] + LABEL_REGISTERS] = encode_label(label)
    for number, reading in enumerate(state.readings[:MAX_DETECTORS]):
        registers[S["detectors"] + number] = _pack_reading(reading)
    return registers


def decode_state(registers: Sequence[int]) -> CabinetState:
    """The cabinet's state from one read of the state block.

    Raises:
        StateFault: a field holds what this map does not know, or a group shows two aspects.
    """
    groups, detectors = registers[S["group_count"]], registers[S["detector_count"]]
    if groups > MAX_GROUPS or detectors > MAX_DETECTORS:
        raise StateFault(f"{groups} groups and {detectors} detectors do not fit the map")
    return CabinetState(
        time=get32(registers, S["time"]),
        mode=_known(Mode, registers[S["mode"]], "mode"),
        flags=Flag(registers[S["flags"]] & 0x1FF),
        faults=get32(registers, S["faults"]),
        stage=_stage(registers[S["stage"]]),
        target=_stage(registers[S["target"]]),
        settled_in=registers[S["settled_in"]],
        stage_elapsed=registers[S["stage_elapsed"]],
        aspects=_aspects(registers, groups),
        readings=tuple(_unpack_reading(registers[S["detectors"] + number]) for number in range(detectors)),
        calls=get32(registers, S["calls"]),
        legal=get32(registers, S["legal"]),
        active_seq=registers[S["active_seq"]],
        staged_seq=registers[S["staged_seq"]],
        judged_seq=registers[S["judged_seq"]],
        result=_known(Result, registers[S["result"]], "result"),
        active_crc=get32(registers, S["active_crc"]),
        judged_crc=get32(registers, S["judged_crc"]),
        row=registers[S["row"]],
        ttl_remaining=registers[S["ttl_remaining"]],
        heartbeat_echo=registers[S["heartbeat"]],
        heartbeat_age=registers[S["heartbeat_age"]],
        heartbeat_limit=registers[S["heartbeat_limit"]],
        owner=get32(registers, S["owner"]),
        violations=registers[S["violations"]],
        plan_digest=get32(registers, S["plan_digest"]),
        can=Can(registers[S["can"]] & _ALL_CAN),
        omits=get32(registers, S["omits"]),
        pattern=registers[S["pattern"]],
    )


def is_torn(registers: Sequence[int]) -> bool:
    """Whether the state changed while it was read."""
    return registers[S["state_seq"]] != registers[S["state_seq_copy"]]


def map_version(registers: Sequence[int]) -> int:
    """The map version a state read begins with."""
    return registers[S["map_version"]]


def accepted_seq(registers: Sequence[int]) -> int:
    """The last plan number the cabinet accepted."""
    return registers[S["accepted_seq"]]


def owner_label(registers: Sequence[int]) -> str:
    """Name of the lease owner."""
    return decode_label(registers[S["label"] : S["label"] + LABEL_REGISTERS])


def encode_label(label: str) -> list[int]:
    """A name as registers, cut to what fits; what is no ASCII becomes '?'."""
    data = label.encode("ascii", "replace")[: 2 * LABEL_REGISTERS].ljust(2 * LABEL_REGISTERS, b"\0")
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


def decode_label(registers: Sequence[int]) -> str:
    """A name from registers."""
    data = b"".join(word.to_bytes(2, "big") for word in registers)
    return data.rstrip(b"\0").decode("ascii", "replace")


def put32(registers: list[int], at: int, value: int) -> None:
    """Store a 32-bit value, high word first."""
    if not 0 <= value <= 0xFFFFFFFF:
        raise ValueError(f"{value} does not fit 32 bits")
    registers[at], registers[at + 1] = value >> 16, value & 0xFFFF


def get32(registers: Sequence[int], at: int) -> int:
    """Load a 32-bit value, high word first."""
    return registers[at] << 16 | registers[at + 1]


def _word(value: int, name: str) -> int:
    if not 0 <= value <= _CAP:
        raise ValueError(f"{name} = {value} does not fit a 16-bit register")
    return value


def _rows_possible(kind: Kind, demand: bool) -> range:
    return range(1, MAX_ROWS + 1 - demand) if kind is Kind.STAGES else range(1)


def _row(registers: Sequence[int], number: int) -> PlanRow:
    start = P["rows"] + number * ROW_WIDTH
    mask = get32(registers, start)
    if mask.bit_count() != 1:
        raise PlanFault(Result.UNKNOWN_STAGE, f"row {number}: mask {mask:#x} does not name exactly one stage")
    return PlanRow(mask.bit_length() - 1, registers[start + 2], registers[start + 3])


def _known(kind: type[_E], value: int, name: str) -> _E:
    try:
        return kind(value)
    except ValueError:
        raise StateFault(f"{name} {value} is unknown to map {MAP_VERSION:#06x}") from None


def _stage(value: int) -> int:
    return NO_STAGE if value == NONE16 else value


def _aspects(registers: Sequence[int], groups: int) -> tuple[int, ...]:
    aspects = [DARK] * groups
    for name, aspect in _MASKS:
        mask = get32(registers, S[name])
        while mask:
            group = (mask & -mask).bit_length() - 1
            mask &= mask - 1
            if group >= groups or aspects[group] != DARK:
                raise StateFault(f"group {group} is not in use or shows two aspects")
            aspects[group] = int(aspect)
    return tuple(aspects)


def _pack_reading(reading: DetectorReading) -> int:
    if not reading.healthy:
        return NONE16
    vehicles = min(reading.vehicles, 254)
    return vehicles << 8 | min(reading.queued, vehicles)


def _unpack_reading(word: int) -> DetectorReading:
    if word == NONE16:
        return DetectorReading(healthy=False)
    return DetectorReading(word >> 8, word & 0xFF)
