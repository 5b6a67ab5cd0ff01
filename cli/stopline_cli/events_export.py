"""`stopline events export`: high-resolution events for traffic-signal measures."""

from __future__ import annotations

import datetime
import zoneinfo
from pathlib import Path
from typing import Annotated

import typer

from stopline_signals.errors import StoplineError


def command(
    file: Annotated[Path, typer.Argument(help="The log: events.sqlite in the controller's state directory.")],
    out: Annotated[Path, typer.Argument(help="CSV file to write: TimeStamp, DeviceId, EventId, Parameter.")],
    junction: Annotated[str, typer.Option(help="Only this junction.")] = "",
    since: Annotated[
        datetime.datetime | None, typer.Option("--from", help="First moment, local time.", show_default=False)
    ] = None,
    until: Annotated[
        datetime.datetime | None, typer.Option("--to", help="End, local time.", show_default=False)
    ] = None,
    zone: Annotated[str, typer.Option(help="Time zone of the times given and written.")] = "UTC",
    detectors: Annotated[
        Path | None,
        typer.Option(help="Also write which detector serves which phase (CSV).", show_default=False),
    ] = None,
) -> None:
    """Export what the controller saw the cabinets do, as the atspm package and UDOT ATSPM read it.

    Events are Indiana high-resolution codes; phases are signal groups counted from 1, detector channels the
    plan's detectors counted from 1; a push button has its group's number. Stopline's own events begin at 512.
    """
    from stopline_controller.events import Selection
    from stopline_controller.export_events import export_detectors, export_events

    try:
        local = zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise StoplineError(f"no time zone {zone!r}; give one like Europe/Berlin") from error
    wanted = Selection(junction, _us(since, local), _us(until, local))
    typer.echo(f"{out}: {export_events(file, out, wanted, local)} events")
    if detectors is not None:
        typer.echo(f"{detectors}: {export_detectors(file, detectors)} lines")


def _us(moment: datetime.datetime | None, zone: datetime.tzinfo) -> int:
    return 0 if moment is None else int(moment.replace(tzinfo=zone).timestamp() * 1e6)
