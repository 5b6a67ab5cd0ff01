"""`stopline hil run`: a fault campaign."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stopline_cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from stopline_hil.campaigns import CaseResult


def command(
    campaign: Annotated[
        str, typer.Argument(help="A campaign file (TOML), or a shipped one: faults, smoke.")
    ] = "faults",
    out: Annotated[
        Path, typer.Option(help="Folder for report.html, report.json, junit.xml and the controllers' logs.")
    ] = Path("runs/campaign"),
    rate: Annotated[
        float | None,
        typer.Option(
            min=1, max=20, help="Cabinet seconds a second, in place of the campaign's; 1 on a busy machine."
        ),
    ] = None,
    netem: Annotated[
        str,
        typer.Option(
            help="Also impair the kernel's loopback, as `delay 20ms 10ms loss 1%`, in a network namespace of "
            "its own (needs root and tc netem; without them it says so and goes on).",
            show_default=False,
        ),
    ] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Only check the campaign file; run nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Let faults loose between a real controller and virtual cabinets, and judge what comes of each.

    Every case has cabinets of its own, with their local plan and conflict monitor, behind wires that can
    fail; the controller is `stopline serve` in its own process. For each case: the state reached, the longest
    time a command stayed in force without being renewed (at most the backup time), the recovery, no violation
    at the conflict monitor, no stuck command. Cabinets beside them, at which nothing fails, must notice
    nothing.

    Exit code 1 when a requirement is not met. Examples: `stopline hil run smoke`, `stopline hil run
    my_campaign.toml --out runs/mine`
    """
    from stopline_hil.campaigns import read_campaign, report_of, run_campaign, to_table
    from stopline_hil.reports import write_reports

    found = read_campaign(campaign)
    found = found if rate is None else found.at(rate)
    if check:
        typer.echo(f"{campaign}: good; cases: {len(found.cases)}")
        return
    skipped = _enter(netem) if netem else ""
    # The devices' library logs every frame a fault makes it complain about.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)
    done = 0

    def progress(case: CaseResult) -> None:
        nonlocal done
        done += 1
        if not as_json:
            verdict = "pass" if case.passed else "FAIL"
            typer.echo(f"{done:3d} {verdict} {case.name} ({case.protocol}): {case.state_reached}", err=True)

    result = asyncio.run(run_campaign(found, out, progress))
    result = replace(result, skipped=(skipped,)) if skipped else result
    report = report_of(result)
    paths = write_reports(report, out)
    if as_json:
        print_json(to_table(result))
    else:
        rows = [{"case": i.name, "cabinet": i.kind, **i.figures, "passed": i.passed} for i in report.items]
        print_table(rows, title=report.title)
        for item in report.items:
            for verdict in item.verdicts:
                if not verdict.met:
                    typer.echo(
                        f"{item.name} ({item.kind}): {verdict.requirement}: {verdict.detail}", err=True
                    )
        typer.echo(f"report: {paths[0]}")
    if not result.passed:
        raise typer.Exit(1)


def _enter(settings: str) -> str:
    """Run this very command in an impaired namespace and leave with its exit code; else, why not."""
    from stopline_hil.faults.netem import environment, inside, why_not, wrapped

    if inside():
        return ""
    reason = why_not(settings)
    if reason:
        text = f"netem {settings}: this host cannot ({reason}); the campaign runs on a sound network"
        typer.secho(f"SKIPPED {text}", err=True, bold=True)
        return text
    again = [sys.executable, "-c", "from stopline_cli.main import app; app()", *sys.argv[1:]]
    raise typer.Exit(
        subprocess.run(wrapped(settings, again), env=environment(settings), check=False).returncode
    )
