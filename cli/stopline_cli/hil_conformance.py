"""`stopline hil conformance`: judge a cabinet by its address."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stopline_cli.output import JsonOption, print_json

if TYPE_CHECKING:
    from stopline_hil.reports.model import Item
    from stopline_signals.plan import SignalPlan


def command(
    address: Annotated[
        str,
        typer.Argument(help="modbus://host:port?device_id=1 or ntcip://host:port?community=public"),
    ],
    plan: Annotated[
        Path | None, typer.Option(help="The signal plan (TOML) the cabinet should run.", show_default=False)
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="It should run the built-in plan.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Write without asking: take the lease and change stages.")
    ] = False,
    rate: Annotated[
        float, typer.Option(min=1, max=100, help="Speed of a virtual cabinet's clock; 1 for hardware.")
    ] = 1.0,
    out: Annotated[Path, typer.Option(help="Folder for report.html, report.json and junit.xml.")] = Path(
        "runs/conformance"
    ),
    as_json: JsonOption = False,
) -> None:
    """Judge a cabinet, virtual or hardware, requirement by requirement, over the wire.

    First it only reads: identity, state, configuration. Then it asks before it writes; what follows takes the
    cabinet's lease, changes stages and sends what must be refused, some minutes long, so no traffic may
    depend on the signals meanwhile. Lamps are watched all the while by a conflict monitor of their own. The
    cabinet is handed back at the end.

    Exit code 1 when a requirement is not met. Further options in the address: modbus tls_certificate,
    tls_key, tls_ca; ntcip write_community, version (1, 2c), profile.

    Examples: `stopline hil conformance modbus://10.20.0.7:502 --plan plan.toml`, `stopline hil conformance
    "ntcip://10.20.0.8:161?community=public&write_community=administrator" --plan plan.toml --yes`
    """
    from stopline_hil.conformance import conform, report_of, subject_at
    from stopline_hil.reports import write_reports

    if (plan is None) != example:
        raise typer.BadParameter("give --plan FILE or --example")
    subject = subject_at(address, _plan(plan, address), rate=rate)
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)
    wrote = False

    def may_write(items: Sequence[Item]) -> bool:
        nonlocal wrote
        wrote = yes or (not as_json and sys.stdin.isatty() and _ask(items))
        return wrote

    began = time.monotonic()
    items = asyncio.run(conform(subject, may_write=may_write, progress=lambda item: _show(item, as_json)))
    report = report_of(address, items, time.monotonic() - began, wrote=wrote)
    paths = write_reports(report, out)
    if as_json:
        print_json(report.data)
    else:
        typer.echo(f"{'conforms' if report.passed else 'does NOT conform'}{'' if wrote else ' (only read)'}")
        typer.echo(f"report: {paths[0]}")
    if not report.passed:
        raise typer.Exit(1)


def _plan(path: Path | None, address: str) -> SignalPlan:
    from stopline_cli.hil_cabinet import read_plan
    from stopline_hil.ntcip import with_phases

    found = read_plan(path)
    return with_phases(found) if address.startswith("ntcip:") else found


def _ask(items: Sequence[Item]) -> bool:
    good = all(item.passed for item in items)
    state = "Reading found nothing wrong." if good else "Reading found faults already."
    return typer.confirm(f"{state} Go on and write: take the lease, change stages, some minutes?")


def _show(item: Item, as_json: bool) -> None:
    if as_json:
        return
    for verdict in item.verdicts:
        mark = "ok  " if verdict.met else "FAIL"
        detail = f": {verdict.detail}" if not verdict.met else ""
        typer.echo(f"{mark} {item.name}: {verdict.requirement}{detail}")
