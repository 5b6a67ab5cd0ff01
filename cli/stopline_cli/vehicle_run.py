"""Where a vehicle is on its route: driven straight through, or read line by line."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple, cast

from stopline_signals.errors import StoplineError

BEYOND_M = 20.0
"""A vehicle is reported so far beyond its last stop line, so that it is seen to have passed."""


class Stop(NamedTuple):
    """A signal on the route: its junction, the group the vehicle passes, metres from the start if known."""

    junction: str
    group: str
    metres: float | None = None


class Position(NamedTuple):
    """A vehicle on its route, by metres from the start or on the ground, at a second (None: now)."""

    metres: float | None
    speed_mps: float
    second: float | None = None
    late_s: float = 0.0
    latitude: float | None = None
    longitude: float | None = None
    heading: float | None = None
    accuracy_m: float = 0.0


class RunError(StoplineError):
    """A route or a line of positions that cannot be read, naming it."""


def parse_stop(text: str) -> Stop:
    """Read JUNCTION:GROUP:METRES, or JUNCTION:GROUP or JUNCTION alone; RunError says what is wrong."""
    junction, named, rest = text.partition(":")
    # A group's name may hold a colon itself.
    group, measured, last = rest.rpartition(":") if ":" in rest else (rest, "", "")
    try:
        metres = float(last) if measured else None
    except ValueError:
        metres = -1.0
    whole = junction and (group or not named)
    if not whole or (metres is not None and not 0 <= metres < float("inf")):
        raise RunError(
            f"--stop {text!r}: write JUNCTION:GROUP:METRES, such as J1:side:250; where positions have "
            "latitude and longitude, JUNCTION:GROUP or JUNCTION"
        )
    return Stop(junction, group, metres)


def distances(route: Sequence[Stop]) -> list[float]:
    """Metres of every signal from the start; RunError names the one that has none."""
    if not route:
        raise RunError("give the signals on the route with --stop, or positions with latitude and longitude")
    for stop in route:
        if stop.metres is None:
            raise RunError(
                f"--stop {stop.junction}: needs its metres, or positions with latitude and longitude"
            )
    return [stop.metres for stop in route if stop.metres is not None]


def ahead(route: Sequence[Stop], metres: float) -> list[tuple[Stop, float]]:
    """Signals that are still ahead, nearest first, with the metres to each."""
    marks = zip(route, distances(route), strict=True)
    left = [(stop, mark - metres) for stop, mark in marks if mark > metres]
    return sorted(left, key=lambda item: item[1])


def straight(route: Sequence[Stop], speed_mps: float, every_s: float) -> Iterator[Position]:
    """Drive the route at one speed, a position every so often, until all of it is passed."""
    end = max(distances(route)) + BEYOND_M
    count = 0
    while (second := count * every_s) * speed_mps <= end:
        yield Position(second * speed_mps, speed_mps, second)
        count += 1
    yield Position(end, speed_mps, second)


def read_positions(lines: Iterator[str]) -> Iterator[Position]:
    """Positions as they come: JSON lines, or CSV with a header; both with the names of `Position`.

    `second` may be left out: the line then counts as soon as it comes. RunError names the line.
    """
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    first = next(numbered, None)
    if first is None:
        raise RunError("no positions: give JSON lines or CSV with a header")
    if first[1].lstrip().startswith("{"):
        rows = ((number, _json(number, line)) for number, line in chain([first], numbered))
    else:
        names = [name.strip() for name in next(csv.reader([first[1]]))]
        rows = (
            (number, dict(zip(names, next(csv.reader([line])), strict=False))) for number, line in numbered
        )
    for number, row in rows:
        yield _position(number, row)


def _json(number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise RunError(f"line {number}: is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise RunError(f"line {number}: must be an object, such as {{'metres': 10, 'speed_mps': 14}}")
    return cast("dict[str, Any]", found)


def _position(number: int, row: dict[str, Any]) -> Position:
    unknown = sorted(set(row) - set(Position._fields))
    if unknown:
        raise RunError(
            f"line {number}: unknown {', '.join(unknown)}; known are {', '.join(Position._fields)}"
        )
    try:
        given = {name: float(value) for name, value in row.items() if value not in (None, "")}
        found = Position(**{"metres": None, **given})  # type: ignore[arg-type]  # the names are checked above
    except (TypeError, ValueError) as error:
        raise RunError(f"line {number}: needs the numbers metres and speed_mps ({error})") from error
    if found.heading is not None and not math.isfinite(found.heading):
        found = found._replace(heading=None)
    if found.metres is None and (found.latitude is None or found.longitude is None):
        raise RunError(f"line {number}: needs metres, or latitude and longitude")
    return found
