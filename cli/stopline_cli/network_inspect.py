"""`stopline network inspect`: the signal plans of a network or a plan file, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stopline_cli.output import print_json

if TYPE_CHECKING:
    from stopline_cli.plan_sources import Source


def command(
    place: Annotated[
        str,
        typer.Argument(
            metavar="NET|PLAN",
            help="SUMO network (.net.xml), scenario name, plan file (.toml, .json) or UTDF (.csv).",
        ),
    ],
    junction: Annotated[
        list[str] | None, typer.Option(help="Only this junction; may be repeated.", show_default=False)
    ] = None,
    additional: Annotated[
        list[Path] | None,
        typer.Option(help="SUMO additional file whose programs replace the network's.", show_default=False),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="Also draw one junction into this file (.png, .svg, .pdf).", show_default=False),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when a finding is an error.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print plans and findings as JSON.")] = False,
) -> None:
    """Show the signal plans read from a network or a plan file, judged by the book.

    One junction is shown whole: rings and barriers or stages, groups, the intergreen matrix, the fixed
    program. Several are listed. Findings come with severity, place and source (ITE, MUTCD, RiLSA); an error
    must not go to a street.
    """
    from stopline_cli.plan_sources import plan_of, read_sources
    from stopline_signals.findings import Severity
    from stopline_signals.verify import worst

    sources = read_sources(place, additional or (), junction or ())
    if picture is not None:
        if len(sources) > 1:
            raise typer.BadParameter("a picture shows one junction; choose it with --junction")
        from stopline_cli.plan_picture import draw_plan

        draw_plan(plan_of(sources[0]), sources[0].findings, picture)
    if as_json:
        print_json([_as_json(source) for source in sources])
    else:
        _print(sources)
    errors = [source for source in sources if worst(source.findings) is Severity.ERROR]
    if strict and errors:
        raise typer.Exit(1)


def _as_json(source: Source) -> dict[str, object]:
    from stopline_signals.table import plan_to_table

    return {
        "junction": source.junction,
        "plan": None if source.plan is None else plan_to_table(source.plan),
        "digest": None if source.plan is None else source.plan.digest(),
        "findings": [
            {
                "severity": finding.severity.name.lower(),
                "rule": finding.rule.value,
                "place": finding.place,
                "message": finding.message,
                "source": finding.source.value,
            }
            for finding in source.findings
        ],
        "remarks": list(source.remarks),
    }


def _print(sources: list[Source]) -> None:
    from rich.console import Console

    from stopline_cli.output import print_table
    from stopline_cli.plan_text import findings_table, print_plan
    from stopline_signals.findings import Severity

    console = Console()
    if len(sources) == 1 and sources[0].plan is not None:
        print_plan(sources[0].plan, console)
    elif len(sources) > 1:
        print_table([_row(source) for source in sources], title="Signals")
    for remark in (remark for source in sources for remark in source.remarks):
        console.print(f"put right: {remark}", markup=False)
    findings = [
        (source.junction, finding)
        for source in sources
        for finding in source.findings
        if len(sources) == 1 or finding.severity > Severity.NOTE
    ]
    console.print(findings_table(findings))


def _row(source: Source) -> dict[str, object]:
    from stopline_cli.plan_text import count
    from stopline_signals.findings import Severity

    plan = source.plan
    return {
        "junction": source.junction,
        "groups": None if plan is None else len(plan.groups),
        "stages": None if plan is None else len(plan.stages),
        "cycle_s": None if plan is None or plan.program is None else plan.program.cycle / 10,
        "errors": count(source.findings, Severity.ERROR),
        "warnings": count(source.findings, Severity.WARNING),
        "notes": count(source.findings, Severity.NOTE),
        "put_right": len(source.remarks),
    }
