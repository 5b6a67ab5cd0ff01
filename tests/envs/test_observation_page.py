"""docs/observation.md against the encoder itself: names, places, scales, limits, ranges of detectors."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stopline_envs.neighbours import NEIGHBOUR_FEATURES, REACH_M
from stopline_envs.network import plans_of
from stopline_envs.scenario import load_scenario
from stopline_envs.sensor_profiles import PROFILES, ZONES
from stopline_envs.slots import MOST
from stopline_signals.detectors import QUEUED_BELOW_MPS, DetectorReading
from stopline_signals.engine import Engine
from stopline_signals.observation import (
    ENCODER_VERSION,
    ROW_FEATURES,
    STAGE_FEATURES,
    Encoder,
    ObservationLayout,
)
from stopline_signals.plan import DetectorKind, SignalPlan

LAYOUT = ObservationLayout()
SECTIONS = {"Rows": ROW_FEATURES, "Stages": STAGE_FEATURES, "Neighbours": NEIGHBOUR_FEATURES}
SENSORS = {"near", "far", "button", "lamps", "plan"}


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "observation.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def plan() -> SignalPlan:
    (plan,) = plans_of(load_scenario("single")).plans.values()
    return plan


def table(page: str, section: str) -> list[dict[str, str]]:
    """The rows of the first table of a section."""
    part = page.split(f"\n## {section}", 1)[1] if section else page
    lines = [line for line in part.split("\n## ")[0].splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(head, row, strict=True)) for row in rows]


def scale_of(page: str, section: str, name: str) -> float:
    row = next(row for row in table(page, section) if row["name"] == name)
    return float(row["1 is"].split()[0])


def encoded(plan: SignalPlan, reading: DetectorReading, seconds: int = 0) -> NDArray[np.float32]:
    """The rows of a junction whose detectors all read the same, some time after its first green."""
    engine = Engine(plan)
    state = engine.start(0)
    every = (1 << len(plan.groups)) - 1
    state = engine.advance(state, -1, every, state.settled_at + 10 * seconds).state
    readings = tuple(
        DetectorReading(1) if detector.kind is DetectorKind.BUTTON else reading for detector in plan.detectors
    )
    vector = Encoder(engine).encode(state, readings, 1)
    return vector[LAYOUT.rows].reshape(LAYOUT.max_groups, -1)[: len(plan.groups)]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_feature_stands_in_its_column(page: str, section: str) -> None:
    rows = table(page, section)
    assert tuple(row["name"] for row in rows) == SECTIONS[section]
    assert [int(row["column"]) for row in rows] == list(range(len(rows)))
    for row in rows:
        sources = {part.removeprefix("its ") for part in row["from"].split(", ")}
        assert sources <= SENSORS, row
        assert row["what it is"] and row["1 is"]


def test_blocks_lie_where_the_page_says(page: str) -> None:
    blocks = {row["block"]: (int(row["from"]), int(row["to"])) for row in table(page, "")[:4]}
    for name in ("rows", "membership", "stages", "mask"):
        part = getattr(LAYOUT, name)
        assert blocks[name] == (part.start, part.stop)
    assert f"it has {LAYOUT.size} numbers" in page
    assert f"encoder version {ENCODER_VERSION}," in page
    assert f"between 0 and {MOST:g}" in page
    assert f"slower than {QUEUED_BELOW_MPS:g} m/s" in page
    assert f"(at most {REACH_M:.0f} m)" in page


def test_demand_is_scaled_as_the_page_says(page: str, plan: SignalPlan) -> None:
    rows = encoded(plan, DetectorReading(3, 2))
    for index, group in enumerate(plan.groups):
        if any(d.group == index and d.kind is DetectorKind.NEAR_ZONE for d in plan.detectors):
            values = dict(zip(ROW_FEATURES, rows[index].tolist(), strict=True))
            for name, count in (
                ("near_vehicles", 3),
                ("near_queued", 2),
                ("far_vehicles", 3),
                ("far_queued", 2),
            ):
                expected = count / (scale_of(page, "Rows", name) * group.lanes)
                assert values[name] == pytest.approx(expected, rel=1e-5), name
            assert values["near_total"] == pytest.approx(3 / scale_of(page, "Rows", "near_total"))
            assert values["far_total"] == pytest.approx(3 / scale_of(page, "Rows", "far_total"))
            assert values["lanes"] == pytest.approx(group.lanes / scale_of(page, "Rows", "lanes"))


def test_times_are_scaled_as_the_page_says(page: str, plan: SignalPlan) -> None:
    first, later = encoded(plan, DetectorReading(1), 2), encoded(plan, DetectorReading(1), 8)
    grown = (later - first).max(axis=0)
    for name in ("green_time", "red_time"):
        assert grown[ROW_FEATURES.index(name)] == pytest.approx(6 / scale_of(page, "Rows", name), rel=1e-4)
    shrunk = (first - later).max(axis=0)[ROW_FEATURES.index("minimum_left")]
    least = min(group.minimum for group in plan.groups) / 10
    assert 0 < shrunk <= min(6, least + 3) / scale_of(page, "Rows", "minimum_left")


def test_limits_hold_for_the_worst_that_can_be_read(page: str, plan: SignalPlan) -> None:
    rows = encoded(plan, DetectorReading(10**6, 10**6), 100_000)
    for column, row in enumerate(table(page, "Rows")):
        most = float(rows[:, column].max())
        if row["most"] != "–":
            assert most <= float(row["most"]) + 1e-6, row["name"]
        if row["name"] not in ("permissive", "yellow", "minimum_left", "lanes"):
            assert most == pytest.approx(float(row["most"])), row["name"]


def test_profiles_reach_as_far_as_the_page_says(page: str) -> None:
    rows = {row["profile"]: row for row in table(page, "Sensors")}
    assert set(rows) == set(PROFILES)
    for name, profile in PROFILES.items():
        for field, given in (("near", profile.near_m), ("far", profile.far_m)):
            stated = tuple(float(number) for number in re.findall(r"[\d.]+", rows[name][field]))
            assert stated == given
    assert "the default" in rows[ZONES.name]["what it stands for"]
    assert load_scenario("single").sensors == replace(ZONES)
