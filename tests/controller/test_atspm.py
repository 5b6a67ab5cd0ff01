"""The exported events give the atspm package what a person with pencil and paper finds in the same log."""

from __future__ import annotations

import datetime
import json
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from stopline_controller.alarms import Alarms
from stopline_controller.events import EventLog, Selection
from stopline_controller.export_events import export_detectors, export_events
from stopline_controller.hires import Code, HiResEvent, Observer
from tests.controller.town import BEGAN_US, PLAN, SIDE_GROUP, Town, cycle
from tests.foreign import foreign_python

Tables = dict[str, list[dict[str, Any]]]
MEASURE = Path(__file__).with_name("atspm_measures.py")
MAIN, SIDE, WALK = 1, 3, 5
"""Phases: groups counted from 1."""
MAIN_FAR, SIDE_NEAR = 2, 5
"""Channels: detectors counted from 1."""

SMALL: tuple[tuple[float, Code, int], ...] = (
    # Two cycles of the main road; five vehicles over its far zone: three on green, one on yellow, one on red.
    (0, Code.GREEN, MAIN),
    (3, Code.DETECTOR_ON, MAIN_FAR),
    (4, Code.DETECTOR_OFF, MAIN_FAR),
    (12, Code.DETECTOR_ON, MAIN_FAR),
    (13, Code.DETECTOR_OFF, MAIN_FAR),
    (20, Code.FORCE_OFF, MAIN),
    (20, Code.GREEN_END, MAIN),
    (20, Code.YELLOW, MAIN),
    (22, Code.DETECTOR_ON, MAIN_FAR),
    (22.5, Code.DETECTOR_OFF, MAIN_FAR),
    (23.3, Code.YELLOW_END, MAIN),
    (23.3, Code.RED_CLEARANCE, MAIN),
    (24, Code.BUTTON_ON, WALK),
    (28, Code.DETECTOR_ON, MAIN_FAR),
    (29, Code.DETECTOR_OFF, MAIN_FAR),
    # The side road: occupied through its green of ten seconds and for five of red; that is a split failure.
    (25, Code.DETECTOR_ON, SIDE_NEAR),
    (28.6, Code.RED_CLEARANCE_END, MAIN),
    (28.6, Code.GREEN, SIDE),
    (28.6, Code.WALK, WALK),
    (28.7, Code.BUTTON_OFF, WALK),
    (38.6, Code.FORCE_OFF, SIDE),
    (38.6, Code.GREEN_END, SIDE),
    (38.6, Code.YELLOW, SIDE),
    (41.6, Code.YELLOW_END, SIDE),
    (41.6, Code.RED_CLEARANCE, SIDE),
    (50, Code.DETECTOR_OFF, SIDE_NEAR),
    (52, Code.GREEN, MAIN),
    (60, Code.DETECTOR_ON, MAIN_FAR),
    (61, Code.DETECTOR_OFF, MAIN_FAR),
)


@pytest.fixture
def measured(tmp_path: Path) -> Callable[[Sequence[HiResEvent]], Tables]:
    """Events through the log, the export and atspm in its own environment."""
    python = foreign_python("measures")

    def measure(events: Sequence[HiResEvent]) -> Tables:
        log = EventLog(tmp_path / "events.sqlite", {"A": PLAN}, 100_000, Alarms())
        log.add(events)
        log.close()
        out, detectors = tmp_path / "events.csv", tmp_path / "detectors.csv"
        assert export_events(log.path, out, Selection(), datetime.UTC) == len(events)
        export_detectors(log.path, detectors)
        done = subprocess.run(
            [python, MEASURE, out, detectors], check=False, capture_output=True, text=True, timeout=50
        )
        assert done.returncode == 0, done.stderr
        tables: Tables = json.loads(done.stdout)
        return tables

    return measure


def test_a_small_log_gives_the_measures_counted_by_hand(
    measured: Callable[[Sequence[HiResEvent]], Tables],
) -> None:
    events = [HiResEvent(BEGAN_US + round(s * 1e6), "A", int(code), number) for s, code, number in SMALL]
    tables = measured(events)
    assert _by(tables["actuations"], "Detector", "Total") == {MAIN_FAR: 5, SIDE_NEAR: 1}
    arrivals = {row["Phase"]: row for row in tables["arrival_on_green"]}
    assert arrivals[MAIN]["Total_Actuations"] == 5
    assert arrivals[MAIN]["Percent_AOG"] == pytest.approx(3 / 5)
    failures = {row["Phase"]: row for row in tables["split_failures"]}
    assert failures[SIDE]["Green_Time"] == pytest.approx(10.0)
    assert failures[SIDE]["Green_Occupancy"] == pytest.approx(1.0)
    assert failures[SIDE]["Red_Occupancy"] == pytest.approx(1.0)
    assert failures[SIDE]["Split_Failure"] == 1
    ends = {(row["Phase"], row["PerformanceMeasure"]): row["Total"] for row in tables["terminations"]}
    assert ends == {(MAIN, "ForceOff"): 1, (SIDE, "ForceOff"): 1}
    walks = {row["Phase"]: (row["PedServices"], row["PedActuation"]) for row in tables["ped"]}
    assert walks == {WALK: (1, 1)}


def test_a_running_controller_gives_the_measures_counted_from_its_events(
    tmp_path: Path, measured: Callable[[Sequence[HiResEvent]], Tables]
) -> None:
    events: list[HiResEvent] = []
    with Town(tmp_path, policy=cycle) as town:
        observer = Observer(PLAN)
        town.hub.listen(lambda made: events.extend(e for s in made for e in observer.events(s)))
        for turn in range(40):
            here = ("side near", "main far") if turn % 2 else ("main near", "walk across button")
            town.queue(*here)
            town.run(1.7 + turn % 7)
    tables = measured(events)
    on = [event for event in events if event.code == Code.DETECTOR_ON]
    assert _by(tables["actuations"], "Detector", "Total") == Counter(event.parameter for event in on)
    forced = Counter(event.parameter for event in events if event.code == Code.FORCE_OFF)
    assert _by(tables["terminations"], "Phase", "Total") == forced and forced[SIDE_GROUP + 1] > 2
    served = Counter(event.parameter for event in events if event.code == Code.WALK)
    found = {row["Phase"]: row["PedServices"] for row in tables["ped"]}
    assert {phase: count for phase, count in found.items() if count} == served
    share = _on_green(events, MAIN_FAR, MAIN)
    arrivals = {row["Phase"]: row for row in tables["arrival_on_green"]}
    assert arrivals[MAIN]["Percent_AOG"] == pytest.approx(share)
    assert 0 < share < 1


def _by(rows: list[dict[str, Any]], key: str, value: str) -> dict[int, int]:
    return {row[key]: row[value] for row in rows}


def _on_green(events: Sequence[HiResEvent], channel: int, phase: int) -> float:
    """Share of a detector's vehicles that met green; those before the first green count as met by red."""
    green, met, all_of_them = False, 0, 0
    for event in events:
        if event.parameter == phase and event.code in (Code.GREEN, Code.YELLOW, Code.RED_CLEARANCE):
            green = event.code == Code.GREEN
        elif event.parameter == channel and event.code == Code.DETECTOR_ON:
            all_of_them += 1
            met += green
    return met / all_of_them
