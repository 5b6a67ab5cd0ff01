"""How full a demand makes a network's signals: the critical flow ratio of every signal."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

SATURATION = 1800.0  # veh/h and lane, discharging over a stop line


@dataclass(frozen=True, slots=True)
class Turn:
    """One signal link of vehicles: from lane (edge and index) to edge, at index `link` of signal `tls`."""

    tls: str
    link: int
    source: str
    lane: int
    target: str


@dataclass(frozen=True, slots=True)
class Signals:
    """The vehicle links of every signal and the green phases (state strings) of its program."""

    turns: tuple[Turn, ...]
    greens: dict[str, tuple[str, ...]]


def read_signals(net: Path) -> Signals:
    """Parse what the estimate needs from a network netconvert wrote."""
    root = ET.parse(net).getroot()
    turns = tuple(
        Turn(
            row.attrib["tl"],
            int(row.attrib["linkIndex"]),
            row.attrib["from"],
            int(row.attrib["fromLane"]),
            row.attrib["to"],
        )
        for row in root.iter("connection")
        if "tl" in row.attrib and not row.attrib["from"].startswith(":")
    )
    greens = {
        logic.attrib["id"]: tuple(
            phase.attrib["state"]
            for phase in logic.iter("phase")
            if "y" not in phase.attrib["state"] and set(phase.attrib["state"]) & set("Gg")
        )
        for logic in root.iter("tlLogic")
    }
    return Signals(turns, greens)


def critical_ratios(signals: Signals, flows: Iterable[tuple[tuple[str, ...], float]]) -> dict[str, float]:
    """Webster's critical flow ratio per signal: over its greens, the sum of the busiest lane's flow ratio.

    `flows` are (edges of a route, veh/h). A turn counts in the first green that serves it. Near 1 minus the
    share of lost time (0.7 to 0.85) the signal is full.
    """
    volume: defaultdict[tuple[str, str], float] = defaultdict(float)
    for edges, rate in flows:
        for pair in pairwise(edges):
            volume[pair] += rate
    lanes = _per_lane(signals, volume)
    return {tls: _ratio(greens, lanes.get(tls, {})) for tls, greens in signals.greens.items()}


def _per_lane(
    signals: Signals, volume: dict[tuple[str, str], float]
) -> dict[str, dict[int, tuple[str, float]]]:
    """Per signal: link -> (its lane, flow), a turn's flow spread evenly over the lanes it may use."""
    width: defaultdict[tuple[str, str], int] = defaultdict(int)
    for turn in signals.turns:
        width[turn.source, turn.target] += 1
    result: defaultdict[str, dict[int, tuple[str, float]]] = defaultdict(dict)
    for turn in signals.turns:
        pair = turn.source, turn.target
        result[turn.tls][turn.link] = (f"{turn.source}_{turn.lane}", volume.get(pair, 0.0) / width[pair])
    return dict(result)


def _ratio(greens: tuple[str, ...], links: dict[int, tuple[str, float]]) -> float:
    served: set[int] = set()
    whole = 0.0
    for state in greens:
        lanes: defaultdict[str, float] = defaultdict(float)
        for link, (lane, flow) in links.items():
            if state[link] in "Gg" and link not in served:
                served.add(link)
                lanes[lane] += flow
        whole += max(lanes.values(), default=0.0) / SATURATION
    return whole
