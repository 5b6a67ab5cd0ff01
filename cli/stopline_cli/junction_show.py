"""`stopline junction show`: what the policy last decided on at a junction, and whether it decides there."""

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
    junction: Annotated[str, typer.Argument(help="Junction of the controller.", show_default=False)],
    address: AddressOption = DEFAULT_ADDRESS,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the policy sees of a junction: how old its latest observation is, and every detector in it.

    A detector that is not believed is hidden from the policy, and its group counts as called. When too few
    are left, the policy leaves the junction to its local plan; the reason is shown. Figures *at their end*
    are those beyond which the policy cannot tell more from less.
    """
    from stopline_cli.centre import Centre
    from stopline_cli.junction_rows import detector_rows, full, summary

    with Centre(Connection(address, ca, cert, key)) as centre:
        plan, found = centre.plan(junction), centre.describe(junction)
    if as_json:
        print_json(full(found))
        return
    for line in summary(plan, found):
        typer.echo(line)
    if found.HasField("observation"):
        print_table(detector_rows(plan, found.observation))
