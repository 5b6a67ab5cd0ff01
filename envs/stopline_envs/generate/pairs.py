"""Signals with every stage that may be formed, as dual-ring and free-stage controllers have them.

netconvert gives a signal the stages of one cycle. Many signals on streets may also show each approach alone,
or one left turn beside its own through traffic; a policy must have met that choice.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

MOST_STAGES = 8
_GREEN, _YELLOW, _RED = 20, 3, 2


@dataclass(frozen=True, slots=True)
class _Stream:
    """Links of one approach that always run together."""

    links: frozenset[int]


def offer_pairs(net: Path) -> int:
    """Give every signal without crossings all its largest sets of free streams as stages; how many got more.

    Signals whose sets are no more than their stages, or more than `MOST_STAGES`, keep their program. Only
    links without any conflict between them share a stage.
    """
    tree = ET.parse(net)
    root = tree.getroot()
    foes = conflicts(root)
    changed = 0
    for logic in root.iter("tlLogic"):
        streams = _streams(root, logic.attrib["id"])
        stages = _largest_sets(streams, foes.get(logic.attrib["id"], {}))
        if len(logic) and _greens(logic) < len(stages) <= MOST_STAGES:
            _write(logic, stages, len(logic[0].attrib["state"]))
            changed += 1
    if changed:
        ET.indent(tree, "    ")
        tree.write(net, encoding="unicode")
    return changed


def conflicts(root: ET.Element) -> dict[str, dict[int, frozenset[int]]]:
    """Conflicting links of each link, per signal; junctions with links that no signal rules are left out."""
    links: defaultdict[str, set[int]] = defaultdict(set)
    for row in root.iter("connection"):
        if "tl" in row.attrib:
            links[row.attrib["tl"]].add(int(row.attrib["linkIndex"]))
    found: dict[str, dict[int, frozenset[int]]] = {}
    for junction in root.iter("junction"):
        requests = junction.findall("request")
        if len(requests) == len(links.get(junction.attrib["id"], ())):
            # The last letter of `foes` stands for link 0.
            found[junction.attrib["id"]] = {
                int(row.attrib["index"]): frozenset(
                    place for place, letter in enumerate(reversed(row.attrib["foes"])) if letter == "1"
                )
                for row in requests
            }
    return found


def _greens(logic: ET.Element) -> int:
    states = (phase.attrib["state"] for phase in logic)
    return sum("y" not in state and bool(set(state) & set("Gg")) for state in states)


def _streams(root: ET.Element, signal: str) -> list[_Stream]:
    """Streams of a signal: lefts apart where they have lanes of their own; none where people cross."""
    lanes: defaultdict[tuple[str, bool], set[str]] = defaultdict(set)
    links: defaultdict[tuple[str, bool], set[int]] = defaultdict(set)
    for row in root.iter("connection"):
        if row.get("tl") != signal:
            continue
        if row.attrib["from"].startswith(":"):
            return []
        key = row.attrib["from"], row.attrib["dir"] in "lL"
        lanes[key].add(row.attrib["fromLane"])
        links[key].add(int(row.attrib["linkIndex"]))
    streams: list[_Stream] = []
    for edge in sorted({edge for edge, _ in links}):
        ahead, left = (edge, False), (edge, True)
        if lanes[ahead] & lanes[left]:
            streams.append(_Stream(frozenset(links[ahead] | links[left])))
        else:
            streams += [_Stream(frozenset(links[key])) for key in (ahead, left) if links[key]]
    return streams


def _largest_sets(streams: Sequence[_Stream], foes: dict[int, frozenset[int]]) -> list[tuple[_Stream, ...]]:
    """All sets of streams without a conflict between them that no further stream fits into."""
    if not foes or any(foes[link] & stream.links for stream in streams for link in stream.links):
        return []
    together = [
        chosen
        for size in range(1, len(streams) + 1)
        for chosen in combinations(streams, size)
        if all(_free(a, b, foes) for a, b in combinations(chosen, 2))
    ]
    return [one for one in together if not any(set(one) < set(other) for other in together)]


def _free(one: _Stream, other: _Stream, foes: dict[int, frozenset[int]]) -> bool:
    return not any(foes[link] & other.links for link in one.links)


def _write(logic: ET.Element, stages: Sequence[Iterable[_Stream]], width: int) -> None:
    served = [frozenset(link for stream in stage for link in stream.links) for stage in stages]
    for phase in list(logic):
        logic.remove(phase)
    for now, following in zip(served, (*served[1:], served[0]), strict=True):
        ending = now - following
        for seconds, letters in (
            (_GREEN, {"G": now}),
            (_YELLOW, {"G": now - ending, "y": ending}),
            (_RED, {"G": now - ending}),
        ):
            state = ["r"] * width
            for letter, links in letters.items():
                for link in links:
                    state[link] = letter
            ET.SubElement(logic, "phase", {"duration": str(seconds), "state": "".join(state)})
