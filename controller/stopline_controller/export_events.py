"""Events and detectors in the form traffic-signal measures are computed from: the `atspm` package's."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from stopline_controller.events import Selection, read_channels, read_events
from stopline_signals.plan import DetectorKind

COLUMNS = ("TimeStamp", "DeviceId", "EventId", "Parameter")
DETECTOR_COLUMNS = ("DeviceId", "Phase", "Parameter", "Function")
FUNCTIONS = {DetectorKind.NEAR_ZONE: ("Presence", "Yellow_Red"), DetectorKind.FAR_ZONE: ("Advance",)}
"""What atspm takes a detector for; buttons are events of their own."""


class Row(NamedTuple):
    """One line of the export."""

    time: datetime.datetime
    device: str
    event: int
    parameter: int


def export_events(log: Path, out: Path, wanted: Selection, zone: datetime.tzinfo) -> int:
    """Write events as CSV, times local to `zone` and without its name; returns their number."""
    count = 0
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in _rows(log, wanted, zone):
            writer.writerow((row.time.isoformat(" ", "milliseconds"), *row[1:]))
            count += 1
    return count


def export_detectors(log: Path, out: Path) -> int:
    """Write which detector serves which phase (CSV); returns the number of lines."""
    lines = [
        (channel.junction, channel.phase, channel.channel, function)
        for channel in read_channels(log)
        for function in FUNCTIONS.get(channel.kind, ())
    ]
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(DETECTOR_COLUMNS)
        writer.writerows(lines)
    return len(lines)


def _rows(log: Path, wanted: Selection, zone: datetime.tzinfo) -> Iterator[Row]:
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    for event in read_events(log, wanted):
        at = (epoch + datetime.timedelta(microseconds=event.wall_us)).astimezone(zone)
        yield Row(at.replace(tzinfo=None), event.junction, event.code, event.parameter)
