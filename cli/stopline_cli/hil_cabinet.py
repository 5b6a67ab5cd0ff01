"""`stopline hil cabinet`: virtual cabinets on a real wire protocol."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from stopline_cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from stopline_envs.scenario import Scenario
    from stopline_signals.plan import SignalPlan


def command(
    plan: Annotated[
        Path | None, typer.Argument(help="A signal plan (TOML) for one cabinet.", show_default=False)
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="One cabinet with the built-in plan.")] = False,
    scenario: Annotated[
        str | None,
        typer.Option(help="Every signal of this scenario, with SUMO as the street.", show_default=False),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="modbus, ntcip, modbus,ntcip (in turns), or JUNCTION=PROTOCOL; may be given more than once.",
            show_default="modbus",
        ),
    ] = None,
    window: Annotated[str | None, typer.Option(help="Only this named part of the scenario.")] = None,
    begin: Annotated[int | None, typer.Option(help="Start in seconds; by default the scenario's.")] = None,
    end: Annotated[int | None, typer.Option(help="End in seconds; by default the scenario's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the traffic.")] = 1,
    rate: Annotated[
        float,
        typer.Option(
            min=0, max=100, help="Simulated seconds per second; with a scenario 0 is as fast as it goes."
        ),
    ] = 1.0,
    emergency: Annotated[
        bool, typer.Option("--emergency", help="With the scenario's emergency vehicle.")
    ] = False,
    wait: Annotated[
        float,
        typer.Option(min=0, help="Hold time up to so many seconds, until a controller reads them all."),
    ] = 0.0,
    linger: Annotated[
        float, typer.Option(min=0, help="Stay up to so many seconds after the end, until leases are back.")
    ] = 0.0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="First port; 0 takes free ones.")] = 0,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="One cabinet: stop after this time.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for site.toml, plans, cabinets.json and street.json.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run virtual cabinets that keep their own timing, local plan and conflict monitor.

    They speak Modbus TCP (register map 0x0102) or NTCIP 1202 over SNMP (communities public and
    administrator); an NTCIP cabinet needs a plan whose groups have phases, or whose stages can be given some.

    With a plan or `--example` one cabinet runs in real time until Ctrl-C. With `--scenario` every signal of
    the scenario gets one, SUMO is the street, and the run ends with the scenario; its exact figures are
    printed. With `--out` the folder holds a `site.toml` for `stopline serve` once all ports are open, and at
    the end the high-resolution events of NTCIP cabinets. Exit code 1 when a monitor saw a violation.

    Examples: `stopline hil cabinet --example --port 1502`, then `mbpoll -m tcp -p 1502 -0 -t 3 -r 0 -c 20 -1
    127.0.0.1`; `stopline hil cabinet --example --protocol ntcip --port 1161`, then `snmpwalk -v2c -c public
    127.0.0.1:1161 1.3.6.1.4.1.1206`; `stopline hil cabinet --scenario arterial --window demo --protocol
    modbus,ntcip --rate 5 --out runs/street`
    """
    if (plan is not None) + example + (scenario is not None) != 1:
        raise typer.BadParameter("give a plan file, --example, or --scenario NAME")

    def announce(rows: list[dict[str, object]]) -> None:
        if not as_json:
            print_table(rows, title="Virtual cabinets")

    if scenario is None:
        from stopline_hil.running import run_cabinet

        chosen = read_plan(plan)
        result: dict[str, Any] = asyncio.run(
            run_cabinet(
                chosen,
                host=host,
                port=port,
                protocol=(protocol or ["modbus"])[-1],
                rate=rate or 1.0,
                seconds=seconds,
                out=out,
                announce=announce,
            )
        )
    else:
        from stopline_hil.running import report_to_table, run_street
        from stopline_hil.street import Street

        where = _scenario(scenario, window, begin, end)
        extra = [where.emergency.file] if emergency and where.emergency else []
        street = Street(
            where,
            seed=seed,
            rate=rate,
            host=host,
            port=port,
            extra_files=extra,
            protocols=protocol or (),
        )
        running = run_street(street, wait=wait, linger=linger, out=out, announce=announce)
        result = report_to_table(asyncio.run(running))
    if as_json:
        print_json(result)
    else:
        _print(result)
    if result["violations"]:
        raise typer.Exit(1)


def read_plan(path: Path | None) -> SignalPlan:
    """A signal plan from a TOML file; None is the built-in one."""
    from stopline_hil.example import crossroads
    from stopline_signals.errors import PlanError
    from stopline_signals.table import plan_from_table

    if path is None:
        return crossroads()
    try:
        return plan_from_table(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{path}: not TOML: {error}") from error


def _scenario(name: str, window: str | None, begin: int | None, end: int | None) -> Scenario:
    from stopline_envs.scenario import load_scenario

    found = load_scenario(name)
    return (found.window(window) if window else found).between(begin, end)


def _print(result: dict[str, Any]) -> None:
    rows: list[dict[str, object]] = []
    for key, value in result.items():
        parts = cast("dict[str, object]", value) if isinstance(value, dict) else {"": value}
        for name, part in parts.items():
            rows.append({"figure": f"{key} {name}".strip(), "value": str(part)})
    print_table(rows, title="Run ended")
