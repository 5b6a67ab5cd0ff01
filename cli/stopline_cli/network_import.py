"""`stopline network import`: an OpenStreetMap file made into a scenario with signal plans and demand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stopline_cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from stopline_envs.osm import Imported


def command(
    osm: Annotated[
        Path, typer.Argument(metavar="MAP", help="OpenStreetMap file: .osm, .osm.xml or .osm.gz.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for net.net.xml, routes and scenario.toml.")],
    vehicles: Annotated[
        int, typer.Option(min=1, help="Random trips an hour; raise it until the streets look right.")
    ] = 600,
    duration: Annotated[int, typer.Option(min=60, help="Seconds of demand, and of the scenario.")] = 3600,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the trips.")] = 1,
    crossings: Annotated[
        bool, typer.Option("--crossings/--no-crossings", help="Sidewalks, signalised crossings, walkers.")
    ] = True,
    guess_signals: Annotated[
        bool,
        typer.Option("--guess-signals", help="Give large junctions signals that the map does not name."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a scenario of a map: streets and signals by netconvert, trips by randomTrips.

    Get a map from openstreetmap.org (Export, a few streets around your signals). Every signal gets a plan
    with stages, intergreens from geometry and a cycle that has room for all minimum greens; the table shows
    what the book says of each. Exit code 1 when a plan has an error. Map data stays under the ODbL.

    Example: `stopline network import map.osm --out runs/town`, then
    `stopline evaluate --scenario runs/town/scenario.toml`
    """
    from stopline_envs.osm import import_osm

    imported = import_osm(
        osm,
        out,
        seed=seed,
        vehicles_per_hour=vehicles,
        duration=duration,
        crossings=crossings,
        guess_signals=guess_signals,
    )
    rows = _rows(imported)
    if as_json:
        print_json({"scenario": str(out / "scenario.toml"), "signals": rows})
    else:
        print_table(rows, title=f"Signals of {osm.name}")
        typer.echo(f"wrote {out / 'scenario.toml'}")
    for signal, finding in imported.errors:
        typer.echo(f"error: {signal}: {finding}", err=True)
    if imported.errors:
        raise typer.Exit(1)


def _rows(imported: Imported) -> list[dict[str, object]]:
    from stopline_cli.plan_text import count
    from stopline_signals.findings import Severity
    from stopline_signals.plan import GroupKind

    return [
        {
            "signal": name,
            "groups": len(plan.groups),
            "crossings": sum(group.kind is GroupKind.PEDESTRIAN for group in plan.groups),
            "stages": len(plan.stages),
            "cycle_s": None if plan.program is None else plan.program.cycle / 10,
            "errors": count(imported.findings[name], Severity.ERROR),
            "warnings": count(imported.findings[name], Severity.WARNING),
        }
        for name, plan in imported.plans.plans.items()
    ]
