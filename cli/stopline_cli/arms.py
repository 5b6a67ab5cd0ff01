"""A table of paired arms, as the evaluations of priority print and keep it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from stopline_cli.output import print_json, print_table

Shown = Mapping[str, tuple[str, float, int]]
"""Figure -> its heading, what it is multiplied by, and its decimals."""


def keep_and_show(
    table: Mapping[str, Any],
    file: Path,
    *,
    shown: Shown,
    counts: Sequence[str],
    title: str,
    said: str,
    as_json: bool,
) -> None:
    """Write the file, print a row an arm with its intervals; exit 1 when the monitor saw violations.

    `counts` are figures without an interval; they come first.
    """
    whole = {**table, "command": shlex.join(["stopline", *sys.argv[1:]])}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json(whole)
        return
    arms: Mapping[str, dict[str, Any]] = table["arms"]
    print_table([_row(arm, figures, shown, counts) for arm, figures in arms.items()], title=title)
    typer.echo(f"{said} Wrote {file}")
    if any(figures["violations"] for figures in arms.values()):
        typer.echo("error: the conflict monitor saw violations", err=True)
        raise typer.Exit(1)


def _row(arm: str, figures: Mapping[str, Any], shown: Shown, counts: Sequence[str]) -> dict[str, object]:
    cells: dict[str, object] = {"arm": arm, **{name: figures[name] for name in counts}}
    for name, (label, factor, digits) in shown.items():
        mean, (low, high) = figures[name]["mean"], figures[name]["ci95"]
        cells[label] = "{:.{d}f} ({:.{d}f} to {:.{d}f})".format(
            factor * mean, factor * low, factor * high, d=digits
        )
    return {**cells, "violations": figures["violations"]}
