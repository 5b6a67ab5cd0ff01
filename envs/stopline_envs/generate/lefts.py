"""A green of their own for lefts that share a lane with traffic which goes straight on.

Many signals on streets have it though there is no bay: the turn goes by itself after the oncoming traffic has
ended, and only as far as the first vehicle of the lane that does not turn. A policy that has never met it
takes such a green for one that serves the whole lane. netconvert gives one to hardly any signal.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from stopline_envs.generate.pairs import conflicts

_GREEN, _YELLOW = 6, 3


def add_left_greens(net: Path) -> int:
    """Give the shared lefts of each signal a stage after that of their street; how many signals got one.

    Signals in rings, or whose lefts conflict with one another, keep their program.
    """
    tree = ET.parse(net)
    root = tree.getroot()
    foes = conflicts(root)
    changed = 0
    for logic in root.iter("tlLogic"):
        name = logic.attrib["id"]
        lefts = _shared_lefts(root, name)
        if logic.get("type") != "NEMA" and lefts and name in foes:
            changed += _insert(logic, lefts, foes[name])
    if changed:
        ET.indent(tree, "    ")
        tree.write(net, encoding="unicode")
    return changed


def _shared_lefts(root: ET.Element, signal: str) -> frozenset[int]:
    """Links that turn left from a lane that others of the signal use as well."""
    lanes: defaultdict[tuple[str, str], list[tuple[int, bool]]] = defaultdict(list)
    for row in root.iter("connection"):
        if row.get("tl") == signal and not row.attrib["from"].startswith(":"):
            left = row.attrib["dir"] in "lL"
            lanes[row.attrib["from"], row.attrib["fromLane"]].append((int(row.attrib["linkIndex"]), left))
    mixed = [links for links in lanes.values() if {left for _, left in links} == {True, False}]
    return frozenset(link for links in mixed for link, left in links if left)


def _insert(logic: ET.Element, lefts: frozenset[int], foes: dict[int, frozenset[int]]) -> bool:
    """Put the new greens where a stage with such lefts ends; whether there was any such place."""
    phases = list(logic)
    inserted = 0
    for place, (phase, after) in enumerate(pairwise(phases)):
        state, ending = phase.attrib["state"], after.attrib["state"]
        turning = frozenset(link for link in lefts if state[link] in "Gg")
        alone = all(link in turning or letter not in "Gg" for link, letter in enumerate(state))
        ends = "y" in ending and not set(ending) & set("Gg") and "y" not in state
        if (
            turning
            and ends
            and not alone
            and not any(foes.get(link, frozenset()) & turning for link in turning)
        ):
            for offset, (seconds, letters) in enumerate(_way(state, ending, turning)):
                row = ET.Element("phase", {"duration": str(seconds), "state": letters})
                logic.insert(place + inserted + 1 + offset, row)
            inserted += 2
            after.set("state", _only(turning, "y", len(state)))
    return inserted > 0


def _way(state: str, ending: str, turning: frozenset[int]) -> tuple[tuple[int, str], tuple[int, str]]:
    """All others end, then the lefts have the junction for themselves."""
    others = "".join(
        state[link] if link in turning else "y" if letter == "y" else "r"
        for link, letter in enumerate(ending)
    )
    return (_YELLOW, others), (_GREEN, _only(turning, "G", len(state)))


def _only(links: frozenset[int], letter: str, width: int) -> str:
    return "".join(letter if link in links else "r" for link in range(width))
