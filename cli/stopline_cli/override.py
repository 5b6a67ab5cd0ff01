"""`stopline override`: take a junction over, and hand it back."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from stopline_cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from stopline.v1 import override_pb2
    from stopline_cli.centre import Centre


class Verb(StrEnum):
    """What an operator may do."""

    HOLD = "hold"
    GO = "go"
    PREVIEW = "preview"


def command(
    verb: Annotated[
        Verb, typer.Argument(help="hold the present stage, go to a stage, or preview what would happen.")
    ],
    junction: Annotated[str, typer.Argument(help="The junction.")],
    stage: Annotated[
        str | None, typer.Argument(help="Stage by name or number, for go and preview.", show_default=False)
    ] = None,
    address: Annotated[str, typer.Option(help="host:port of the controller.")] = "127.0.0.1:50061",
    seconds: Annotated[float, typer.Option(min=1, help="How long; then control goes back by itself.")] = 30.0,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "operator's decision",
    operator: Annotated[str, typer.Option(help="Who; kept in the audit log.", envvar="USER")] = "operator",
    priority: Annotated[int, typer.Option(min=0, help="A higher priority takes a junction over.")] = 0,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Stay until the time is over; Ctrl-C hands back at once.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Override a junction under a lease that expires by itself.

    The timing rules hold against operators too: an answer of PENDING_SAFE_POINT says when the stage may
    begin. If this command dies, the lease runs out after `--seconds` and the next source takes over at a safe
    point.

    Exit code 1 when the controller refuses.
    """
    from stopline_cli.centre import Centre

    with Centre(address) as centre:
        if verb is Verb.PREVIEW:
            _show(centre.preview(junction, centre.stage_index(junction, stage)), as_json)
            return
        wanted = centre.stage_index(junction, stage) if verb is Verb.GO else None
        lease = centre.acquire(junction, operator, seconds, reason, priority)
        answer = centre.override(lease, wanted)
        _show(answer, as_json)
        if answer["status"] == "REJECTED":
            centre.release(lease)
            raise typer.Exit(1)
        if wait:
            _stay(centre, lease, seconds)


def _stay(centre: Centre, lease: override_pb2.Lease, seconds: float) -> None:
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        centre.release(lease)
        typer.echo("handed back", err=True)


def _show(answer: dict[str, object], as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        print_table([answer])
