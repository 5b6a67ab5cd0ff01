"""`stopline policy shadow`: let a policy decide without acting."""

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
            help="First digits of the version, from `stopline policy list`; left out ends the shadow."
        ),
    ] = "",
    address: AddressOption = DEFAULT_ADDRESS,
    operator: Annotated[str, typer.Option(help="Who; kept in the audit log.", envvar="USER")] = "engineer",
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a loaded policy in shadow: it decides from the same detectors at the same moments, and never acts.

    Its choices are compared with those in force (where the local plan is, with the stage it shows);
    `stopline policy list` shows how often they agreed, by junction with `--json`. A policy that fails or is
    too slow in shadow is taken out of it. A site may want a number of decisions in shadow before a version
    can be activated (`[policy] shadow_decisions`). There is one shadow at a time. Needs the role engineer.
    """
    from stopline_cli.policy_client import PolicyClient, full, row

    with PolicyClient(Connection(address, ca, cert, key)) as client:
        answer = client.shadow(version, operator)
    shown = [getattr(answer, name) for name in ("ended", "version") if answer.HasField(name)]
    if as_json:
        print_json([full(found) for found in shown])
    elif shown:
        print_table([row(found) for found in shown])
    else:
        typer.echo("nothing was in shadow")
