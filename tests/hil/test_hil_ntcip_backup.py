"""The backup timer and the database: what is zeroed when the asking stops, and how parameters change."""

from __future__ import annotations

import pytest

from stopline_hil.ntcip.hires import Code
from stopline_mmu import Rule
from tests.hil.ntcip_virtual import (
    ASC,
    BACKUP_TIME,
    CONTROL_STATUS,
    FORCE_OFF,
    FREE,
    HOLD,
    NEMA,
    OMIT,
    PATTERN_CONTROL,
    PED_CALL,
    PED_OMIT,
    SET_ID,
    TRANSACTION,
    VEH_CALL,
    Virtual,
    bits,
)

TIMEBASE, SYSTEM, STANDBY, BACKUP = 6, 2, 3, 4
NORMAL, OPEN, VERIFY, DONE = 1, 2, 3, 6
VERIFY_STATUS, VERIFY_ERROR = (*NEMA, 6, 2, 6, 0), (*NEMA, 6, 2, 7, 0)
PREEMPT_1 = (*ASC, 6, 3, 1, 2, 1)
LISTED = [
    (OMIT, 0x81),
    (PED_OMIT, 0x0A),
    (HOLD, 0x22),
    (FORCE_OFF, 0x44),
    (VEH_CALL, 0x88),
    (PED_CALL, 0x02),
    ((*HOLD[:-1], 2), 0x01),
    (PATTERN_CONTROL, FREE),
    ((*ASC, 4, 15, 0), 7),
    (PREEMPT_1, 1),
    ((*ASC, 7, 5, 1, 2, 1), 1),
    ((*ASC, 7, 5, 1, 3, 1), 2),
    ((*ASC, 7, 5, 1, 4, 1), 3),
    ((*ASC, 7, 5, 1, 5, 1), 3),
    ((*ASC, 7, 5, 1, 6, 1), 3),
    ((*ASC, 7, 5, 1, 7, 1), 3),
    ((*ASC, 3, 10, 0), 4),
    ((*ASC, 3, 14, 1, 3, 2), 1),
]
MIN_GREEN_4, YELLOW_4, SPLIT = (*ASC, 1, 2, 1, 4, 4), (*ASC, 1, 2, 1, 8, 4), (*ASC, 4, 9, 1, 3, 5, 2)
CONCURRENCY_1 = (*ASC, 1, 2, 1, 23, 1)


@pytest.fixture
def bench() -> Virtual:
    return Virtual(settle=100)


def test_every_listed_object_is_zeroed_when_nobody_asks_any_more(bench: Virtual) -> None:
    bench.must_set((BACKUP_TIME, 10))
    for pair in LISTED:
        bench.must_set(pair)
    assert bench.get(CONTROL_STATUS) == SYSTEM
    bench.run(99)
    assert bench.get(CONTROL_STATUS) == SYSTEM
    bench.run(1)
    assert bench.get(CONTROL_STATUS) == BACKUP
    assert [oid for oid, _ in LISTED if bench.get(oid)] == []
    assert bench.cabinet.unit.log.of(Code.CONTROL_STATUS)[-1] == (bench.now, Code.CONTROL_STATUS, BACKUP)
    bench.must_set((HOLD, bits(2)))
    assert bench.get(CONTROL_STATUS) == SYSTEM, "the next setting takes control again"


@pytest.mark.parametrize("pair", LISTED)
def test_each_of_them_feeds_the_one_timer(bench: Virtual, pair: tuple[tuple[int, ...], int]) -> None:
    bench.must_set((BACKUP_TIME, 10))
    bench.must_set((VEH_CALL, bits(4)))
    bench.run(60)
    bench.must_set(pair)
    bench.run(60)
    assert bench.get(CONTROL_STATUS) == SYSTEM
    bench.run(40)
    assert bench.get(CONTROL_STATUS) == BACKUP


def test_reading_and_parameters_feed_nothing(bench: Virtual) -> None:
    bench.must_set((BACKUP_TIME, 10))
    bench.must_set((HOLD, bits(2)))
    for _ in range(10):
        bench.run(10)
        bench.get(HOLD)
        bench.must_set((MIN_GREEN_4, 6))
    assert bench.get(CONTROL_STATUS) == BACKUP


def test_a_timer_of_zero_is_off(bench: Virtual) -> None:
    bench.must_set((BACKUP_TIME, 0))
    bench.must_set((HOLD, bits(2)))
    bench.run(6000)
    assert bench.get(HOLD) == bits(2), "which is why nobody should control such a cabinet"


def test_control_status_names_who_decides(bench: Virtual) -> None:
    assert bench.get(CONTROL_STATUS) == TIMEBASE
    bench.must_set((PATTERN_CONTROL, FREE))
    assert bench.get(CONTROL_STATUS) == SYSTEM
    bench.must_set((PATTERN_CONTROL, 0))
    assert bench.get(CONTROL_STATUS) == STANDBY
    bench.must_set(((*ASC, 4, 1, 0), 254))
    assert bench.get(CONTROL_STATUS) == 5, "a manual pattern locks system control out"


def test_a_transaction_takes_effect_as_a_whole(bench: Virtual) -> None:
    before = bench.get(SET_ID)
    bench.must_set((TRANSACTION, OPEN))
    bench.must_set((MIN_GREEN_4, 9), (SPLIT, 30))
    assert (bench.get(MIN_GREEN_4), bench.get(SET_ID)) == (5, before), "not yet"
    bench.must_set((TRANSACTION, VERIFY))
    assert bench.get(TRANSACTION) == VERIFY
    assert bench.set((MIN_GREEN_4, 8)) != 0, "nothing goes in while it is verified"
    assert bench.set((TRANSACTION, NORMAL)) == 3
    bench.until(lambda: bench.get(TRANSACTION) == DONE, 20)
    assert (bench.get(VERIFY_STATUS), bench.get(VERIFY_ERROR)) == (2, b"")
    bench.must_set((TRANSACTION, NORMAL))
    assert (bench.get(MIN_GREEN_4), bench.get(SPLIT)) == (9, 30)
    assert bench.get(SET_ID) != before


def test_a_transaction_that_fails_or_is_dropped_changes_nothing(bench: Virtual) -> None:
    before = bench.get(SET_ID)
    bench.must_set((TRANSACTION, OPEN))
    bench.must_set((CONCURRENCY_1, b"\x02\x03"))
    bench.must_set((TRANSACTION, VERIFY))
    bench.until(lambda: bench.get(TRANSACTION) == DONE, 20)
    assert bench.get(VERIFY_STATUS) == 1
    error = bench.get(VERIFY_ERROR)
    assert isinstance(error, bytes) and error.startswith(b"PHASE 01 CONCURRENCY FAULT")
    bench.must_set((TRANSACTION, NORMAL))
    bench.must_set((TRANSACTION, OPEN))
    bench.must_set((MIN_GREEN_4, 9))
    bench.must_set((TRANSACTION, NORMAL))
    assert (bench.get(SET_ID), bench.get(MIN_GREEN_4)) == (before, 5)


def test_structure_is_set_in_transactions_only_and_control_never_waits_for_them(bench: Virtual) -> None:
    assert bench.set((CONCURRENCY_1, b"\x05\x06")) == 5, "genErr: P2"
    bench.must_set((TRANSACTION, OPEN))
    bench.must_set((CONCURRENCY_1, b"\x05\x06"))
    bench.must_set((HOLD, bits(2)))
    assert bench.get(HOLD) == bits(2)
    assert bench.set((TRANSACTION, DONE)) == 3


def test_a_change_by_hand_shows_in_the_set_id_and_on_the_street(bench: Virtual) -> None:
    before = bench.get(SET_ID)
    bench.cabinet.edit_by_hand("phaseMinimumGreen", (4,), 12)
    assert bench.get(SET_ID) != before
    bench.vehicle(4, far=True)
    bench.until(lambda: bool(bench.greens & bits(4)))
    began = bench.now
    bench.vehicle(2)
    bench.until(lambda: not bench.greens & bits(4))
    assert bench.now - began == 120
    bench.cabinet.edit_by_hand("phaseMinimumGreen", (4,), 5)
    assert bench.get(SET_ID) == before
    bench.assert_safe()


def test_a_yellow_longer_by_hand_is_shown_and_a_shorter_one_trips_the_monitor(bench: Virtual) -> None:
    bench.must_set((YELLOW_4, 50))
    bench.vehicle(4)
    bench.until(lambda: bool(bench.greens & bits(4)))
    bench.vehicle(2)
    bench.until(lambda: not bench.greens & bits(4))
    began = bench.now
    bench.until(lambda: bool(bench.greens & bits(2)))
    assert bench.now - began == 50 + 15
    bench.assert_safe()
    bench.must_set((YELLOW_4, 10))
    bench.vehicle(4)
    bench.until(lambda: bool(bench.greens & bits(4)))
    bench.vehicle(2)
    bench.until(lambda: bench.cabinet.monitor.tripped is not None)
    assert bench.cabinet.monitor.tripped is not None
    assert bench.cabinet.monitor.tripped.rule is Rule.SHORT_YELLOW
    assert bench.get((*ASC, 3, 6, 0)) == 6, "flash, because of the monitor"
