"""Rings, barriers and the control masks: what a dual-ring controller does with traffic and with wishes."""

from __future__ import annotations

import itertools
import random

import pytest

from stopline_hil.ntcip.hires import Code
from stopline_mmu import Lamp
from tests.hil.ntcip_virtual import (
    ASC,
    FORCE_OFF,
    FREE,
    GREENS,
    HOLD,
    OMIT,
    PATTERN_CONTROL,
    PED_CALL,
    PED_CLEARS,
    PED_OMIT,
    VEH_CALL,
    WALKS,
    Virtual,
    bits,
    nema_plan,
)

RING_STATUS = (*ASC, 7, 6, 1, 1, 1)
PHASE_ONS, PHASE_NEXTS = (*ASC, 1, 4, 1, 10, 1), (*ASC, 1, 4, 1, 11, 1)
EVERY = 0xFF


@pytest.fixture
def bench() -> Virtual:
    return Virtual()


def test_it_starts_on_the_major_street_and_rests_there(bench: Virtual) -> None:
    assert bench.greens == bits(2, 6)
    bench.run(3000)
    assert bench.greens == bits(2, 6), "nobody calls"
    assert bench.number_at(RING_STATUS) & 7 == 3, "green rest"
    bench.assert_safe()


def test_rings_end_alone_within_a_side_and_cross_the_barrier_together(bench: Virtual) -> None:
    """A left on one side only: its ring alone changes; then everybody crosses."""
    bench.vehicle(4)
    bench.until(lambda: bench.greens == bits(4, 8))
    bench.vehicle(1, 6)
    bench.until(lambda: bench.greens == bits(1, 6))
    bench.vehicle(2, 6)
    began = bench.now
    bench.until(lambda: bench.greens == bits(2, 6))
    assert bench.now - began <= 100
    ends = [record.param for record in bench.cabinet.unit.log.of(Code.GREEN_END) if record.time >= began]
    assert ends == [1], "phase 6 ran on while ring 1 changed"
    bench.vehicle(3)
    bench.until(lambda: bench.greens == bits(3, 8))  # phase 8 comes along: dual entry
    bench.assert_safe()


def test_uncalled_phases_are_skipped_and_called_ones_come_in_ring_order(bench: Virtual) -> None:
    bench.vehicle(1, 3, 4, 5)
    bench.run(2400)
    greens = [record.param for record in bench.cabinet.unit.log.of(Code.GREEN)]
    first_ring = [phase for phase in greens if phase <= 4]
    assert first_ring[:7] == [2, 3, 4, 1, 3, 4, 1]
    assert 7 not in greens, "nobody called 7; phase 8 comes along with 3 and 4"
    bench.assert_safe()


def test_gap_out_waits_for_minimum_and_passage(bench: Virtual) -> None:
    bench.vehicle(4)
    bench.until(lambda: bench.greens == bits(4, 8))
    began = bench.now
    bench.vehicle(4, 2)
    bench.run(100)
    assert bench.greens == bits(4, 8), "its traffic extends it"
    bench.vehicle(2)
    bench.until(lambda: not bench.greens & bits(4))
    assert bench.now - began == 100 + 30, "passage time after the last vehicle"
    assert bench.cabinet.unit.log.of(Code.GAP_OUT)[-2:] == [
        (bench.now, Code.GAP_OUT, 4),
        (bench.now, Code.GAP_OUT, 8),
    ]
    assert bench.number_at(RING_STATUS) & 0b1000, "gap out"
    bench.assert_safe()


def test_max_out_counts_from_the_conflicting_call(bench: Virtual) -> None:
    bench.vehicle(2, 6)
    bench.run(600)
    bench.vehicle(2, 6, 4)
    began = bench.now
    bench.until(lambda: not bench.greens & bits(2))
    assert abs(bench.now - began - 300) <= 1
    assert {record.param for record in bench.cabinet.unit.log.of(Code.MAX_OUT)} == {2, 6}


def test_far_vehicles_call_but_do_not_extend(bench: Virtual) -> None:
    bench.vehicle(4, far=True)
    bench.until(lambda: bench.greens == bits(4, 8))
    began = bench.now
    bench.vehicle(4, far=True)
    bench.must_set((VEH_CALL, bits(2)))
    bench.until(lambda: not bench.greens & bits(4))
    assert bench.now - began == 50, "gone at its minimum"


def test_force_off_needs_a_call_waits_for_the_minimum_and_clears_itself(bench: Virtual) -> None:
    bench.must_set((PATTERN_CONTROL, FREE), (FORCE_OFF, bits(2, 6)))
    bench.run(60)
    assert bench.greens == bits(2, 6), "nobody to serve: no effect"
    assert bench.get(FORCE_OFF) == bits(2, 6)
    bench.must_set((VEH_CALL, bits(4)), (FORCE_OFF, bits(2, 6)))
    bench.until(lambda: not bench.greens & bits(2, 6), 5)
    assert bench.get(FORCE_OFF) == 0, "cleared at the end of green"
    bench.until(lambda: bench.greens == bits(4, 8))
    bench.must_set((VEH_CALL, bits(2)), (FORCE_OFF, bits(4, 8)))
    began = bench.now
    bench.until(lambda: not bench.greens & bits(4))
    assert bench.now - began == 50, "the minimum green"
    reasons = bench.cabinet.unit.log.of(Code.FORCE_OFF)
    assert [record.param for record in reasons] == [2, 6, 4, 8]
    bench.assert_safe()


def test_hold_outlasts_calls_maximum_and_force_off(bench: Virtual) -> None:
    bench.must_set((PATTERN_CONTROL, FREE), (HOLD, bits(2, 6)))
    bench.vehicle(1, 3, 4, 5, 7, 8)
    for _ in range(12):
        bench.run(100)
        bench.must_set((HOLD, bits(2, 6)), (FORCE_OFF, bits(2)))
        assert bench.greens == bits(2, 6)
    bench.must_set((HOLD, 0))
    bench.until(lambda: bench.greens != bits(2, 6), 5)


def test_omit_keeps_a_phase_from_being_chosen_but_does_not_end_it(bench: Virtual) -> None:
    bench.must_set((PATTERN_CONTROL, FREE), (OMIT, bits(3, 4, 2)))
    assert bench.greens == bits(2, 6)
    bench.vehicle(3, 4, 7)
    served = 0
    for _ in range(60):
        bench.run(10)
        bench.must_set((OMIT, bits(3, 4, 2)))
        served |= bench.greens
    assert served & bits(3, 4) == 0
    assert served & bits(7), "the other ring is served, beside a ring at rest in red"
    bench.assert_safe()


def test_a_ring_rests_red_when_all_it_could_show_is_omitted(bench: Virtual) -> None:
    bench.must_set((PATTERN_CONTROL, FREE), (OMIT, EVERY & ~bits(3)), (VEH_CALL, bits(3)))
    bench.must_set((FORCE_OFF, bits(2, 6)))
    bench.until(lambda: bench.greens == bits(3), 150)
    assert bench.number_at((*RING_STATUS[:-1], 2)) & 7 == 6, "red rest"
    bench.assert_safe()


def test_any_stage_can_be_asked_for_from_any_other() -> None:
    """Hold and call its phases, omit the rest, force off what is green: as controllers in the field do."""
    bench = Virtual()
    bench.vehicle(*range(1, 9))
    pairs = [bits(a, b) for a in (1, 2) for b in (5, 6)] + [bits(a, b) for a in (3, 4) for b in (7, 8)]
    dice = random.Random(4)
    for _ in range(24):
        wanted = dice.choice(pairs)
        for _ in range(40):
            bench.must_set(
                (PATTERN_CONTROL, FREE),
                (VEH_CALL, wanted),
                (HOLD, wanted),
                (OMIT, EVERY & ~wanted),
                (FORCE_OFF, bench.greens & ~wanted),
            )
            bench.run(10)
            if bench.greens == wanted:
                break
        assert bench.greens == wanted
    bench.assert_safe()


def test_pedestrians_walk_clear_and_hold_their_phase(bench: Virtual) -> None:
    bench.press(4)
    bench.run(3)
    bench.press(4, False)
    assert bench.number_at((*ASC, 1, 4, 1, 9, 1)) == bits(4), "the call is latched"
    bench.until(lambda: bench.number_at(WALKS) == bits(4))
    assert bench.greens == bits(4, 8)
    assert bench.number_at((*ASC, 1, 4, 1, 9, 1)) == 0, "answered"
    began = bench.now
    bench.vehicle(2)
    bench.must_set((FORCE_OFF, bits(4, 8)))
    bench.until(lambda: bench.number_at(PED_CLEARS) == bits(4))
    assert bench.now - began == 70
    bench.until(lambda: bench.number_at(PED_CLEARS) == 0)
    assert bench.now - began == 170, "walk and clearance are never cut"
    ended = [record.time for record in bench.cabinet.unit.log.of(Code.GREEN_END) if record.param == 4]
    assert ended == [began + 170], "and the phase waits for them"
    bench.until(lambda: bench.greens == bits(2, 6))
    bench.assert_safe()


def test_ped_call_and_ped_omit_bits(bench: Virtual) -> None:
    bench.must_set((PED_CALL, bits(8)), (PED_OMIT, bits(8)))
    bench.run(300)
    assert bench.number_at(WALKS) == 0 and bench.greens == bits(2, 6)
    bench.must_set((PED_CALL, bits(8)), (PED_OMIT, 0))
    bench.until(lambda: bench.number_at(WALKS) == bits(8), 200)
    bench.assert_safe()


def test_status_masks_agree_with_the_lamps(bench: Virtual) -> None:
    """Every tenth of a busy minute: one colour per phase, ons hold through red clearance, nexts come next."""
    bench.vehicle(*range(1, 9))
    bench.press(2)
    nexts: list[tuple[int, int]] = []
    for _ in range(1500):
        bench.run(1)
        reds, yellows, greens = (bench.number_at((*ASC, 1, 4, 1, column, 1)) for column in (2, 3, 4))
        assert reds ^ yellows ^ greens == EVERY and reds & yellows == 0 and reds & greens == 0
        for phase in range(1, 9):
            lamp = {Lamp.RED: reds, Lamp.YELLOW: yellows, Lamp.GREEN: greens}[bench.lamp(str(phase))]
            assert lamp & bits(phase)
        ons = bench.number_at(PHASE_ONS)
        assert ons & (greens | yellows) == greens | yellows
        nexts.append((bench.number_at(PHASE_NEXTS), greens))
    for (coming, _), (later, greens) in itertools.pairwise(nexts):
        if coming and not later:
            assert greens & coming == coming, "what was next is green now"
    bench.assert_safe()


def test_phase_two_groups_and_limits_are_readable(bench: Virtual) -> None:
    assert bench.number_at((*ASC, 1, 1, 0)) == 16
    assert bench.number_at((*ASC, 1, 3, 0)) == 2
    assert bench.number_at((*GREENS[:-1], 2)) == 0
    assert bench.number_at((*ASC, 1, 2, 1, 8, 4)) == 35, "yellow in 0.1 s"
    assert bench.number_at((*ASC, 1, 2, 1, 9, 4)) == 15, "red clearance in 0.1 s"
    assert bench.number_at((*ASC, 1, 2, 1, 4, 4)) == 5, "minimum green in s"
    assert bench.number_at((*ASC, 1, 2, 1, 6, 4)) == 30, "maximum 1 in s"
    assert bench.number_at((*ASC, 1, 2, 1, 5, 4)) == 30, "passage in 0.1 s"
    assert bench.number_at((*ASC, 1, 2, 1, 2, 4)) == 7 and bench.number_at((*ASC, 1, 2, 1, 3, 4)) == 10
    assert bench.get((*ASC, 1, 2, 1, 23, 1)) == bytes((5, 6)), "concurrency is a list, not a mask"
    assert bench.get((*ASC, 7, 3, 1, 3, 1, 2)) == bytes((5, 6, 7, 8)), "sequence of ring 2"
    assert bench.number_at((*ASC, 1, 2, 1, 22, 7)) == 2, "ring of phase 7"


@pytest.mark.parametrize("seed", range(4))
def test_no_sequence_of_settings_brings_lamps_out_of_order(seed: int) -> None:
    """A manager out of its mind, on a plan with permissive turns: masks, patterns and preempts at random."""
    bench = Virtual(nema_plan(arrows=seed % 2 == 1))
    dice = random.Random(seed)
    columns = (OMIT, PED_OMIT, HOLD, FORCE_OFF, VEH_CALL, PED_CALL)
    for _ in range(300):
        oid = dice.choice(
            (*columns, PATTERN_CONTROL, (*ASC, 6, 3, 1, 2, dice.randrange(1, 9)), (*ASC, 7, 5, 1, 3, 1))
        )
        value = dice.randrange(2) if oid[-4] == 3 and oid[-5] == 6 else dice.randrange(256)
        bench.set((oid, value))
        bench.vehicle(*(phase for phase in range(1, 9) if dice.random() < 0.4))
        bench.press(dice.choice((2, 4, 6, 8)), dice.random() < 0.5)
        bench.run(dice.randrange(1, 30))
    bench.assert_safe()
