"""`stopline network approaches`: where a network's approaches lie, for positions to be matched to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stopline_envs.scenario import Scenario
    from stopline_signals.approach_map import MappedApproach


def command(
    place: Annotated[
        str, typer.Argument(metavar="NET", help="SUMO network (.net.xml), scenario name or scenario TOML.")
    ],
    out: Annotated[Path, typer.Option(help="The map to write, TOML.")],
    reach: Annotated[
        float,
        typer.Option(min=50, max=5000, help="Metres before a stop line, if no other signal comes first."),
    ] = 800.0,
    origin: Annotated[
        str | None,
        typer.Option(
            metavar="LAT,LON",
            help="Where x = 0, y = 0 lies, for a network that has no projection.",
            show_default=False,
        ),
    ] = None,
    additional: Annotated[
        list[Path] | None,
        typer.Option(help="SUMO additional file whose programs replace the network's.", show_default=False),
    ] = None,
) -> None:
    """Write where the approaches of signals lie, so that controllers can use vehicles' positions.

    Every street before a signal becomes an entry: its line in latitude and longitude up to the stop line,
    named as the signal's plan names it, and the approaches that may follow, straightest first. A line goes
    upstream through junctions without a signal, to the next signal or --reach. All controllers of a town may
    share the file; it may be corrected by hand.

    Networks made of OpenStreetMap know where they lie. One that does not needs --origin.

    Example: `stopline network approaches cologne8 --out approaches.toml`, or
    `stopline network approaches town.net.xml --origin 52.26,10.52 --out approaches.toml`
    """
    from stopline_envs.approaches import around, mapped_approaches, projected
    from stopline_envs.network import plans_of

    scenario = _scenario(place, additional or ())
    plans = plans_of(scenario)
    if origin is None:
        with projected(scenario) as degrees:
            approaches = mapped_approaches(plans, degrees, reach)
    else:
        approaches = mapped_approaches(plans, around(_place_of(origin, scenario)), reach)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(_toml(approaches), encoding="utf-8")
    typer.echo(
        f"{out}: {len(approaches)} approaches of {len({row.junction for row in approaches})} junctions"
    )


def _scenario(place: str, additional: Sequence[Path]) -> Scenario:
    from dataclasses import replace

    from stopline_envs.scenario import load_scenario, scenario_from_files

    if Path(place).suffix in (".xml", ".gz"):
        return scenario_from_files(place, (), additional)
    scenario = load_scenario(place)
    return replace(scenario, additional=(*scenario.additional, *additional))


def _place_of(origin: str, scenario: Scenario) -> tuple[float, float]:
    from stopline_envs.approaches import is_projected

    if is_projected(scenario.net):
        raise typer.BadParameter(f"{scenario.net} knows where it lies: leave --origin out")
    try:
        latitude, longitude = (float(part) for part in origin.split(","))
    except ValueError:
        raise typer.BadParameter(f"--origin {origin!r}: give it as LAT,LON, such as 52.26,10.52") from None
    # At a pole a degree of longitude has no length.
    if not (abs(latitude) < 90 and abs(longitude) <= 180):
        raise typer.BadParameter(f"--origin {origin!r} is no latitude and longitude")
    return latitude, longitude


def _toml(approaches: Sequence[MappedApproach]) -> str:
    import tomli_w

    from stopline_signals.approach_map import map_to_table

    # One point a line: a path is read, and corrected, by people too.
    return re.sub(
        r"\[\s+(-?[\d.e-]+),\s+(-?[\d.e-]+),\s+\]", r"[\1, \2]", tomli_w.dumps(map_to_table(approaches))
    )
