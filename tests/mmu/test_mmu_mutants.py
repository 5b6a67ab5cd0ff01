"""The monitor is silent on what engine and guard show, and finds every seeded fault of lamps and rules."""

from __future__ import annotations

import pytest

from tests.mmu.driven_lamps import Place, judged
from tests.mmu.lamp_mutants import LAMP_MUTANTS
from tests.mmu.mutant_table import PLACES, lamps, main, pairs, rule_book, sound

at_every_place = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)


@at_every_place
def test_what_engine_and_guard_show_never_trips(place: Place) -> None:
    assert judged(place.card, sound(place)).violations == []


def test_every_fault_of_the_lamps_is_found_wherever_it_can_occur() -> None:
    rows = list(lamps())
    assert len(rows) >= 25
    assert [row for row in rows if not row.holds] == []


def test_every_fault_of_the_rule_book_is_found() -> None:
    rows = list(rule_book())
    assert len(rows) >= 10
    assert [row for row in rows if not row.holds] == []


@at_every_place
def test_a_wrong_entry_of_the_matrix_is_found_for_every_pair(place: Place) -> None:
    rows = list(pairs(place))
    assert rows[1].seeded == 2 * rows[0].seeded > 0
    assert [row for row in rows if not row.holds] == []


def test_a_monitor_with_a_blind_spot_fails_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.mmu.mutant_table.LAMP_MUTANTS", LAMP_MUTANTS[:2])
    monkeypatch.setattr("tests.mmu.mutant_table.everything", lamps)
    monkeypatch.setattr("stopline_mmu.monitor.Monitor._short", lambda *fault: [])
    assert main([]) == 1
    said = capsys.readouterr().out
    assert "MISSED" in said
    assert "vehicle yellow a tenth short" in said.split("MISSED")[1].splitlines()[0]
