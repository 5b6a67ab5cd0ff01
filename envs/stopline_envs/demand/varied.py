"""A source of scenarios: one network, and demand drawn anew for every episode's seed."""

from __future__ import annotations

import functools
import os
import random
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stopline_envs.demand.routes import RouteFile, read_routes, varied, volumes
from stopline_envs.demand.variation import INCIDENT_S, DemandVariation, draw, poisson
from stopline_envs.plans.net import read_network
from stopline_envs.scenario import Scenario

LONG_ENOUGH_M = 75.0
"""Shorter streets have no room for an incident and a way around it."""
KEPT = 16
"""Episodes of one process whose files are kept; older ones are deleted."""
_TYPES = (
    '<vType id="stopline_incident" vClass="passenger" guiShape="passenger" color="red"/>',
    '<vType id="stopline_emergency_vehicle" vClass="emergency" length="6.5" speedFactor="1.4"'
    ' guiShape="emergency"><param key="has.bluelight.device" value="true"/></vType>',
)

Place = tuple[str, int, float]
"""An edge, one of its lanes, and metres from its beginning."""


@dataclass(frozen=True, slots=True)
class VariedDemand:
    """From an episode's seed to the scenario with demand drawn from it; picklable, for workers too.

    Route files are written below `folder`, and those of old episodes deleted: runs at the same time that use
    the same seeds need folders of their own.
    """

    scenario: Scenario
    variation: DemandVariation
    folder: str | Path

    def __call__(self, seed: int) -> Scenario:
        """The scenario of one episode."""
        rng = random.Random(f"demand|{seed}")
        path = Path(self.folder).absolute() / f"{self.scenario.name}-{seed}.rou.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        files = [_read(str(file), file.stat().st_mtime_ns) for file in self.scenario.routes]
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(self._text(files, rng), encoding="utf-8")
        draft.replace(path)  # whole or not at all, whoever else writes the same
        _forget_old(path)
        return replace(self.scenario, routes=(path,))

    def _text(self, files: Sequence[RouteFile], rng: random.Random) -> str:
        begin, end = self.scenario.begin, self.scenario.end
        wanted: dict[tuple[str, str], float] = {}
        for file in files:
            for pair, amount in volumes(file, begin, end).items():
                wanted[pair] = wanted.get(pair, 0.0) + amount
        drawn = draw(self.variation, wanted, begin, end, rng)
        rows = [row for file in files for row in varied(file, drawn.factor, begin, end, rng)]
        extra = [*self._incidents(wanted, rng), *self._emergencies(wanted, rng)]
        types = [ET.fromstring(text) for text in _TYPES] if extra else []
        ordered = [row for row in rows if not _departs(row)]
        ordered += types
        ordered += sorted([row for row in rows if _departs(row)] + extra, key=_when)
        return "<routes>\n" + "".join(f"    {_line(row)}\n" for row in ordered) + "</routes>\n"

    def _incidents(self, wanted: dict[tuple[str, str], float], rng: random.Random) -> list[ET.Element]:
        count = poisson(self.variation.incidents, rng)
        places = _lanes_to_block(str(self.scenario.net), frozenset(edge for pair in wanted for edge in pair))
        rows: list[ET.Element] = []
        for number in range(count if places else 0):
            edge, lane, at = rng.choice(places)
            depart, stay = rng.randint(self.scenario.begin, self.scenario.end - 1), rng.randint(*INCIDENT_S)
            rows.append(
                ET.fromstring(
                    f'<vehicle id="incident~{number}" type="stopline_incident" depart="{depart}"'
                    f' departLane="{lane}" departPos="{at:.1f}" departSpeed="0"><route edges="{edge}"/>'
                    f'<stop lane="{edge}_{lane}" endPos="{at + 1:.1f}" duration="{stay}"/></vehicle>'
                )
            )
        return rows

    def _emergencies(self, wanted: dict[tuple[str, str], float], rng: random.Random) -> list[ET.Element]:
        pairs = sorted(pair for pair in wanted if pair[0] != pair[1])
        count = poisson(self.variation.emergency, rng) if pairs else 0
        rows: list[ET.Element] = []
        for number in range(count):
            first, last = rng.choice(pairs)
            depart = rng.randint(self.scenario.begin, self.scenario.end - 1)
            rows.append(
                ET.fromstring(
                    f'<trip id="emergency~{number}" type="stopline_emergency_vehicle" depart="{depart}"'
                    f' from="{first}" to="{last}" departLane="best" departSpeed="max"/>'
                )
            )
        return rows


@functools.lru_cache(maxsize=16)
def _read(path: str, stamp: int) -> RouteFile:
    return read_routes(Path(path))


@functools.lru_cache(maxsize=4)
def _lanes_to_block(net: str, ends: frozenset[str]) -> tuple[Place, ...]:
    """Lanes for cars on streets with another one beside them, so that a standing vehicle can be passed.

    Streets at which vehicles begin or end are left alone where there are others.
    """
    network = read_network(net)
    lanes: dict[str, list[tuple[int, float]]] = {}
    for lane in network.lanes.values():
        if not lane.edge.startswith(":") and (lane.classes is None or "passenger" in lane.classes):
            lanes.setdefault(lane.edge, []).append((int(lane.id.rpartition("_")[2]), lane.length))
    wide = {edge: own for edge, own in sorted(lanes.items()) if len(own) > 1 and own[0][1] > LONG_ENOUGH_M}
    inner = {edge: own for edge, own in wide.items() if edge not in ends} or wide
    return tuple((edge, index, length / 2) for edge, own in inner.items() for index, length in sorted(own))


def _departs(row: ET.Element) -> bool:
    return "depart" in row.attrib or "begin" in row.attrib


def _when(row: ET.Element) -> float:
    value = row.get("depart", row.get("begin", "0"))
    return float(value) if value.replace(".", "", 1).isdigit() else 0.0


def _line(row: ET.Element) -> str:
    text = ET.tostring(row, encoding="unicode")
    return " ".join(part for part in (line.strip() for line in text.splitlines()) if part)


_written: dict[Path, list[Path]] = {}


def _forget_old(path: Path) -> None:
    own = _written.setdefault(path.parent, [])
    if path in own:
        own.remove(path)
    own.append(path)
    while len(own) > KEPT:
        own.pop(0).unlink(missing_ok=True)
