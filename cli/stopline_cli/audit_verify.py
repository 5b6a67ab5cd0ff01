"""`stopline audit verify`: is an audit log whole?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stopline_cli.output import JsonOption, print_json


def command(
    file: Annotated[Path, typer.Argument(help="The log: audit.sqlite in the controller's state directory.")],
    contains: Annotated[
        str | None,
        typer.Option(
            help="A hash noted earlier, for instance by another office: it must still be in the chain.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute the hash chain of an audit log; it may be in use meanwhile.

    Every record carries the hash of the one before, so a record changed or taken out is found. The whole log
    made anew is not, unless its head was noted elsewhere: note the head this command prints, and give it to
    `--contains` later.

    Exit code 1 when the chain is broken.
    """
    from stopline_controller.audit_chain import read_records, verify_file

    found = verify_file(file)
    anchored = contains is None or any(record.hash == contains for record in read_records(file))
    if as_json:
        print_json({**found._asdict(), "contains": anchored})
    elif found.intact:
        span = f"{found.records} records from {found.first} on" if found.records else "no records"
        typer.echo(f"{file}: intact, {span}\nhead {found.head}")
    else:
        where = f"record {found.first_broken}; {found.records} records before it are good"
        typer.echo(f"{file}: BROKEN at {where}")
    if not anchored and not as_json:
        typer.echo(f"hash {contains} is not in the chain: this is another log, or it was removed by age")
    if not (found.intact and anchored):
        raise typer.Exit(1)
