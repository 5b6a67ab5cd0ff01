"""What commands print: a table for people, or the same rows as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

PIPE_WIDTH = 130

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def print_table(
    rows: Sequence[Mapping[str, object]], *, title: str = "", as_json: bool = False, digits: int = 1
) -> None:
    """Print rows that share their keys; as JSON nothing is rounded or left out.

    Args:
        rows: one mapping a row; the keys of the first are the columns of the table, in order.
        title: printed over the table, never in the JSON.
        as_json: print the rows as one JSON list.
        digits: decimals of floating-point cells in the table.
    """
    if as_json:
        print_json([dict(row) for row in rows])
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title or None, title_justify="left")
    for column in rows[0] if rows else ():
        numeric = all(isinstance(row[column], int | float) or row[column] is None for row in rows)
        table.add_column(column.replace("_", " "), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(escape(_cell(value, digits)) for value in row.values()))
    # A pipe has no width of its own; 80 columns would fold every cell.
    console = Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)
    console.print(table)


def print_json(value: object) -> None:
    """Print one JSON document on stdout, and nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _cell(value: object, digits: int) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)
