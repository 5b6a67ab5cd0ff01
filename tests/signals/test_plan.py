"""Plans refuse what could not be run, round up safely and survive their table form."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from stopline_signals import NO_CONFLICT, PlanError, SignalPlan, Stage, plan_from_table, plan_to_table
from stopline_signals.timing import pedestrian_clearance, red_clearance, walk_time, yellow_time
from tests.signals.plans_for_tests import four_groups, random_plans


@settings(max_examples=60, deadline=None)
@given(plan=random_plans())
def test_the_table_form_loses_nothing(plan: SignalPlan) -> None:
    table = json.loads(json.dumps(plan_to_table(plan)))
    assert plan_from_table(table) == plan
    assert plan_from_table(table).digest() == plan.digest()


@settings(max_examples=60, deadline=None)
@given(plan=random_plans())
def test_rounding_up_never_shortens(plan: SignalPlan) -> None:
    rounded = plan.rounded_up(10)
    for before, after in zip(plan.groups, rounded.groups, strict=True):
        assert after.minimum >= before.minimum
        assert after.change >= before.change
        assert (after.minimum % 10, after.change % 10) == (0, 0)
    for row, rounded_row in zip(plan.intergreen, rounded.intergreen, strict=True):
        for value, new in zip(row, rounded_row, strict=True):
            assert (value == NO_CONFLICT) == (new == NO_CONFLICT)
            assert new >= value


def test_conflicting_groups_in_one_stage_are_refused() -> None:
    with pytest.raises(PlanError, match="north and east conflict"):
        replace(four_groups(), stages=(Stage("bad", (0, 1)),), program=None)


def test_a_one_sided_matrix_is_refused() -> None:
    plan = four_groups()
    rows = [list(row) for row in plan.intergreen]
    rows[0][1] = NO_CONFLICT
    with pytest.raises(PlanError, match="one way only"):
        replace(plan, intergreen=tuple(map(tuple, rows)))


def test_an_intergreen_under_the_yellow_is_refused() -> None:
    plan = four_groups()
    rows = [list(row) for row in plan.intergreen]
    rows[1][0] = 30
    with pytest.raises(PlanError, match="under the change interval"):
        replace(plan, intergreen=tuple(map(tuple, rows)))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("group", 0, "yellow"), "3 s", "yellow must be int"),
        (("group", 0, "yellow"), 999_999, "0..36000"),
        (("group", 0, "colour"), 1, "unknown key 'colour'"),
        (("stage", 0, "protected"), ["west"], "unknown group 'west'"),
        (("detector", 0, "kind"), "laser", "laser"),
        (("program", "step", 0, "stage"), "night", "unknown stage 'night'"),
        (("program", "cycle"), 0, "cycle must be over 0"),
        (("intergreen", 0, "starting"), {"east": 3.5}, "east must be int"),
    ],
)
def test_a_bad_entry_is_named(path: tuple[Any, ...], value: object, message: str) -> None:
    table: Any = plan_to_table(four_groups())
    place = table
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(PlanError, match=message) as caught:
        plan_from_table(table, "site/J0.toml")
    assert str(caught.value).startswith("site/J0.toml: ")


def test_ite_intervals_match_the_published_table() -> None:
    """Yellow and red for W = 18 m, L = 6 m at 30 to 80 km/h: 3.0/2.88 ... 4.65/1.08 s, rounded up."""
    rows = [(yellow_time(kmh / 3.6), red_clearance(18, kmh / 3.6)) for kmh in (30, 40, 50, 60, 70, 80)]
    assert rows == [(30, 29), (30, 22), (33, 18), (38, 15), (42, 13), (47, 11)]


def test_walking_times_pass_both_checks() -> None:
    for crossing in (4.0, 9.5, 18.0, 30.0):
        clearance, walk = pedestrian_clearance(crossing) / 10, walk_time(crossing) / 10
        assert clearance >= crossing / 1.07 - 1e-9
        assert walk >= 7
        assert walk + clearance >= (crossing + 1.83) / 0.91 - 1e-9
