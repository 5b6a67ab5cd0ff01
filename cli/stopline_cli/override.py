"""`stopline override`: take a junction or some of its groups over, and hand them back."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from stopline_cli.connection import (
    DEFAULT_ADDRESS,
    AddressOption,
    CaOption,
    CertOption,
    Connection,
    KeyOption,
)
from stopline_cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from stopline.v1 import override_pb2
    from stopline_cli.centre import Centre

FREE_PATTERNS = {"own": 0, "program": 1, "free": 254}


class Verb(StrEnum):
    """What an operator may do."""

    HOLD = "hold"
    GO = "go"
    OMIT = "omit"
    CALL = "call"
    PLAN = "plan"
    ALL_RED = "all-red"
    FLASH = "flash"
    RELEASE = "release"
    CONFIRM = "confirm"
    PREVIEW = "preview"
    LIST = "list"


def command(
    verb: Annotated[
        Verb,
        typer.Argument(
            help="hold, go (to a stage), omit or call (groups), plan (own, program, free or a number), "
            "all-red, flash, release, confirm (the second person), preview (a stage), list (leases)."
        ),
    ],
    junction: Annotated[
        str, typer.Argument(help="The junction; for confirm the confirmation id; for list may be left out.")
    ] = "",
    targets: Annotated[
        list[str] | None,
        typer.Argument(help="A stage by name or number, groups by name, or a plan.", show_default=False),
    ] = None,
    address: AddressOption = DEFAULT_ADDRESS,
    seconds: Annotated[float, typer.Option(min=1, help="How long; then control goes back by itself.")] = 30.0,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "operator's decision",
    operator: Annotated[str, typer.Option(help="Who; kept in the audit log.", envvar="USER")] = "operator",
    priority: Annotated[int, typer.Option(min=0, help="Within a role, a higher one takes over.")] = 0,
    group: Annotated[
        list[str] | None,
        typer.Option(help="Take only these groups over, for hold, omit and call.", show_default=False),
    ] = None,
    not_after: Annotated[
        float, typer.Option(min=0, help="Seconds after which it must not begin any more; 0 = no limit.")
    ] = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of it.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Stay until the time is over; Ctrl-C hands back at once.")
    ] = True,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Override a junction under a lease that expires by itself.

    The timing rules hold against operators too: an answer of PENDING_SAFE_POINT says when it may begin. Flash
    and all-red wait for a second person, who types `stopline override confirm ID`. If this command dies, the
    lease runs out after `--seconds` and the next source takes over at a safe point.

    Exit code 1 when the controller refuses.
    """
    from stopline_cli.centre import Centre

    if not junction and verb is not Verb.LIST:
        raise typer.BadParameter(
            f"{verb} needs a {'confirmation id' if verb is Verb.CONFIRM else 'junction'}"
        )
    names = targets or []
    with Centre(Connection(address, ca, cert, key)) as centre:
        if verb is Verb.LIST:
            print_table([_lease_row(lease) for lease in centre.leases(junction)], as_json=as_json)
        elif verb is Verb.CONFIRM:
            answer = centre.confirm(junction, operator)
            _show(answer, as_json)
            _fail_if_rejected(answer)
        elif verb is Verb.PREVIEW:
            _show(centre.preview(junction, centre.stage_index(junction, next(iter(names), None))), as_json)
        elif verb is Verb.RELEASE:
            _release(centre, junction, operator, as_json)
        else:
            fill = _filling(centre, verb, junction, names)
            lease = centre.acquire(junction, operator, seconds, reason, priority, group or ())
            answer = centre.place(lease, fill, not_after=not_after, dry_run=dry_run)
            _show(answer, as_json)
            if dry_run or answer["status"] == "REJECTED":
                centre.release(lease)
            _fail_if_rejected(answer)
            if wait and not dry_run:
                _stay(centre, lease, seconds)


def _filling(
    centre: Centre, verb: Verb, junction: str, names: list[str]
) -> Callable[[override_pb2.OverrideRequest], None]:
    """What states the override in a request."""
    from stopline.v1 import override_pb2

    if verb is Verb.GO:
        stage = centre.stage_index(junction, next(iter(names), None))
        return lambda request: request.go_to_stage.CopyFrom(override_pb2.GoToStage(stage=stage))
    if verb is Verb.OMIT:
        return lambda request: request.omit.CopyFrom(override_pb2.OmitGroups(groups=names))
    if verb is Verb.CALL:
        return lambda request: request.call.CopyFrom(override_pb2.CallGroups(groups=names))
    if verb is Verb.PLAN:
        pattern = _pattern(names)
        return lambda request: request.select_plan.CopyFrom(override_pb2.SelectPlan(pattern=pattern))
    if verb is Verb.ALL_RED:
        return lambda request: request.all_red.SetInParent()
    if verb is Verb.FLASH:
        return lambda request: request.flash.SetInParent()
    return lambda request: request.hold.SetInParent()


def _pattern(names: list[str]) -> int:
    name = names[0] if names else ""
    if name in FREE_PATTERNS:
        return FREE_PATTERNS[name]
    if name.isdecimal():
        return int(name)
    raise typer.BadParameter(f"plan needs {', '.join(FREE_PATTERNS)} or a number, found {name!r}")


def _release(centre: Centre, junction: str, operator: str, as_json: bool) -> None:
    """Hand back what this operator, or this certificate, holds at the junction."""
    from stopline_cli.client import CentreError

    held = [lease for lease in centre.leases(junction) if lease.operator == operator]
    if not held:
        raise CentreError(f"{operator} holds no lease of junction {junction}")
    for lease in held:
        centre.release(lease)
    print_table([_lease_row(lease) for lease in held], title="handed back", as_json=as_json)


def _lease_row(lease: override_pb2.Lease) -> dict[str, object]:
    from stopline.v1 import override_pb2

    return {
        "junction": lease.junction_id,
        "groups": ", ".join(lease.groups) or "all",
        "operator": lease.operator,
        "role": override_pb2.Role.Name(lease.role).removeprefix("ROLE_").lower(),
        "priority": lease.priority,
        "remaining_s": lease.remaining_s,
        "reason": lease.reason,
    }


def _fail_if_rejected(answer: dict[str, object]) -> None:
    if answer["status"] == "REJECTED":
        raise typer.Exit(1)


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
