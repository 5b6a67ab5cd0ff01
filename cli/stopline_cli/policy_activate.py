"""`stopline policy activate`: put a policy in charge."""

from __future__ import annotations

from typing import Annotated

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


def command(
    version: Annotated[
        str,
        typer.Argument(
            help="First digits of the version, from `stopline policy list`; none for the local plans."
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")],
    address: AddressOption = DEFAULT_ADDRESS,
    operator: Annotated[str, typer.Option(help="Who; kept in the audit log.", envvar="USER")] = "engineer",
    again: Annotated[
        bool, typer.Option("--again", help="Also when it was rolled back before; look at the reason first.")
    ] = False,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a loaded policy in charge of all junctions from their next decision on.

    The version before stays ready. The controller goes back to it by itself when the new one fails to decide,
    when the guard has to change its decisions too often, when it decides too slowly, or when vehicles stand
    longer than under the local plan (`[rollback]` in the site file). Timing rules hold whoever decides.

    The choice survives a restart; a site file that names another bundle than before overrules it. Needs the
    role engineer.
    """
    from stopline_cli.policy_client import PolicyClient, in_charge

    with PolicyClient(Connection(address, ca, cert, key)) as client:
        answer = client.activate(version, operator, reason, again)
    shown = in_charge(answer.version if answer.HasField("version") else None, answer.audit_sequence)
    if as_json:
        print_json(shown)
    else:
        print_table([shown])
