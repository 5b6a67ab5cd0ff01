"""Preempts, geometry, rings, group details: kept by the table form, refused when they cannot hold."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stopline_signals import (
    ConflictPath,
    PlanError,
    Preempt,
    Recall,
    SignalPlan,
    plan_from_table,
    plan_to_table,
)
from tests.signals.plans_for_tests import EAST, LEFT, NORTH, WALK, four_groups

TENTHS = st.integers(0, 600)
METRES = st.floats(0, 60)
SPEEDS = st.floats(0.5, 30)


@st.composite
def detailed_plans(draw: st.DrawFn) -> SignalPlan:
    """The four-group junction with random details in every optional part."""
    plan = four_groups()
    groups = tuple(
        replace(
            group,
            passage=draw(TENTHS),
            recall=draw(st.sampled_from(Recall)),
            phase=draw(st.integers(0, 16)),
            speed=draw(METRES),
            turn_speed=draw(METRES),
            grade=draw(st.floats(-0.1, 0.1)),
            crossing=draw(METRES),
        )
        for group in plan.groups
    )
    return replace(
        plan,
        groups=groups,
        preempts=tuple(draw(preempts(number)) for number in range(draw(st.integers(0, 2)))),
        paths=tuple(draw(st.lists(paths(), max_size=3))),
        rings=draw(st.sampled_from([(), (((NORTH,), (EAST,)), ((LEFT,), ()))])),
    )


@st.composite
def preempts(draw: st.DrawFn, number: int) -> Preempt:
    return Preempt(
        name=f"p{number}",
        dwell=draw(st.integers(0, 2)),
        priority=draw(st.integers(1, 9)),
        rail=draw(st.booleans()),
        track_clear=draw(st.none() | st.integers(0, 2)),
        delay=draw(TENTHS),
        min_duration=draw(TENTHS),
        max_presence=draw(TENTHS),
        enter_yellow=draw(TENTHS),
        enter_red=draw(TENTHS),
        exit_stages=draw(st.sampled_from([(), (0,), (2, 1)])),
    )


@st.composite
def paths(draw: st.DrawFn) -> ConflictPath:
    return ConflictPath(
        ending=NORTH,
        starting=EAST,
        crossing_time=draw(TENTHS),
        clearing_m=draw(METRES),
        vehicle_m=draw(METRES),
        clearing_mps=draw(SPEEDS),
        entering_m=draw(METRES),
        entering_mps=draw(SPEEDS),
    )


@given(plan=detailed_plans())
def test_the_table_form_keeps_every_detail(plan: SignalPlan) -> None:
    table = json.loads(json.dumps(plan_to_table(plan)))
    assert plan_from_table(table) == plan
    assert plan_from_table(table).digest() == plan.digest()


def test_what_a_plan_lacks_does_not_change_its_digest() -> None:
    """A plan written before these parts existed keeps the digest a cabinet may have stored."""
    table = plan_to_table(four_groups())
    assert not {"preempt", "path", "rings"} & set(table)
    assert not {"passage", "recall", "phase", "speed"} & set(table["group"][0])


def test_rounding_up_takes_the_preempt_with_it() -> None:
    preempt = Preempt(name="rail", dwell=0, enter_yellow=41, enter_red=0)
    rounded = replace(four_groups(), preempts=(preempt,)).rounded_up(10).preempts[0]
    assert (rounded.enter_yellow, rounded.enter_red) == (50, 0)


@pytest.mark.parametrize(
    ("key", "rows", "message"),
    [
        ("preempt", [{"name": "ev", "dwell": "night"}], "preempt ev: unknown stage 'night'"),
        ("preempt", [{"name": "ev", "dwell": "north", "dealy": 5}], "unknown key 'dealy'"),
        ("preempt", [{"name": "ev", "dwell": "north", "delay": -1}], "preempt ev: times must be"),
        (
            "path",
            [{"ending": "north", "starting": "east", "crossing_time": 30}],
            "path north: clearing_m must be",
        ),
        ("path", [{"ending": "north", "starting": "west"}], "clearing_m"),
        ("rings", [["north"]], "rings 0: must be a list of lists"),
        ("rings", [[["north"], ["west"]]], "rings 0: unknown group 'west'"),
        ("rings", [[["north"], ["north"]]], "name an unknown group, or one twice"),
        ("rings", [[["north"], ["east"]], [["left"]]], "same number of barriers"),
    ],
)
def test_a_bad_part_is_named(key: str, rows: list[Any], message: str) -> None:
    table = {**plan_to_table(four_groups()), key: rows}
    with pytest.raises(PlanError, match=message):
        plan_from_table(table, "J0.toml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clearing_mps": 0.0}, "north -> east: lengths must be 0 or more and speeds over 0"),
        ({"entering_m": 3.0, "entering_mps": 0.0}, "speeds over 0"),
        ({"clearing_m": -1.0}, "lengths must be 0 or more"),
        ({"starting": WALK + 1}, "not there"),
    ],
)
def test_geometry_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    path = ConflictPath(
        ending=NORTH, starting=EAST, crossing_time=30, clearing_m=20, vehicle_m=6, clearing_mps=10
    )
    with pytest.raises(PlanError, match=message):
        replace(four_groups(), paths=(replace(path, **change),))
