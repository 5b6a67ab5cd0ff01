"""`stopline policy rollback`: put the version before in charge again."""

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
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")],
    address: AddressOption = DEFAULT_ADDRESS,
    operator: Annotated[str, typer.Option(help="Who; kept in the audit log.", envvar="USER")] = "engineer",
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take the policy in charge out and put the version before it in charge again.

    It takes effect with the next decision of each junction. Versions that were rolled back are passed over;
    where none is left, the cabinets run their local plans. To activate the same version later, give
    `stopline policy activate` the option `--again`. Needs the role engineer or supervisor.
    """
    from stopline_cli.policy_client import PolicyClient, in_charge

    with PolicyClient(Connection(address, ca, cert, key)) as client:
        answer = client.roll_back(operator, reason)
    shown = in_charge(answer.version if answer.HasField("version") else None, answer.audit_sequence)
    if as_json:
        print_json(shown)
    else:
        print_table([shown])
