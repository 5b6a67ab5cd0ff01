"""Rights that may go at almost any time, giving way: turning right on red, or past an island.

In many countries it is the rule. A right turn is then a movement apart from the traffic it shares an approach
or a lane with, green in nearly every stage, and what waits in it is no reason to serve its street.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

RIGHT_ON_RED = "traffic_light_right_on_red"
"""The type of node at which netconvert makes rights wait for what they cross, whatever the streets' ranks."""

Foes = Mapping[int, frozenset[int]]


def free_rights(net: Path) -> int:
    """Let the rights of signals built as `RIGHT_ON_RED` go wherever they wait for all they meet.

    Returns how many signals have some.
    """
    tree = ET.parse(net)
    root = tree.getroot()
    rights, priors = _rights(root), _priors(root)
    changed = 0
    for logic in root.iter("tlLogic"):
        name = logic.attrib["id"]
        if name in priors:
            turns = {link: priors[name][link] for link in rights.get(name, ())}
            changed += _free(logic, turns)
    if changed:
        ET.indent(tree, "    ")
        tree.write(net, encoding="unicode")
    return changed


def _rights(root: ET.Element) -> dict[str, set[int]]:
    """Links that turn right, by signal."""
    rights: defaultdict[str, set[int]] = defaultdict(set)
    for row in root.iter("connection"):
        if "tl" in row.attrib and row.attrib["dir"] in "rR":
            rights[row.attrib["tl"]].add(int(row.attrib["linkIndex"]))
    return rights


def _priors(root: ET.Element) -> dict[str, Foes]:
    """By junction and link: the conflicting links that it does not wait for."""
    found: dict[str, Foes] = {}
    for junction in root.iter("junction"):
        rows = junction.findall("request")
        found[junction.attrib["id"]] = {
            int(row.attrib["index"]): _links(row.attrib["foes"]) - _links(row.attrib["response"])
            for row in rows
        }
    return found


def _links(letters: str) -> frozenset[int]:
    """The links of a row of a request; its last letter stands for link 0."""
    return frozenset(link for link, letter in enumerate(reversed(letters)) if letter == "1")


def _free(logic: ET.Element, turns: Foes) -> bool:
    """Rewrite a program; whether a turn has more green than before."""
    phases = list(logic)
    states = [phase.attrib["state"] for phase in phases]
    columns = {link: _column(link, priors, states) for link, priors in turns.items()}
    for place, phase in enumerate(phases):
        state = list(states[place])
        for link, letters in columns.items():
            state[link] = letters[place]
        phase.set("state", "".join(state))
    return any("g" in letters for letters in columns.values())


def _column(link: int, priors: frozenset[int], states: list[str]) -> str:
    """What the turn shows in each phase; between two phases in which it is green it stays green."""
    main = ["y" not in state and bool(set(state) & set("Gg")) for state in states]
    shown = [
        "r" if not here else state[link] if state[link] in "Gg" else "r" if _meets(state, priors) else "g"
        for state, here in zip(states, main, strict=True)
    ]
    for place, state in enumerate(states):
        if not main[place]:
            before, after = _main_beside(place, main, -1), _main_beside(place, main, +1)
            shown[place] = _between(shown[before] in "Gg", shown[after] in "Gg", ends="y" in state)
    return "".join(shown)


def _meets(state: str, links: frozenset[int]) -> bool:
    return any(state[link] in "Gg" for link in links)


def _main_beside(place: int, main: list[bool], step: int) -> int:
    return next(
        at for at in (((place + step * by) % len(main)) for by in range(1, len(main) + 1)) if main[at]
    )


def _between(before: bool, after: bool, *, ends: bool) -> str:
    if before and after:
        return "g"
    return "y" if before and ends else "r"
