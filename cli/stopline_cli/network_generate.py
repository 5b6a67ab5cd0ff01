"""`stopline network generate`: a random network, or one junction, with signals and demand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stopline_envs.scenario import Scenario


def command(
    out: Annotated[Path, typer.Option(help="Folder for net.net.xml, routes.rou.xml and scenario.toml.")],
    seed: Annotated[int, typer.Option(min=0, help="The only source of chance.")] = 1,
    kind: Annotated[
        str | None,
        typer.Option(help="grid, town, spider or arterial; else drawn.", show_default=False),
    ] = None,
    signals: Annotated[
        int | None, typer.Option(min=1, help="How many; 6 to 9 if left out.", show_default=False)
    ] = None,
    arms: Annotated[
        int | None,
        typer.Option(min=1, max=6, help="One junction of so many arms, no network.", show_default=False),
    ] = None,
    plans: Annotated[
        str, typer.Option(help="stages, or nema: dual rings at four arms, actuated stages elsewhere.")
    ] = "stages",
    fullness: Annotated[
        float | None,
        typer.Option(help="Critical flow ratio at the peak; no plan serves 0.8.", show_default=False),
    ] = None,
    duration: Annotated[int, typer.Option(min=60, help="Seconds of demand, and of the scenario.")] = 1500,
    crossings: Annotated[
        bool, typer.Option("--crossings/--no-crossings", help="Sidewalks, signalised crossings, walkers.")
    ] = False,
) -> None:
    """Draw a training network by SUMO's own tools; the same seed gives the same bytes.

    Streets, lanes, speeds, turn bays, signal layouts and demand with its peaks and surges are drawn from the
    seed. With one arm or two the signal is a pedestrian crossing between junctions.

    Example: `stopline network generate --out runs/net --kind town --signals 8 --crossings --seed 7`
    """
    from stopline_envs.generate import generate_junction, generate_network

    if arms is None:
        scenario = generate_network(
            seed, out, kind=kind, signals=signals, plans=plans, fullness=fullness, duration=duration,
            crossings=crossings,
        )  # fmt: skip
    elif kind is not None or signals is not None:
        raise typer.BadParameter("--arms draws one junction: leave out --kind and --signals")
    else:
        scenario = generate_junction(
            seed, out, arms=arms, plans=plans, fullness=fullness, duration=duration, crossings=crossings
        )
    typer.echo(_said(scenario, out))


def _said(scenario: Scenario, out: Path) -> str:
    return f"wrote {out / 'scenario.toml'}: {scenario.title}, {scenario.notes}"
