"""Plans and states survive the wire unchanged, and damage never passes for a plan."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stopline_cabinets.modbus import codec
from stopline_cabinets.modbus.codec import P, PlanFault, StateFault
from stopline_cabinets.modbus.registers import PLAN_LENGTH, STATE_LENGTH
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
    following,
    is_newer,
)
from stopline_signals.detectors import DetectorReading

word = st.integers(0, 0xFFFF)
double = st.integers(0, 0xFFFFFFFF)
rows = st.lists(st.builds(PlanRow, st.integers(0, 31), word, word), min_size=1, max_size=16)
masks = st.one_of(st.just(0), double)
staged = st.builds(
    PlanCommand, word, rows.map(tuple), word, word, st.just(Kind.STAGES), word, masks, masks
).filter(lambda command: len(command.rows) < 16 or not command.calls | command.omits)
others = st.sampled_from([Kind.ALL_RED, Kind.FLASH, Kind.PATTERN])
commands = st.one_of(
    staged, st.builds(PlanCommand, word, st.just(()), word, word, others, word, masks, masks)
)
stages = st.one_of(st.just(NO_STAGE), st.integers(0, 31))
readings = st.lists(
    st.tuples(st.integers(0, 254), st.integers(0, 254)).map(
        lambda pair: DetectorReading(max(pair), min(pair))
    ),
    max_size=64,
)
states = st.builds(
    CabinetState,
    time=double,
    mode=st.sampled_from(Mode),
    flags=st.integers(0, 0x1FF).map(Flag),
    faults=double,
    stage=stages,
    target=stages,
    settled_in=word,
    stage_elapsed=word,
    aspects=st.lists(st.sampled_from([DARK, 0, 1, 2, 3]), max_size=32).map(tuple),
    readings=readings.map(tuple),
    calls=double,
    legal=double,
    active_seq=word,
    staged_seq=word,
    judged_seq=word,
    result=st.sampled_from(Result),
    active_crc=double,
    judged_crc=double,
    row=st.integers(0, 15),
    ttl_remaining=word,
    heartbeat_echo=word,
    heartbeat_age=word,
    heartbeat_limit=word,
    owner=double,
    violations=word,
    plan_digest=double,
    can=st.integers(0, 31).map(Can),
    omits=double,
    pattern=word,
)


@given(commands, double)
def test_a_plan_comes_back_as_it_went(command: PlanCommand, owner: int) -> None:
    registers = codec.encode_plan(command, owner)
    assert len(registers) == PLAN_LENGTH <= 123
    assert all(0 <= value <= 0xFFFF for value in registers)
    assert codec.decode_plan(registers) == (command, owner)


@given(commands, double, st.integers(0, PLAN_LENGTH * 16 - 1))
@settings(max_examples=400)
def test_no_flipped_bit_passes_for_a_plan(command: PlanCommand, owner: int, bit: int) -> None:
    registers = codec.encode_plan(command, owner)
    registers[bit // 16] ^= 1 << bit % 16
    with pytest.raises(PlanFault) as caught:
        codec.decode_plan(registers)
    assert caught.value.result in (Result.WRONG_MAP, Result.COMMIT_MISMATCH, Result.BAD_CRC)


@given(st.lists(word, min_size=PLAN_LENGTH, max_size=PLAN_LENGTH))
def test_noise_is_refused_with_a_reason(registers: list[int]) -> None:
    with pytest.raises(PlanFault) as caught:
        codec.decode_plan(registers)
    assert caught.value.result is not Result.ACCEPTED


def test_the_worked_frame_of_the_map() -> None:
    """What a foreign client must send: stage 2, 5 s to 60 s, for 10 s, seq 7, owner 0x01020304."""
    registers = codec.encode_plan(PlanCommand(7, (PlanRow(2, 50, 600),), 100), 0x01020304)
    assert registers[:14] == [0x0102, 7, 1, 1, 0, 100, 0, 0, 0x0102, 0x0304, 0, 4, 50, 600]
    assert set(registers[14:74]) == {0}
    assert registers[74:] == [0x375E, 0x9A84, 7]


@pytest.mark.parametrize(
    "command",
    [
        PlanCommand(1, (), 100),
        PlanCommand(1, (PlanRow(0, 50, 600),) * 17, 100),
        PlanCommand(1, (PlanRow(0, 50, 600),) * 16, 100, calls=1),
        PlanCommand(1, (PlanRow(0, 50, 600),), 100, kind=Kind.FLASH),
        PlanCommand(1, (PlanRow(32, 50, 600),), 100),
        PlanCommand(1, (PlanRow(0, 50, 70_000),), 100),
        PlanCommand(70_000, (PlanRow(0, 50, 600),), 100),
        PlanCommand(1, (PlanRow(0, 50, 600),), -1),
    ],
)
def test_what_does_not_fit_is_refused_before_sending(command: PlanCommand) -> None:
    with pytest.raises(ValueError, match=r"rows|mask|fit"):
        codec.encode_plan(command, 1)


@pytest.mark.parametrize(
    ("at", "value", "result"),
    [
        (P["map_version"], 0x0101, Result.WRONG_MAP),
        (P["commit"], 8, Result.COMMIT_MISMATCH),
        (P["rows"] + 2, 51, Result.BAD_CRC),
    ],
)
def test_each_fault_has_its_result(at: int, value: int, result: Result) -> None:
    registers = codec.encode_plan(PlanCommand(7, (PlanRow(2, 50, 600),), 100), 1)
    registers[at] = value
    with pytest.raises(PlanFault) as caught:
        codec.decode_plan(registers)
    assert caught.value.result is result


@pytest.mark.parametrize(
    ("at", "value", "result"),
    [
        (P["kind"], 2, Result.BAD_FIELD),
        (P["kind"], 9, Result.BAD_FIELD),
        (P["row_count"], 0, Result.BAD_FIELD),
        (P["row_count"], 17, Result.BAD_FIELD),
        (P["flags"], 1, Result.BAD_FIELD),
        (P["rows"] + 1, 6, Result.UNKNOWN_STAGE),
        (P["rows"] + 1, 0, Result.UNKNOWN_STAGE),
    ],
)
def test_a_well_sealed_but_senseless_plan_is_refused(at: int, value: int, result: Result) -> None:
    registers = codec.encode_plan(PlanCommand(7, (PlanRow(2, 50, 600),), 100), 1)
    registers[at] = value
    codec.put32(registers, P["crc"], codec.plan_crc(registers))
    with pytest.raises(PlanFault) as caught:
        codec.decode_plan(registers)
    assert caught.value.result is result


@given(states, st.integers(0, 1 << 40))
@settings(max_examples=200)
def test_a_state_comes_back_as_it_went(state: CabinetState, update: int) -> None:
    registers = codec.encode_state(state, update=update, accepted_seq=9, label="ctl", epoch=1, stages=4)
    assert len(registers) == STATE_LENGTH <= 125
    assert all(0 <= value <= 0xFFFF for value in registers)
    assert not codec.is_torn(registers)
    assert codec.decode_state(registers) == state
    assert codec.owner_label(registers) == "ctl"
    assert codec.accepted_seq(registers) == 9


@given(st.lists(word, min_size=STATE_LENGTH, max_size=STATE_LENGTH))
def test_noise_is_a_state_or_a_named_fault(registers: list[int]) -> None:
    try:
        state = codec.decode_state(registers)
    except StateFault as fault:
        assert str(fault)
    else:
        assert len(state.aspects) <= 32


def test_two_aspects_of_one_group_are_a_fault() -> None:
    state = CabinetState(time=0, mode=Mode.LOCAL, aspects=(3, 0))
    registers = codec.encode_state(state, update=1, accepted_seq=0, label="", epoch=0, stages=1)
    registers[codec.S["red"] + 1] |= 1
    with pytest.raises(StateFault, match="group 0"):
        codec.decode_state(registers)


def test_a_failed_detector_and_a_crowded_zone() -> None:
    crowd = (DetectorReading(healthy=False), DetectorReading(400, 300))
    state = CabinetState(time=0, mode=Mode.LOCAL, readings=crowd)
    registers = codec.encode_state(state, update=1, accepted_seq=0, label="", epoch=0, stages=1)
    assert codec.decode_state(registers).readings == (
        DetectorReading(healthy=False),
        DetectorReading(254, 254),
    )


@given(st.text(max_size=40))
def test_a_label_is_cut_to_what_fits(label: str) -> None:
    words = codec.encode_label(label)
    assert len(words) == 8
    assert codec.decode_label(words) == label.encode("ascii", "replace").decode()[:16].rstrip("\0")


@given(word, st.integers(1, 0x7FFF))
def test_sequence_numbers_wrap(seq: int, ahead: int) -> None:
    assert is_newer((seq + ahead) & 0xFFFF, seq)
    assert not is_newer(seq, (seq + ahead) & 0xFFFF)
    assert following(seq) != 0
    assert is_newer(following(seq), seq)
