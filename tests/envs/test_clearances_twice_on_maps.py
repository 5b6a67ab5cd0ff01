"""On every map the clearances of the plans are computed a second time, from the plan file's rows alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stopline_envs.plans import read_plans
from stopline_envs.plans.clearance import LEAST_RED_S
from stopline_mmu import book
from stopline_signals import NO_CONFLICT, GroupKind, SignalPlan, plan_to_table
from stopline_signals.timing import PEDESTRIAN_BUFFER_S, tenths
from stopline_signals.verify import Rule, Severity, verify
from tests.envs.maps import OWN, RESCO, WHEEL, scenario_or_skip

CLEARANCE = {Rule.YELLOW, Rule.RED_CLEARANCE, Rule.INTERGREEN, Rule.ZERO_CLEARANCE, Rule.PEDESTRIAN_CLEARANCE}


def plans_of(name: str) -> list[SignalPlan]:
    scenario = scenario_or_skip(name)
    return list(read_plans(Path(scenario.net), scenario.additional).plans.values())


@pytest.mark.parametrize("name", [*OWN, *RESCO, *WHEEL])
def test_two_readings_of_the_geometry_agree(name: str) -> None:
    compared = 0
    for plan in plans_of(name):
        table = json.loads(json.dumps(plan_to_table(plan)))
        second = book.intergreens(table.get("path", []))
        change = {
            g["name"]: g["clearance"] if g["kind"] == "pedestrian" else g["yellow"] for g in table["group"]
        }
        walks = {g["name"] for g in table["group"] if g["kind"] == "pedestrian"}
        for row in table["intergreen"]:
            ending = row["ending"]
            least = change[ending] + tenths(PEDESTRIAN_BUFFER_S if ending in walks else LEAST_RED_S)
            for starting, value in row["starting"].items():
                assert value == max(second.get((ending, starting), 0), least), (
                    plan.junction,
                    ending,
                    starting,
                )
                compared += 1
        assert set(second) == {
            (row["ending"], starting) for row in table["intergreen"] for starting in row["starting"]
        }
    assert compared


@pytest.mark.parametrize("name", [*OWN, *RESCO, *WHEEL])
def test_two_readings_of_yellow_and_walking_agree(name: str) -> None:
    for plan in plans_of(name):
        for index, group in enumerate(plan.groups):
            if group.kind is GroupKind.PEDESTRIAN:
                assert group.clearance == book.pedestrian_change(group.crossing), (plan.junction, group.name)
            elif any(value != NO_CONFLICT for value in plan.intergreen[index]):
                own = book.yellow(group.speed)
                # A cyclists' head may also stop those who walk beside them, and is yellow while they clear.
                walked = group.kind is GroupKind.CYCLIST and group.yellow > own
                assert group.yellow == own or walked, (plan.junction, group.name)


@pytest.mark.parametrize("name", [*OWN, *RESCO, *WHEEL])
def test_no_plan_read_from_a_map_breaks_a_clearance_rule(name: str) -> None:
    wrong = [
        f"{plan.junction}: {finding}"
        for plan in plans_of(name)
        for finding in verify(plan)
        if finding.rule in CLEARANCE and finding.severity is Severity.ERROR
    ]
    assert wrong == []
