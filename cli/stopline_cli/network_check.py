"""`stopline network check`: is a scenario's traffic what its author meant?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stopline_cli.output import JsonOption, print_json, print_table


def command(
    scenario: Annotated[
        str | None, typer.Argument(metavar="[SCENARIO]", help="A built-in scenario, or a scenario TOML file.")
    ] = None,
    net: Annotated[Path | None, typer.Option(help="Your own SUMO network, in place of a scenario.")] = None,
    routes: Annotated[str | None, typer.Option(help="With --net: route files, comma separated.")] = None,
    begin: Annotated[int | None, typer.Option(help="Start in seconds; by default the scenario's.")] = None,
    end: Annotated[int | None, typer.Option(help="End in seconds; by default the scenario's.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Look for vehicles without a way, unknown edges, and traffic that SUMO would leave out in silence.

    Each line names the file, the line and the remedy, and how often it was found. An error stops SUMO; a
    warning changes who comes. Signals with one stage and phases that were put right are listed too. Exit code
    1 when there is an error.

    Example: `stopline network check --net town.net.xml --routes day.rou.xml --begin 25200 --end 28800`
    """
    from stopline_envs.demand.check import check_traffic
    from stopline_envs.network import plans_of
    from stopline_envs.scenario import load_scenario, scenario_from_files

    if (scenario is None) == (net is None):
        raise typer.BadParameter("give either a SCENARIO or --net FILE with --routes")
    if net is None:
        chosen = load_scenario(str(scenario)).between(begin, end)
    else:
        files = [part.strip() for part in (routes or "").split(",") if part.strip()]
        chosen = scenario_from_files(net, files, begin=begin or 0, end=3600 if end is None else end)
    findings = check_traffic(chosen)
    rows = [
        _row("error" if finding.error else "warning", finding.count, finding.where, finding.message)
        for finding in findings
    ]
    rows += [
        _row("note", 1, f"{chosen.net}, {remark.signal}", remark.message)
        for remark in plans_of(chosen).findings
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, title=chosen.name)
    else:
        typer.echo(f"{chosen.name}: nothing to complain about")
    if any(finding.error for finding in findings):
        raise typer.Exit(1)


def _row(severity: str, count: int, where: str, message: str) -> dict[str, object]:
    return {"severity": severity, "count": count, "where": where, "message": message}
