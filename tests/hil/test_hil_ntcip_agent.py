"""The virtual cabinet's SNMP agent: what version 1 and 2c demand, limits, and bytes that are no message."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stopline_cabinets.snmp.codec import ErrorStatus, Message, Pdu, Tag, VarBind, encode, integer, null
from stopline_hil.ntcip import AgentProfile
from tests.hil.ntcip_virtual import (
    ASC,
    CONTROL_STATUS,
    GREENS,
    HOLD,
    NEMA,
    PATTERN_CONTROL,
    VEH_CALL,
    Virtual,
)

NOT_THERE = (*ASC, 1, 5, 1, 8, 1)
MIN_GREEN = (*ASC, 1, 2, 1, 4, 2)
RESERVED = (*ASC, 3, 10, 0)
OMIT_RED_CLEAR = (*ASC, 7, 5, 1, 8, 1)


@pytest.fixture
def bench() -> Virtual:
    return Virtual()


@pytest.mark.parametrize(
    ("binding", "v1", "v2c"),
    [
        (integer(NOT_THERE, 1), ErrorStatus.NO_SUCH_NAME, ErrorStatus.NO_CREATION),
        (integer(CONTROL_STATUS, 2), ErrorStatus.NO_SUCH_NAME, ErrorStatus.NOT_WRITABLE),
        (integer(HOLD, 256), ErrorStatus.BAD_VALUE, ErrorStatus.WRONG_VALUE),
        (integer(HOLD, -1), ErrorStatus.BAD_VALUE, ErrorStatus.WRONG_VALUE),
        (VarBind(HOLD, Tag.OCTETS, b"\x01"), ErrorStatus.BAD_VALUE, ErrorStatus.WRONG_TYPE),
        (integer(RESERVED, 1), ErrorStatus.BAD_VALUE, ErrorStatus.WRONG_VALUE),
        (integer(OMIT_RED_CLEAR, 1), ErrorStatus.BAD_VALUE, ErrorStatus.WRONG_VALUE),
    ],
)
def test_a_set_is_all_or_nothing(bench: Virtual, binding: VarBind, v1: ErrorStatus, v2c: ErrorStatus) -> None:
    for version, status in ((0, v1), (1, v2c)):
        answer = bench.ask(Pdu.SET, [integer(HOLD, 0x22), integer(VEH_CALL, 1), binding], version=version)
        assert answer is not None
        assert (answer.error_status, answer.error_index) == (status, 3)
        assert len(answer.bindings) == 3
        assert bench.get(HOLD) == 0, "nothing of a refused message is set"
        assert bench.get(VEH_CALL) == 0
    assert bench.number_at(CONTROL_STATUS) == 6, "a refused message is no sign of life either"


def test_a_missing_object_is_an_error_in_v1_and_an_exception_in_v2c(bench: Virtual) -> None:
    asked = [null(GREENS), null(NOT_THERE)]
    first, second = bench.ask(Pdu.GET, asked), bench.ask(Pdu.GET, asked, version=1)
    assert first is not None and second is not None
    assert (first.error_status, first.error_index) == (ErrorStatus.NO_SUCH_NAME, 2)
    assert second.error_status == 0
    assert [binding.tag for binding in second.bindings] == [Tag.INTEGER, Tag.NO_SUCH_INSTANCE]


def test_walking_visits_everything_in_order(bench: Virtual) -> None:
    seen = []
    oid: tuple[int, ...] = (1, 3)
    while (answer := bench.ask(Pdu.GET_NEXT, [null(oid)])) and not answer.error_status:
        following = answer.bindings[0].oid
        assert following > oid
        oid = following
        seen.append(oid)
    assert answer is not None and answer.error_status == ErrorStatus.NO_SUCH_NAME
    assert len(seen) == len(bench.cabinet.mib) > 2000


def test_bulk_gives_as_much_as_fits(bench: Virtual) -> None:
    answer = bench.ask(Pdu.GET_BULK, [null((1, 3)), null(ASC)], version=1, status=1, index=60)
    assert answer is not None and answer.error_status == 0
    assert len(encode(answer)) <= 484
    assert 15 < len(answer.bindings) < 61
    assert answer.bindings[0].oid == (1, 3, 6, 1, 2, 1, 1, 1, 0), "the non-repeater comes once"
    end = bench.ask(Pdu.GET_BULK, [null((*NEMA, 9))], version=1, index=5)
    assert end is not None and [b.tag for b in end.bindings] == [Tag.END_OF_MIB_VIEW]
    assert bench.ask(Pdu.GET_BULK, [null(ASC)], version=0, index=5) is None, "version 1 has no bulk"


def test_too_big_by_length_and_by_count() -> None:
    limited = Virtual(profile=AgentProfile(max_message=484, max_varbinds=64))
    fits = [null((*ASC, 1, 4, 1, column, group)) for column in range(2, 12) for group in (1, 2)]
    answer = limited.ask(Pdu.GET, fits)
    assert answer is not None and answer.error_status == 0, "20 objects are 455 bytes"
    for version in (0, 1):
        answer = limited.ask(Pdu.GET, fits + fits[:10], version=version)
        assert answer is not None
        assert (answer.error_status, answer.error_index) == (ErrorStatus.TOO_BIG, 0)
    one = Virtual(profile=AgentProfile(max_varbinds=1))
    answer = one.ask(Pdu.SET, [integer(HOLD, 1), integer(VEH_CALL, 1)])
    assert answer is not None and answer.error_status == ErrorStatus.TOO_BIG
    assert one.get(HOLD) == 0


def test_communities_and_versions() -> None:
    bench = Virtual(profile=AgentProfile(versions=frozenset({0}), write_community="secret"))
    assert bench.ask(Pdu.GET, [null(GREENS)], community=b"public") is not None
    assert bench.ask(Pdu.GET, [null(GREENS)], community=b"guess") is None, "silence for strangers"
    assert bench.ask(Pdu.GET, [null(GREENS)], version=1, community=b"public") is None, "this make has no v2c"
    answer = bench.ask(Pdu.SET, [integer(PATTERN_CONTROL, 254)], community=b"public")
    assert answer is not None and answer.error_status == ErrorStatus.NO_SUCH_NAME
    answer = bench.ask(Pdu.SET, [integer(PATTERN_CONTROL, 254)], community=b"secret")
    assert answer is not None and answer.error_status == 0
    assert bench.cabinet.agent.counters.silent == 2


FUZZED = Virtual()
GOOD = encode(Message(0, b"administrator", Pdu.SET, 1, bindings=(integer(HOLD, 34), integer(VEH_CALL, 1))))


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=600) | st.builds(lambda at, to: damaged(at, to), st.integers(0), st.integers(0, 255))
)
def test_no_bytes_make_it_fall_over(data: bytes) -> None:
    answer = FUZZED.cabinet.agent.answer(data)
    assert answer is None or len(answer) <= 484


def test_twenty_thousand_damaged_frames_neither_crash_nor_block() -> None:
    dice = random.Random(1)
    for _ in range(20_000):
        data = bytearray(GOOD)
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        FUZZED.cabinet.agent.answer(bytes(data[: dice.randrange(1, len(data) + 1)]))
    assert FUZZED.get(GREENS) is not None


def damaged(at: int, to: int) -> bytes:
    data = bytearray(GOOD)
    data[at % len(data)] = to
    return bytes(data)
