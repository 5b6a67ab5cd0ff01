"""The form every benchmark reports in."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as runner
from benchmarks._table import Figure, main

KEEPS = Figure("cologne8", "delay ratio to fixed", 0.5, limit=1.0)
BREAKS = Figure("[loopback]", "decisions per second", 900.0, limit=1000.0, at_least=True)


def measured(figures: list[Figure], *arguments: str) -> int:
    def measure() -> list[Figure]:
        """Measure nothing."""
        return figures

    return main(measure, arguments)


@pytest.mark.parametrize(
    ("value", "at_least", "holds"),
    [(2.0, False, True), (2.1, False, False), (2.0, True, True), (1.9, True, False), (math.nan, True, False)],
)
def test_a_limit_is_upper_or_lower(value: float, at_least: bool, holds: bool) -> None:
    assert Figure("a", "b", value, limit=2.0, at_least=at_least).holds is holds


def test_the_file_has_exactly_the_published_keys(tmp_path: Path) -> None:
    file = tmp_path / "new" / "figures.json"
    assert measured([KEEPS, BREAKS, Figure("x", "y", math.inf)], "--json", str(file)) == 1
    assert json.loads(file.read_text(encoding="utf-8")) == [
        {"case": "cologne8", "figure": "delay ratio to fixed", "value": 0.5, "limit": 1.0, "holds": True},
        {
            "case": "[loopback]",
            "figure": "decisions per second",
            "value": 900.0,
            "limit": 1000.0,
            "holds": False,
        },
        {"case": "x", "figure": "y", "value": None, "limit": None, "holds": True},
    ]


def test_the_table_shows_limits_and_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    assert measured([KEEPS]) == 0
    measured([BREAKS])
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("cologne8", "≤ 1", "yes", "[loopback]", "≥ 1000", "NO"))


def test_every_benchmark_follows_the_contract(root: Path) -> None:
    for name in runner.names():
        command = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
        shown = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
        assert "--json" in shown, name


def test_an_unknown_benchmark_is_bad_usage() -> None:
    with pytest.raises(SystemExit) as stopped:
        runner.main(["no-such-benchmark"])
    assert stopped.value.code == 2
