"""`stopline policy load`: send a bundle to a controller."""

from __future__ import annotations

from pathlib import Path
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
    bundle: Annotated[
        Path, typer.Argument(help="Bundle made by `stopline export`: a directory or a zip.", exists=True)
    ],
    address: AddressOption = DEFAULT_ADDRESS,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a policy bundle to a controller, which verifies and keeps it; it decides nothing yet.

    The controller checks the signature against the site's trusted keys, the hash of every file, the versions,
    that every junction has the detectors the policy needs, and that its model runs. A bundle that fails is
    refused, and the refusal is in the audit log.

    Next: `stopline policy shadow VERSION`, later `stopline policy activate VERSION`. Needs the role engineer.
    """
    from stopline_cli.policy_client import PolicyClient, full, row

    with PolicyClient(Connection(address, ca, cert, key)) as client:
        version = client.load(bundle)
    if as_json:
        print_json(full(version))
    else:
        print_table([row(version)])
