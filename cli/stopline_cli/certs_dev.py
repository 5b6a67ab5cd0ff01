"""`stopline certs dev`: certificates for a controller and its clients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stopline_cli.output import JsonOption, print_table

if TYPE_CHECKING:
    from stopline_controller.identity import Role


def command(
    folder: Annotated[Path, typer.Argument(help="Where to; an authority that is there is used again.")],
    host: Annotated[
        list[str] | None, typer.Option(help="Name or address of the controller; this machine's are included.")
    ] = None,
    client: Annotated[
        list[str] | None,
        typer.Option(help="NAME:ROLE of a client; by default one of each role.", show_default=False),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=825, help="How long the certificates are good.")] = 90,
    as_json: JsonOption = False,
) -> None:
    """Make a local certificate authority, a server certificate and one certificate per client.

    Roles: viewer reads, dispatcher reports vehicles, operator and supervisor override, engineer does all.
    Run it again to renew all certificates or to add clients; a running controller takes the new files up by
    itself. Keep `ca.key` away from the street: who has it can make anybody an engineer.
    """
    import datetime

    from stopline_controller.dev_ca import write_dev_certificates
    from stopline_controller.identity import Role

    clients = [_client(text) for text in client or [f"{role}:{role}" for role in Role]]
    made = write_dev_certificates(folder, host or [], clients, datetime.timedelta(days=days))
    rows = [
        {"certificate": str(path), "key": str(path.with_suffix(".key")), "for": path.stem} for path in made
    ]
    print_table(rows, as_json=as_json)
    if not as_json:
        typer.echo(
            f'\nIn the site file:\n\n  [controller.tls]\n  certificate = "{folder}/controller.pem"\n'
            f'  key = "{folder}/controller.key"\n  client_ca = "{folder}/ca.pem"\n\n'
            f"For clients:\n\n  stopline override ... --ca {folder}/ca.pem --cert {folder}/NAME.pem"
        )


def _client(text: str) -> tuple[str, Role]:
    from stopline_controller.identity import Role

    name, _, role = text.rpartition(":")
    if not name or role not in set(Role) or "/" in name:
        raise typer.BadParameter(f"{text!r}: give NAME:ROLE with a role of {', '.join(Role)}")
    return name, Role(role)
