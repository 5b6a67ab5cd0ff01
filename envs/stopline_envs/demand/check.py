"""What is wrong with a scenario's traffic, with file and line, before or after SUMO says so.

SUMO stops at the first vehicle without a way and drops others without a word when warnings are off. This
reads the route files once more, slowly, when somebody asks: on a failure, or by `stopline network check`.
"""

from __future__ import annotations

import gzip
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from stopline_envs.plans.net import Network, read_network
from stopline_envs.scenario import Scenario
from stopline_signals.errors import ScenarioError

DRIVERS = ("vehicle", "trip", "flow")
WALKERS = ("person", "personFlow")
ELSEWHERE = ("fromTaz", "toTaz", "fromJunction", "toJunction", "fromXY", "toXY", "fromLonLat", "toLonLat")
"""Ways to name an origin that are left to SUMO to judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficFinding:
    """One kind of trouble: how often, the first place it was seen, and what to do.

    An error stops SUMO or would; a warning only changes who comes.
    """

    kind: str
    error: bool
    count: int
    where: str
    message: str

    def __str__(self) -> str:
        more = f" (and {self.count - 1} more)" if self.count > 1 else ""
        return f"{self.where}: {self.message}{more}"


class _Row(NamedTuple):
    line: int
    tag: str
    attributes: dict[str, str]
    edges: list[str] | None
    """Edges of the route inside the element."""


def check_traffic(scenario: Scenario) -> tuple[TrafficFinding, ...]:
    """Errors first, then warnings, one per kind; empty for traffic that SUMO takes as it is.

    Raises NetworkError or ScenarioError when a file cannot be read at all.
    """
    checker = _Checker(read_network(scenario.net), scenario)
    for path in scenario.routes:
        checker.read(path)
    return checker.findings()


def explain_failure(scenario: Scenario, message: str) -> str:
    """What SUMO said, with the places in the route files that are wrong, if any are."""
    try:
        errors = [str(finding) for finding in check_traffic(scenario) if finding.error]
    except Exception:  # whatever else is wrong, SUMO's own words are the error
        return message
    return "\n".join([message, *errors])


PROBLEMS = {
    # kind: (stops SUMO, what is wrong and what to do)
    "no route": (True, "{name} has no route; give it from and to, or a <route edges=...>"),
    "unknown route": (True, "{name} takes route {route!r}, which nothing above it defines; define it first"),
    "unknown edge": (True, "{name} uses edge {edge!r}, which the network lacks; are both of one version?"),
    "gap": (True, "{name}: no connection from edge {here!r} to {there!r}; correct it, or ask duarouter"),
    "no way": (
        True,
        "{name}: no way from edge {here!r} to {there!r}; choose other ends, or drop such trips with SUMO's "
        "option --ignore-route-errors",
    ),
    "order": (False, "{name} departs before what stands above it, and SUMO may ignore it; sort the file"),
    "early": (False, "{name} departs before the scenario begins at {begin} s and is left out"),
    "late": (False, "{name} departs when the scenario is over at {end} s"),
}


class _Checker:
    def __init__(self, network: Network, scenario: Scenario) -> None:
        self._begin, self._end = scenario.begin, scenario.end
        self._edges = {lane.edge for lane in network.lanes.values() if not lane.edge.startswith(":")}
        self._next = _onward(network)
        self._reach: dict[str, frozenset[str]] = {}
        self._routes: set[str] = set()
        self._found: dict[str, TrafficFinding] = {}

    def read(self, path: Path) -> None:
        latest = 0.0
        for row in _rows(path):
            self._at = f"{path}:{row.line}"
            self._name = f"{row.tag} {row.attributes.get('id', '')!r}"
            if row.tag in ("route", "routeDistribution"):
                self._routes.add(row.attributes.get("id", ""))
                self._way(row.edges or [])
            elif row.tag in DRIVERS:
                self._driver(row)
            if row.tag in (*DRIVERS, *WALKERS):
                latest = max(latest, self._time(row.attributes, latest))

    def findings(self) -> tuple[TrafficFinding, ...]:
        return tuple(sorted(self._found.values(), key=lambda finding: not finding.error))

    def _driver(self, row: _Row) -> None:
        given = row.attributes
        if row.edges is not None:
            self._way(row.edges)
        elif "route" in given:
            if given["route"] not in self._routes:
                self._note("unknown route", route=given["route"])
        elif "from" in given and "to" in given:
            self._trip(given["from"], given["to"])
        elif not any(key in given for key in ELSEWHERE):
            self._note("no route")

    def _way(self, edges: list[str]) -> None:
        if self._all_known(edges):
            gap = next((pair for pair in pairwise(edges) if pair[1] not in self._next.get(pair[0], ())), None)
            if gap is not None:
                self._note("gap", here=gap[0], there=gap[1])

    def _trip(self, start: str, end: str) -> None:
        if self._all_known([start, end]) and end not in self._reachable(start):
            self._note("no way", here=start, there=end)

    def _all_known(self, edges: list[str]) -> bool:
        unknown = next((edge for edge in edges if edge not in self._edges), None)
        if unknown is not None:
            self._note("unknown edge", edge=unknown)
        return unknown is None

    def _time(self, given: dict[str, str], latest: float) -> float:
        """Note what is wrong with a departure; the departure itself."""
        try:
            depart = float(given.get("depart", given.get("begin", "0")))
            last = float(given.get("end", depart))
        except ValueError:
            return latest  # "triggered" and the like
        if depart < latest:
            self._note("order")
        if last < self._begin:
            self._note("early", begin=self._begin)
        elif depart >= self._end:
            self._note("late", end=self._end)
        return depart

    def _reachable(self, start: str) -> frozenset[str]:
        if start not in self._reach:
            seen, ahead = {start}, deque([start])
            while ahead:
                fresh = [edge for edge in self._next.get(ahead.popleft(), ()) if edge not in seen]
                seen.update(fresh)
                ahead.extend(fresh)
            self._reach[start] = frozenset(seen)
        return self._reach[start]

    def _note(self, kind: str, **values: object) -> None:
        known = self._found.get(kind)
        if known is not None:
            self._found[kind] = replace(known, count=known.count + 1)
            return
        error, text = PROBLEMS[kind]
        message = text.format(name=self._name, **values)
        self._found[kind] = TrafficFinding(kind=kind, error=error, count=1, where=self._at, message=message)


def _onward(network: Network) -> Mapping[str, set[str]]:
    """Edges that follow on each edge, whoever may drive there."""
    onward: dict[str, set[str]] = {}
    for connection in network.connections:
        if not connection.source.startswith(":"):
            start, end = (lane.rpartition("_")[0] for lane in (connection.source, connection.target))
            onward.setdefault(start, set()).add(end)
    return onward


def _rows(path: Path) -> Iterator[_Row]:
    """The top elements of a route file with their lines; expat, because ElementTree forgets lines."""
    rows: list[_Row] = []
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth == 2:
            edges = attributes.get("edges", "").split() if tag == "route" else None
            rows.append(_Row(parser.CurrentLineNumber, tag, attributes, edges))
        elif depth == 3 and tag == "route" and rows[-1].tag in DRIVERS:
            rows[-1] = rows[-1]._replace(edges=attributes.get("edges", "").split())

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            parser.ParseFile(stream)
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except expat.ExpatError as error:
        raise ScenarioError(
            f"{path}:{error.lineno}: not well-formed XML ({error}); correct the line"
        ) from error
    return iter(rows)
