"""`stopline audit show`: read an audit log."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stopline_cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from stopline_controller.audit_chain import Record


def command(
    file: Annotated[Path, typer.Argument(help="The log: audit.sqlite in the controller's state directory.")],
    junction: Annotated[str, typer.Option(help="Only this junction.")] = "",
    kind: Annotated[str, typer.Option(help="Only records of this kind, such as lease or override.")] = "",
    actor: Annotated[str, typer.Option(help="Only what this operator, vehicle or policy caused.")] = "",
    since: Annotated[int, typer.Option("--from", min=1, help="First record.")] = 1,
    last: Annotated[int, typer.Option(min=0, help="Only the last so many; 0 = all.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show records of an audit log, oldest first; it may be in use meanwhile."""
    from collections import deque

    from stopline_controller.audit_chain import Filter, read_records

    wanted = Filter(since, 0, junction, kind)
    found = (record for record in read_records(file, wanted) if actor in ("", record.actor))
    rows = [_row(record) for record in deque(found, maxlen=last or None)]
    if as_json:
        print_json(rows)
    else:
        print_table([{**row, "detail": json.dumps(row["detail"])} for row in rows])


def _row(record: Record) -> dict[str, object]:
    at = datetime.datetime.fromtimestamp(record.wall_us / 1e6, datetime.UTC)
    return {
        "sequence": record.sequence,
        "time_utc": at.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00"),
        "clock_s": record.tenths / 10,
        "kind": record.kind,
        "junction": record.junction,
        "actor": record.actor,
        "detail": json.loads(record.detail),
    }
