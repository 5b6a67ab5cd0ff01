"""Patterns: the plan's own program, splits written by a centre, and what stops a pattern from running."""

from __future__ import annotations

import itertools

import pytest

from stopline_hil.ntcip.hires import Code
from stopline_signals.ring_barrier import Pattern
from tests.hil.ntcip_virtual import (
    ASC,
    BACKUP_TIME,
    FREE_STATUS,
    HOLD,
    PATTERN_CONTROL,
    PATTERN_STATUS,
    VEH_CALL,
    Virtual,
    bits,
    nema_plan,
)

NOT_FREE, COMMAND_FREE, COORD_FREE, BAD_PLAN, BAD_CYCLE, OVERRUN, BAD_OFFSET = 2, 3, 6, 7, 8, 9, 10
CYCLE_STATUS, ALARM_1, ALARM_2, SHORT_ALARM = (
    (*ASC, 4, 12, 0),
    (*ASC, 3, 8, 0),
    (*ASC, 3, 7, 0),
    (*ASC, 3, 9, 0),
)
SPARE, SPLIT_TABLE = 9, 5
SPLITS = {1: 15, 2: 35, 3: 20, 4: 20, 5: 20, 6: 30, 7: 15, 8: 25}


@pytest.fixture
def bench() -> Virtual:
    found = Virtual()
    found.must_set((BACKUP_TIME, 600))
    return found


def load(bench: Virtual, splits: dict[int, int], cycle: int = 90, offset: int = 0) -> None:
    for phase, seconds in splits.items():
        bench.must_set(((*ASC, 4, 9, 1, 3, SPLIT_TABLE, phase), seconds))
    for column, value in ((2, cycle), (3, offset), (4, SPLIT_TABLE), (5, 1)):
        bench.must_set(((*ASC, 4, 7, 1, column, SPARE), value))


def greens_of(bench: Virtual, since: int) -> dict[int, list[tuple[int, int]]]:
    """Per phase the greens after `since` as (begin, end)."""
    found: dict[int, list[tuple[int, int]]] = {}
    began: dict[int, int] = {}
    for time, code, phase in bench.cabinet.unit.log.of(Code.GREEN, Code.GREEN_END):
        if code == Code.GREEN:
            began[phase] = time
        elif began.get(phase, -1) >= since:
            found.setdefault(phase, []).append((began[phase], time))
    return found


def test_splits_of_a_spare_pattern_are_what_the_street_sees(bench: Virtual) -> None:
    """With everybody calling all the time, every split is used to its force-off, every cycle."""
    load(bench, SPLITS, offset=10)
    bench.must_set((PATTERN_CONTROL, SPARE))
    bench.vehicle(*range(1, 9))
    bench.run(1900)
    assert (bench.get(PATTERN_STATUS), bench.get(FREE_STATUS)) == (SPARE, NOT_FREE)
    since = bench.now
    bench.run(2800)
    for phase, greens in greens_of(bench, since).items():
        for begin, end in greens:
            assert abs(end - begin - (10 * SPLITS[phase] - 50)) <= 50, f"phase {phase}: {begin}..{end}"
    majors = [end for _, end in greens_of(bench, since)[2]]
    assert len(majors) >= 2 and {b - a for a, b in itertools.pairwise(majors)} == {900}
    assert {(end - 100) % 900 for end in majors} == {500 - 50}, "offset 10 s; phases 1 and 2 come first"
    bench.assert_safe()


def test_coordinated_phases_are_held_and_others_gap_out(bench: Virtual) -> None:
    load(bench, SPLITS)
    bench.must_set((PATTERN_CONTROL, SPARE))
    bench.vehicle(4, far=True)
    bench.run(2000)
    since = bench.now
    bench.run(1850)
    greens = greens_of(bench, since)
    assert set(greens) <= {2, 4, 6, 8}, "nobody calls the lefts"
    for begin, end in greens[4]:
        assert end - begin <= 60, "phase 4 gaps out at its minimum"
    for begin, end in greens[2]:
        assert end - begin > 500, "and phase 2 has its time"
    bench.assert_safe()


def test_cycle_status_counts_down_and_alarms_say_how_it_runs(bench: Virtual) -> None:
    load(bench, SPLITS)
    assert bench.number_at(ALARM_1) & 0x40, "local free"
    bench.must_set((PATTERN_CONTROL, SPARE))
    bench.vehicle(*range(1, 9))
    bench.run(10)
    assert bench.number_at(ALARM_1) & 0x80 and bench.number_at(ALARM_2) & 0x20, "coordinated, in transition"
    first = bench.number_at(CYCLE_STATUS)
    bench.run(30)
    assert bench.number_at(CYCLE_STATUS) in ((first - 3), first - 3 + 90)
    bench.run(2000)
    assert not bench.number_at(ALARM_2) & 0x20, "in step"
    bench.number_at(SHORT_ALARM)
    assert not bench.number_at(SHORT_ALARM) & 4
    bench.run(950)
    assert bench.number_at(SHORT_ALARM) & 4, "a cycle began since it was read"
    assert not bench.number_at(SHORT_ALARM) & 4, "and reading takes it off"


@pytest.mark.parametrize(
    ("splits", "cycle", "offset", "status"),
    [
        (SPLITS | {2: 36}, 90, 0, BAD_PLAN),
        (SPLITS, 100, 0, BAD_CYCLE),
        (SPLITS | {1: 8, 2: 42}, 90, 0, OVERRUN),
        (SPLITS, 90, 95, BAD_OFFSET),
    ],
)
def test_a_pattern_that_cannot_run_leaves_it_free(
    bench: Virtual, splits: dict[int, int], cycle: int, offset: int, status: int
) -> None:
    load(bench, splits, cycle, offset)
    bench.must_set((PATTERN_CONTROL, SPARE))
    bench.run(2)
    assert (bench.get(PATTERN_STATUS), bench.get(FREE_STATUS)) == (254, status)
    bench.vehicle(4)
    bench.until(lambda: bool(bench.greens & bits(4)))


def test_pattern_control_release_free_and_flash(bench: Virtual) -> None:
    assert (bench.get(PATTERN_STATUS), bench.get(FREE_STATUS)) == (254, COORD_FREE)
    bench.must_set((PATTERN_CONTROL, 254))
    bench.run(1)
    assert bench.get(FREE_STATUS) == COMMAND_FREE
    bench.must_set((PATTERN_CONTROL, 200))
    bench.run(1)
    assert bench.get(FREE_STATUS) == BAD_PLAN, "no such pattern"
    bench.must_set((PATTERN_CONTROL, 255))
    bench.until(lambda: bench.get((*ASC, 3, 6, 0)) == 3, 400)
    bench.must_set((PATTERN_CONTROL, 0))
    bench.until(lambda: bench.get((*ASC, 3, 6, 0)) == 2, 400)
    bench.run(200)
    bench.assert_safe()


def test_the_local_plan_is_the_plans_own_program_until_somebody_asks() -> None:
    lengths = tuple((phase, 10 * seconds) for phase, seconds in SPLITS.items())
    bench = Virtual(nema_plan(Pattern(cycle=900, offset=100, splits=lengths)))
    bench.must_set((BACKUP_TIME, 60))
    assert (bench.get(PATTERN_STATUS), bench.get(FREE_STATUS)) == (1, NOT_FREE)
    assert [bench.get((*ASC, 4, 9, 1, 3, 1, phase)) for phase in SPLITS] == list(SPLITS.values())
    bench.run(2000)
    starts = [r.time for r in bench.cabinet.unit.log.of(Code.GREEN) if r.param == 4]
    assert {(time - 100) % 900 for time in starts} == {700}, "nobody has to call"
    bench.must_set((PATTERN_CONTROL, 254), (HOLD, bits(2, 6)), (VEH_CALL, bits(2, 6)))
    bench.until(lambda: bench.greens == bits(2, 6))
    for _ in range(4):
        bench.must_set((PATTERN_CONTROL, 254), (HOLD, bits(2, 6)), (VEH_CALL, bits(2, 6)))
        bench.run(500)
        assert bench.greens == bits(2, 6), "asked for, it leaves its program"
    bench.run(600 + 1800)
    later = [r.time for r in bench.cabinet.unit.log.of(Code.GREEN) if r.param == 4][-1]
    assert (later - 100) % 900 == 700, "back in step after the backup time"
    bench.assert_safe()
