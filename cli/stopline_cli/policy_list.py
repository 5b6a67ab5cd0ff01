"""`stopline policy list`: which policies a controller has, and what they did."""

from __future__ import annotations

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
    address: AddressOption = DEFAULT_ADDRESS,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the versions of the policy, newest first.

    One is *active*: it decides. One may be in *shadow*: it decides beside the active one, is compared with
    it, and never acts. *Loaded* ones wait. One that was *rolled back* says why. Without an active one the
    cabinets run their local plans.

    Figures: how many decisions, how many the guard changed, how many failed; how long vehicles stand compared
    with the local plan at the same flow, once both were seen for some windows of traffic.
    """
    from stopline_cli.policy_client import PolicyClient, full, row

    with PolicyClient(Connection(address, ca, cert, key)) as client:
        versions = client.versions()
    if as_json:
        print_json([full(version) for version in versions])
    elif versions:
        print_table([row(version) for version in versions])
    else:
        typer.echo("no policy is loaded; the local plans are in charge")
