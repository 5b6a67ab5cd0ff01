"""`stopline serve`: run the controller of a site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    site: Annotated[Path, typer.Argument(help="The site file (TOML): junctions, cabinets, policy, address.")],
    check: Annotated[
        bool,
        typer.Option("--check", help="Only check the site file, its plans and its bundle; start nothing."),
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
    """
    from stopline_controller.lean import lean_process

    lean_process()
    if check:
        from stopline_controller.site import read_site

        found = read_site(site)
        typer.echo(f"{site}: good; junctions: {len(found.junctions)}")
        return
    from stopline_controller.serve import serve

    serve(site, json_logs=json_logs)
