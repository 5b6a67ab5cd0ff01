"""The monitor's card is plain data, and a slip in it is refused by name."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import stopline_mmu
from stopline_mmu import (
    Card,
    Channel,
    Lamp,
    Rule,
    Thresholds,
    card_from_table,
    lamps_from_letters,
    monitor_from_table,
)

TABLE: dict[str, Any] = {
    "channels": [
        {"name": "main", "min_green": 50, "min_change": 30},
        {"name": "left"},
        {"name": "walk", "pedestrian": True, "min_green": 70, "min_change": 80},
    ],
    "compatible": [["main", "walk"]],
    "yields": [["left", "main"]],
    "clearance": [["main", "left", 50]],
    "default_clearance": 40,
    "oncoming": [["left", "main"]],
    "thresholds": {"conflict": 2},
}


def test_the_table_says_what_the_card_holds() -> None:
    assert card_from_table(TABLE) == Card(
        channels=(
            Channel(name="main", min_green=50, min_change=30),
            Channel(name="left"),
            Channel(name="walk", pedestrian=True, min_green=70, min_change=80),
        ),
        compatible=frozenset({(0, 2)}),
        yields=frozenset({(1, 0)}),
        clearance={(0, 1): 50},
        default_clearance=40,
        thresholds=Thresholds(conflict=2),
        oncoming=frozenset({(1, 0)}),
    )


def test_pairs_without_an_entry_take_the_default_clearance() -> None:
    monitor = monitor_from_table({**TABLE, "channels": [{"name": n} for n in ("main", "left", "walk")]})
    for time, state in ((0, "rrr"), (100, "rGr"), (200, "ryr"), (230, "rrr"), (239, "rrG")):
        monitor.observe(time, lamps_from_letters(state))
    assert [(v.rule, v.measured, v.required) for v in monitor.violations] == [(Rule.CLEARANCE, 39, 40)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chanels": []}, "unknown key 'chanels'"),
        ({"channels": [{"name": "main", "min_yelow": 3}]}, "unknown key 'min_yelow'"),
        ({"compatible": [["main", "walkk"]]}, "no channel is named 'walkk'"),
        ({"compatible": [["main", "main"]]}, "does not name two"),
        ({"clearance": [["main", "left", 5.0]]}, "no whole number of tenths"),
        ({"channels": [{"name": n} for n in ("main", "left", "walk", "main")]}, "same name"),
        ({"thresholds": {"conflict": -1}}, "no whole number of tenths"),
    ],
)
def test_a_slip_is_refused_by_name(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        card_from_table({**TABLE, **change})


def test_letters_no_signal_shows_are_refused() -> None:
    assert lamps_from_letters("rygGuO") == (0, 1, 2, 3, Lamp.RED_YELLOW, Lamp.DARK)
    assert lamps_from_letters("so") == (Lamp.PERMISSIVE, Lamp.FLASH)
    with pytest.raises(ValueError, match="'x'"):
        lamps_from_letters("rx")


def test_the_referee_imports_nothing_of_ours() -> None:
    folder = Path(stopline_mmu.__file__).parent
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = [n for n in names if n.startswith("stopline") and not n.startswith("stopline_mmu")]
            assert not ours, f"{file.name} imports {ours}"
