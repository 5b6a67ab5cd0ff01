"""`stopline priority`: drive a vehicle along its route and report it to every controller on the way."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stopline_cli.connection import DEFAULT_ADDRESS, CaOption, CertOption, Connection, KeyOption
from stopline_signals.vehicles import VehicleClass

if TYPE_CHECKING:
    from stopline_cli.vehicle_run import Position, Stop


def command(
    vehicle: Annotated[str, typer.Argument(help="The vehicle's identifier.")],
    stop: Annotated[
        list[str] | None,
        typer.Option(
            help="A signal on the route as JUNCTION:GROUP:METRES from its start, repeated; with latitude and "
            "longitude JUNCTION:GROUP, or none at all: then the way is predicted.",
            show_default=False,
        ),
    ] = None,
    controller: Annotated[
        list[str] | None,
        typer.Option(help=f"host:port of a controller on the route; repeat it. [default: {DEFAULT_ADDRESS}]"),
    ] = None,
    kind: Annotated[VehicleClass, typer.Option(help="Class of the vehicle.")] = VehicleClass.AMBULANCE,
    speed: Annotated[
        float, typer.Option(min=1, max=60, help="Speed it would like to drive, m/s; a straight run has it.")
    ] = 14.0,
    every: Annotated[float, typer.Option(min=0.1, max=5, help="Seconds between two reports.")] = 1.0,
    positions: Annotated[
        Path | None,
        typer.Option(
            help="Positions instead of a straight run: CSV or JSON lines with speed_mps and metres, or with "
            "latitude, longitude and, if known, heading and accuracy_m; second to be kept to. - reads "
            "standard input.",
            show_default=False,
            allow_dash=True,
        ),
    ] = None,
    incident: Annotated[
        str, typer.Option(help="What it drives to; kept in the controllers' records.", show_default=False)
    ] = "",
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every answer as a line of JSON.")] = False,
) -> None:
    r"""Report a vehicle to several controllers at once, and print what becomes of it at each junction.

    Each controller acts for its own junctions; one that fails is tried again and holds up no other. At the
    end, also after Ctrl-C, the vehicle's requests are cancelled. Mutual TLS needs a dispatcher's certificate.

    Example: an ambulance through two junctions of two controllers

        stopline priority amb-7 --controller 10.0.0.4:50061 --controller 10.0.0.5:50061 \
            --stop J1:side:300 --stop J2:main:650 --speed 16

    Example: one that knows only where it is; the controllers have a map of approaches

        gps-reader | stopline priority amb-7 --controller 10.0.0.4:50061 --positions - --incident 2026-4711

    Exit code 1 when a controller never answered.
    """
    from stopline_cli.priority_board import Board, Reporter
    from stopline_cli.priority_client import FanOut
    from stopline_cli.vehicle_run import distances, parse_stop

    route = [parse_stop(text) for text in stop or ()]
    if positions is None:
        distances(route)
    connections = [Connection(address, ca, cert, key) for address in controller or [DEFAULT_ADDRESS]]
    reporter = Reporter(vehicle, kind, route, speed, incident)
    board = Board(as_json=as_json)
    with _lines(positions) as lines, FanOut(connections, board.answer, board.problem) as everybody:
        try:
            for position in _timed(lines, route, speed, every):
                everybody.send(reporter.at(position))
        except KeyboardInterrupt:
            typer.echo("cancelled", err=True)
        finally:
            everybody.send(reporter.cancelled())
    board.close()
    if everybody.unheard:
        typer.echo(f"error: never answered: {', '.join(everybody.unheard)}", err=True)
        raise typer.Exit(1)


def _lines(positions: Path | None) -> AbstractContextManager[Iterable[str] | None]:
    if positions is None or positions == Path("-"):
        return nullcontext(sys.stdin if positions else None)
    return positions.open(encoding="utf-8")


def _timed(
    lines: Iterable[str] | None, route: Sequence[Stop], speed: float, every: float
) -> Iterator[Position]:
    """Positions at their seconds; those without one as they come."""
    from stopline_cli.vehicle_run import read_positions, straight

    found = straight(route, speed, every) if lines is None else read_positions(iter(lines))
    began: float | None = None
    for position in found:
        if position.second is not None:
            began = time.monotonic() - position.second if began is None else began
            time.sleep(max(began + position.second - time.monotonic(), 0.0))
        yield position
