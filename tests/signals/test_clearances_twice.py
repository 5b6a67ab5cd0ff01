"""Clearances are computed twice, by code that shares nothing, and must agree (RiLSA's two readings)."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from stopline_mmu import book
from stopline_signals import NO_CONFLICT, ConflictPath, plan_to_table
from stopline_signals.intergreens import (
    intergreen_matrix,
    intergreen_of,
    needed_intergreens,
    rilsa_path,
)
from stopline_signals.timing import (
    CYCLIST,
    PEDESTRIAN,
    STRAIGHT,
    TURNING,
    pedestrian_clearance,
    red_clearance,
    walk_time,
    yellow_time,
)
from tests.signals.plans_for_tests import four_groups


def _measures(low: float, high: float) -> st.SearchStrategy[float]:
    """As they are surveyed: two decimals."""
    return st.integers(round(low * 100), round(high * 100)).map(lambda hundredths: hundredths / 100)


METRES, SPEEDS = _measures(0, 80), _measures(0.5, 35)


@st.composite
def paths(draw: st.DrawFn) -> ConflictPath:
    ending = draw(st.integers(0, 3))
    return ConflictPath(
        ending=ending,
        starting=draw(st.integers(0, 3).filter(lambda starting: starting != ending)),
        crossing_time=draw(st.integers(0, 70)),
        clearing_m=draw(METRES),
        vehicle_m=draw(METRES),
        clearing_mps=draw(SPEEDS),
        entering_m=draw(METRES),
        entering_mps=draw(SPEEDS),
    )


@settings(max_examples=500)
@given(rows=st.lists(paths(), min_size=1, max_size=8))
def test_intergreens_from_random_geometry_agree(rows: list[ConflictPath]) -> None:
    plan = replace(four_groups(), paths=tuple(rows))
    names = [group.name for group in plan.groups]
    plain = json.loads(json.dumps(plan_to_table(plan)))["path"]
    ours = {(names[i], names[j]): value for (i, j), value in needed_intergreens(rows).items()}
    assert ours == book.intergreens(plain)


@settings(max_examples=500)
@given(speed=SPEEDS, grade=_measures(-0.4, 0.2), turn_speed=_measures(0, 20))
def test_yellow_agrees(speed: float, grade: float, turn_speed: float) -> None:
    assert yellow_time(speed, grade, turn_speed) == book.yellow(speed, grade, turn_speed)


@settings(max_examples=500)
@given(width=METRES, speed=_measures(0, 35), length=_measures(0, 20))
def test_red_clearance_agrees(width: float, speed: float, length: float) -> None:
    assert red_clearance(width, speed, length) == book.red(width, speed, length)


@settings(max_examples=500)
@given(crossing=METRES)
def test_walking_times_agree(crossing: float) -> None:
    assert pedestrian_clearance(crossing) == book.pedestrian_change(crossing)
    assert walk_time(crossing) == book.walk(crossing)


def test_published_examples() -> None:
    """A car that clears 18 m straight on against one that enters 10 m: 3 + 24/10 - 10/11.1 = 4.5 s."""
    straight = rilsa_path(0, 1, 18.0, 10.0, STRAIGHT, STRAIGHT)
    assert intergreen_of(straight) == 45
    turning = rilsa_path(0, 1, 15.0, 0.0, TURNING, STRAIGHT)
    assert intergreen_of(turning) == 50
    walking = rilsa_path(0, 1, 30.0, 3.0, PEDESTRIAN, STRAIGHT)
    assert intergreen_of(walking) == 248
    assert intergreen_of(rilsa_path(0, 1, 18.0, 10.0, CYCLIST, PEDESTRIAN)) == 55


def test_the_extended_yellow_of_a_turn_is_longer() -> None:
    """ITE 2020: a left that slows from 50 to 30 km/h brakes first; with v_E = v it is the old form."""
    fast, slow = 50 / 3.6, 30 / 3.6
    assert yellow_time(fast, 0.0, slow) == 42
    assert yellow_time(fast, 0.0, fast) == yellow_time(fast) == 33
    assert yellow_time(fast, -0.05) > yellow_time(fast)


@given(rows=st.lists(paths(), max_size=6))
def test_the_matrix_takes_the_largest_value_of_each_pair(rows: list[ConflictPath]) -> None:
    groups = four_groups().groups
    matrix = intergreen_matrix(groups, rows)
    pairs = {(row.ending, row.starting) for row in rows}
    for i in range(4):
        for j in range(4):
            value = matrix[i][j]
            assert (value == NO_CONFLICT) == (not {(i, j), (j, i)} & pairs)
            if value != NO_CONFLICT:
                needs = [intergreen_of(row) for row in rows if (row.ending, row.starting) == (i, j)]
                assert value == max([groups[i].change, *needs])
