"""Engine and guard do what they did when they were recorded; see `recorded_runs`."""

from __future__ import annotations

import pytest

from tests.signals.lamp_checker import LampChecker
from tests.signals.recorded_runs import FOLDER, LAMPS, course, plans, record_of


@pytest.mark.parametrize("name", plans())
def test_the_rule_book_does_what_was_recorded(name: str) -> None:
    recorded = record_of(name).read_text(encoding="utf-8").splitlines()
    done = list(course(plans()[name], name))
    for number, (line, (now, words)) in enumerate(zip(recorded, done, strict=True), 1):
        assert now == line, f"{record_of(name).name} line {number}: {words}"


def test_every_record_is_played() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {record_of(name).name for name in plans()}


@pytest.mark.parametrize("name", plans())
def test_what_was_recorded_shows_every_lamp_and_breaks_no_pair(name: str) -> None:
    plan = plans()[name]
    checker = LampChecker(plan)
    shown = set[str]()
    for line in record_of(name).read_text(encoding="utf-8").splitlines():
        lamps = line.split()[2]
        shown |= set(lamps)
        checker._pairs(int(line.split()[0]), tuple(LAMPS.index(lamp) for lamp in lamps))
    assert shown >= set("ryG")
    assert checker.problems == []
