"""`stopline serve`: run the controller of a site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    site: Annotated[Path, typer.Argument(help="The site file (TOML): junctions, cabinets, policy, address.")],
    check: Annotated[
        bool,
        typer.Option("--check", help="Only check the site file and all it needs; start nothing."),
    ] = False,
    json_logs: Annotated[
        bool | None,
        typer.Option(
            "--json-logs/--text-logs", help="Log JSON lines, or text; by default text on a terminal."
        ),
    ] = None,
) -> None:
    """Run the controller of a site until it is told to stop (SIGTERM, Ctrl-C).

    Stopline asks, the cabinet decides: stages are requested, yellow and clearances stay the cabinet's. When
    this process stops, for whatever reason, its heartbeat stops and every cabinet returns to its local plan.

    All mistakes of a site file are reported at once, each with its line. The address in use is logged, and
    kept in `serving.json` in the state directory while the controller runs.

    `--check` reads all that a start would: plans, bundle, map, certificates, keys (those in the environment
    too) and the libraries the site asks for. Cabinets are not asked; run it as the user of the service.
    """
    from stopline_controller.lean import lean_process

    lean_process()
    if check:
        _check(site)
        return
    from stopline_controller.serve import serve

    serve(site, json_logs=json_logs)


def _check(path: Path) -> None:
    """Say that the site can be served, with what else is to be known; SiteError lists all mistakes."""
    import datetime

    from stopline_controller.serving_needs import notes
    from stopline_controller.site import read_site

    found = read_site(path, needs=True)
    for note in notes(path.parent, found.tables, datetime.datetime.now(datetime.UTC)):
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"{path}: good; junctions: {len(found.junctions)}")
