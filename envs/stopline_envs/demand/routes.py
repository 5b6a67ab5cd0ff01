"""SUMO route files read for what they demand, and written again with that multiplied."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from stopline_signals.errors import ScenarioError

SLICE_S = 150
"""Grain in which a flow's rate is varied, s."""
JITTER_S = 30.0
"""How far a doubled vehicle may be from the one it doubles, s."""
_VEHICLES = ("vehicle", "trip")
_RATES = ("vehsPerHour", "perHour", "period", "probability", "number")

Factor = Callable[[float, str, str], float]


@dataclass(frozen=True, slots=True)
class RouteFile:
    """The elements of a route file, and the first and last edge of each route it names."""

    path: Path
    elements: tuple[ET.Element, ...]
    ends: Mapping[str, tuple[tuple[str, str, float], ...]]
    """Route or distribution -> (first edge, last edge, share) of each way."""

    def ways(self, element: ET.Element) -> tuple[tuple[str, str, float], ...]:
        """First and last edge of what a vehicle, trip or flow drives, with shares; empty if not known."""
        inner = element.find("route")
        if inner is not None:
            return ((*_ends(inner), 1.0),)
        if "route" in element.attrib:
            return self.ends.get(element.attrib["route"], ())
        if "from" in element.attrib and "to" in element.attrib:
            return ((element.attrib["from"], element.attrib["to"], 1.0),)
        return ()


def read_routes(path: Path) -> RouteFile:
    """Parse a route file; ScenarioError names it and the line."""
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise ScenarioError(f"route file {path} cannot be read: {error}") from error
    ends: dict[str, tuple[tuple[str, str, float], ...]] = {}
    for element in root:
        if element.tag == "route":
            ends[element.attrib["id"]] = ((*_ends(element), 1.0),)
        elif element.tag == "routeDistribution":
            ways = [(*_way(route, ends), float(route.get("probability", 1.0))) for route in element]
            ends[element.attrib["id"]] = tuple(ways)
    return RouteFile(path, tuple(root), ends)


def volumes(file: RouteFile, begin: int, end: int) -> dict[tuple[str, str], float]:
    """Vehicles demanded between two times, per first and last edge."""
    found: dict[tuple[str, str], float] = {}
    for element in file.elements:
        amount = _amount(element, begin, end)
        for first, last, share in file.ways(element) if amount else ():
            found[first, last] = found.get((first, last), 0.0) + amount * share
    return found


def varied(file: RouteFile, factor: Factor, begin: int, end: int, rng: random.Random) -> list[ET.Element]:
    """The elements of a file with its demand multiplied, in an order that SUMO reads."""
    definitions: list[ET.Element] = []
    departing: list[tuple[float, int, ET.Element]] = []
    number = count()
    for element in file.elements:
        if element.tag == "routeDistribution":
            definitions.append(_turned(file, element, factor, begin))
        elif element.tag in (*_VEHICLES, "flow", "personFlow", "person"):
            for made in _made(file, element, factor, begin, end, rng):
                departing.append((_departure(made), next(number), made))
        else:
            definitions.append(element)
    return [*definitions, *(element for _, _, element in sorted(departing, key=lambda row: row[:2]))]


def _made(
    file: RouteFile, element: ET.Element, factor: Factor, begin: int, end: int, rng: random.Random
) -> Iterator[ET.Element]:
    # What stops on its way keeps a timetable; what is triggered waits for somebody.
    if element.find("stop") is not None or not _is_number(element.get("depart", element.get("begin", "0"))):
        yield element
    elif element.tag in ("flow", "personFlow"):
        yield from _slices(file, element, factor, begin, end)
    elif begin <= _departure(element) < end:
        yield from _copies(element, _mean_factor(file, element, factor, _departure(element)), rng)


def _slices(file: RouteFile, flow: ET.Element, factor: Factor, begin: int, end: int) -> Iterator[ET.Element]:
    """The flow cut into pieces of time, each with its rate multiplied."""
    first, last = float(flow.get("begin", 0)), float(flow.get("end", end))
    cut, number = max(first, begin), 0
    while cut < min(last, end):
        stop = min(cut + SLICE_S, last, end)
        piece = _clone(flow, f"{flow.attrib['id']}~{number}")
        piece.attrib.update(begin=f"{cut:g}", end=f"{stop:g}")
        by = _mean_factor(file, flow, factor, (cut + stop) / 2)
        if _multiply(piece, by, (stop - cut) / max(last - first, 1.0)):
            yield piece
        cut, number = stop, number + 1


def _multiply(flow: ET.Element, by: float, share: float) -> bool:
    """Multiply a flow's rate in place; False when nothing is left of it."""
    name = next((name for name in _RATES if name in flow.attrib), "")
    value = flow.attrib.get(name, "")
    if value.startswith("exp("):
        flow.attrib[name] = f"exp({float(value[4:-1]) * by:.6f})"
        return by > 0
    if name == "number":
        flow.attrib[name] = str(round(float(value) * share * by))
        return flow.attrib[name] != "0"
    if name == "period":
        flow.attrib[name] = f"{float(value) / by:.4f}" if by > 0 else "0"
    elif name == "probability":
        flow.attrib[name] = f"{min(1.0, float(value) * by):.6f}"
    elif name:
        flow.attrib[name] = f"{float(value) * by:.4f}"
    return by > 0


def _copies(element: ET.Element, by: float, rng: random.Random) -> Iterator[ET.Element]:
    whole = int(by) + (rng.random() < by % 1.0)
    for number in range(whole):
        if number == 0:
            yield element
            continue
        copy = _clone(element, f"{element.attrib['id']}~{number}")
        depart = max(0.0, _departure(element) + rng.uniform(-JITTER_S, JITTER_S))
        copy.attrib["depart"] = f"{depart:.2f}"
        yield copy


def _turned(file: RouteFile, distribution: ET.Element, factor: Factor, begin: int) -> ET.Element:
    """The distribution with its shares turned, their sum kept: how many come is the flows' business."""
    copy = _clone(distribution, distribution.attrib["id"])
    ways = file.ends[distribution.attrib["id"]]
    turned = [share * factor(begin, first, last) for first, last, share in ways]
    whole = sum(share for *_, share in ways) / (sum(turned) or 1.0)
    for route, share in zip(copy, turned, strict=True):
        route.attrib["probability"] = f"{share * whole:.6f}"
    return copy


def _mean_factor(file: RouteFile, element: ET.Element, factor: Factor, time: float) -> float:
    ways = file.ways(element)
    whole = sum(share for *_, share in ways)
    if not whole:
        return factor(time, "", "")
    return sum(share * factor(time, first, last) for first, last, share in ways) / whole


def _amount(element: ET.Element, begin: int, end: int) -> float:
    """Vehicles that an element sends between two times."""
    if element.tag in _VEHICLES:
        return 1.0 if begin <= _departure(element) < end else 0.0
    if element.tag != "flow":
        return 0.0
    first, last = float(element.get("begin", 0)), float(element.get("end", end))
    seconds = max(0.0, min(last, end) - max(first, begin))
    name = next((name for name in _RATES if name in element.attrib), "")
    value = element.attrib.get(name, "0")
    if value.startswith("exp("):
        return seconds * float(value[4:-1])
    rate = float(value)
    per_second = {
        "vehsPerHour": rate / 3600,
        "perHour": rate / 3600,
        "period": 1 / rate if rate else 0.0,
        "probability": rate,
        "number": rate / max(last - first, 1.0),
    }
    return seconds * per_second.get(name, 0.0)


def _departure(element: ET.Element) -> float:
    value = element.get("depart", element.get("begin", "0"))
    return float(value) if _is_number(value) else 0.0


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _ends(route: ET.Element) -> tuple[str, str]:
    edges = route.attrib["edges"].split()
    return edges[0], edges[-1]


def _way(route: ET.Element, known: Mapping[str, tuple[tuple[str, str, float], ...]]) -> tuple[str, str]:
    return known[route.attrib["refId"]][0][:2] if "refId" in route.attrib else _ends(route)


def _clone(element: ET.Element, name: str) -> ET.Element:
    copy = ET.fromstring(ET.tostring(element))
    copy.attrib["id"] = name
    return copy
