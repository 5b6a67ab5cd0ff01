"""The schema of a plan file: in step with the code, and of one mind with the reader."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from stopline_signals import PlanError, SignalPlan, plan_from_table, plan_to_table
from stopline_signals.ring_barrier import RingBarrier
from stopline_signals.ring_table import ring_barrier_to_table
from stopline_signals.schema import plan_schema, schema_text
from tests.signals.plans_for_tests import four_groups, random_plans
from tests.signals.test_plan_parts import detailed_plans
from tests.signals.test_ring_barrier import TOML, tables

SCHEMA = plan_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_documented_schema_is_the_code_s(root: Path) -> None:
    """Run `python -m stopline_signals.schema > docs/plan.schema.json` after a change."""
    assert (root / "docs/plan.schema.json").read_text(encoding="utf-8") == schema_text()


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@given(plan=random_plans() | detailed_plans())
def test_every_plan_the_code_writes_is_valid(plan: SignalPlan) -> None:
    VALIDATOR.validate(json.loads(json.dumps(plan_to_table(plan))))


@given(table=tables())
def test_every_ring_barrier_table_the_code_writes_is_valid(table: RingBarrier) -> None:
    VALIDATOR.validate(json.loads(json.dumps(ring_barrier_to_table(table))))


def full_table() -> dict[str, Any]:
    """A plan table with one row in every section."""
    table = plan_to_table(four_groups())
    table["preempt"] = [{"name": "ev", "dwell": "north"}]
    table["path"] = [
        {"ending": "north", "starting": "east", "crossing_time": 30}
        | {"clearing_m": 20.0, "vehicle_m": 6.0, "clearing_mps": 10.0}
    ]
    return table


SECTIONS = ["", "group", "stage", "intergreen", "yields", "detector", "program", "preempt", "path"]
RING_SECTIONS = ["ring_barrier", "ring_barrier.phase", "ring_barrier.overlap", "ring_barrier.pattern"]


@pytest.mark.parametrize("section", [*SECTIONS, "program.step", *RING_SECTIONS])
def test_schema_and_reader_know_the_same_keys(section: str) -> None:
    rings = tomllib.loads(TOML)
    rings["ring_barrier"]["overlap"] = [{"name": "A", "parents": [1]}]
    table: Any = rings if section.startswith("ring") else full_table()
    row, schema = table, SCHEMA
    for key in filter(None, section.split(".")):
        row, schema = row[key], schema["properties"][key]
        if isinstance(row, list):
            row, schema = row[0], schema["items"]
    row["colour"] = 1
    if section == "program.step":
        assert set(schema["properties"]) == {"stage", "green_at"}
        return
    with pytest.raises(PlanError, match="unknown key 'colour'; known are ") as caught:
        plan_from_table(table)
    known = set(re.split(", ", str(caught.value).partition("known are ")[2]))
    own = {"ring_barrier"} if section == "" else set[str]()
    assert set(schema["properties"]) - own == known
    assert not VALIDATOR.is_valid(table)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("junction",), 3),
        (("group",), []),
        (("group", 0, "yellow"), "3 s"),
        (("group", 0, "yellow"), 999_999),
        (("group", 0, "kind"), "boat"),
        (("group", 0, "recall"), "always"),
        (("group", 0, "links"), ["a"]),
        (("stage", 0, "protected"), "north"),
        (("intergreen", 0, "starting"), {"east": 3.5}),
        (("detector", 0, "kind"), "laser"),
        (("program", "cycle"), 0),
        (("preempt", 0, "delay"), -1),
        (("path", 0, "clearing_m"), "20 m"),
        (("rings",), [["north"]]),
    ],
)
def test_schema_and_reader_refuse_the_same(path: tuple[Any, ...], value: object) -> None:
    table: Any = json.loads(json.dumps(full_table()))
    VALIDATOR.validate(table)
    place = table
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert not VALIDATOR.is_valid(table)
    with pytest.raises(PlanError):
        plan_from_table(table)


@pytest.mark.parametrize("missing", ["junction", "group", "stage"])
def test_what_must_be_there_must_be_there(missing: str) -> None:
    table = full_table()
    del table[missing]
    assert not VALIDATOR.is_valid(table)


def test_stages_and_rings_exclude_each_other() -> None:
    rings = tomllib.loads(TOML)
    VALIDATOR.validate(rings)
    for key, value in (
        ("group", full_table()["group"]),
        ("intergreen", []),
        ("stage", full_table()["stage"]),
    ):
        assert not VALIDATOR.is_valid({**rings, key: value})
