"""What every benchmark shares: the row it reports, the command line, the table and the JSON."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value and the limit it is held to.

    Attributes:
        case: what was measured on; never changes once published.
        figure: what was measured, with its unit and, in a comparison, the peer.
        value: the measurement.
        limit: the bound, or None when the value is only reported.
        at_least: the limit is a lower bound instead of an upper one.
    """

    case: str
    figure: str
    value: float
    limit: float | None = None
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the value keeps its limit; a value that is not a number keeps none."""
        if self.limit is None:
            return not math.isnan(self.value)
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def row(self) -> dict[str, object]:
        """Return the published form; a value JSON cannot hold becomes null."""
        return {
            "case": self.case,
            "figure": self.figure,
            "value": self.value if math.isfinite(self.value) else None,
            "limit": self.limit,
            "holds": self.holds,
        }


def main(measure: Callable[[], Sequence[Figure]], arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark from the command line.

    Args:
        measure: makes the figures; its docstring is the description.
        arguments: the command line, `sys.argv` by default.

    Returns:
        0 when every limit holds, 1 when one does not.
    """
    parser = argparse.ArgumentParser(description=measure.__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    options = parser.parse_args(arguments)
    figures = list(measure())
    print_figures(figures)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(
            json.dumps([figure.row() for figure in figures], indent=2, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )
    return 0 if all(figure.holds for figure in figures) else 1


def print_figures(figures: Sequence[Figure]) -> None:
    """Print the figures as a table, the ones that do not hold marked."""
    table = Table("case", "figure")
    table.add_column("value", justify="right")
    table.add_column("limit", justify="right")
    table.add_column("holds")
    for figure in figures:
        limit = "" if figure.limit is None else f"{'≥' if figure.at_least else '≤'} {figure.limit:.4g}"
        verdict = "yes" if figure.holds else "[bold red]NO[/]"
        table.add_row(escape(figure.case), escape(figure.figure), f"{figure.value:.4g}", limit, verdict)
    Console(width=None if sys.stdout.isatty() else 140).print(table)
