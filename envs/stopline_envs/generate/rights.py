"""Rights that may go at almost any time, giving way: turning right on red, or past an island.

In many countries it is the rule. A right turn is then a movement apart from the traffic it shares an approach
or a lane with, green in nearly every stage, and what waits in it is no reason to serve its street.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from stopline_envs.generate.pairs import conflicts

RIGHT_ON_RED = "traffic_light_right_on_red"
"""The type of node at which netconvert makes rights wait for what they cross, whatever the streets' ranks."""

STAGE_S = 5.0
"""Shortest phase that is a stage and no clearance."""

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
    """By junction and link: the conflicting links that it does not wait for.

    Junctions with links that no signal rules are left out: their requests are numbered otherwise.
    """
    ruled = conflicts(root)
    return {
        junction.attrib["id"]: {
            int(row.attrib["index"]): _links(row.attrib["foes"]) - _links(row.attrib["response"])
            for row in junction.findall("request")
        }
        for junction in root.iter("junction")
        if junction.attrib["id"] in ruled
    }


def _links(letters: str) -> frozenset[int]:
    """The links of a row of a request; its last letter stands for link 0."""
    return frozenset(link for link, letter in enumerate(reversed(letters)) if letter == "1")


def _free(logic: ET.Element, turns: Foes) -> bool:
    """Rewrite a program turn by turn; whether one of them goes giving way now."""
    phases = list(logic)
    states = [phase.attrib["state"] for phase in phases]
    main = [_serves_a_stage(phase) for phase in phases]
    if not any(main):
        return False
    for link, priors in turns.items():
        shown = _column(link, priors, states, main)
        states = [
            state[:link] + letter + state[link + 1 :] for state, letter in zip(states, shown, strict=True)
        ]
    for phase, state in zip(phases, states, strict=True):
        phase.set("state", state)
    return any(state[link] == "g" for state in states for link in turns)


def _serves_a_stage(phase: ET.Element) -> bool:
    """Whether a phase is more than the way between two stages, on which some streams may run on."""
    letters = set(phase.attrib["state"])
    return bool(letters & set("Gg")) and "y" not in letters and float(phase.attrib["duration"]) >= STAGE_S


def _column(link: int, priors: frozenset[int], states: list[str], main: list[bool]) -> str:
    """What the turn shows in each phase; between two stages in which it is green it stays green."""
    shown = [_in_stage(state[link], _meets(state, priors)) for state in states]
    for place, state in enumerate(states):
        if not main[place]:
            before, after = _main_beside(place, main, -1), _main_beside(place, main, +1)
            shown[place] = _between(state, link, shown[before] in "Gg", shown[after] in "Gg")
    return "".join(shown)


def _in_stage(letter: str, met: bool) -> str:
    """Its own green where the program has one, else passing when it meets nobody it does not wait for."""
    return letter if letter in "Gg" else "r" if met else "g"


def _between(state: str, link: int, before: bool, after: bool) -> str:
    if before and after:
        return state[link] if state[link] in "Gg" else "g"
    return "y" if before and "y" in state else "r"


def _meets(state: str, links: frozenset[int]) -> bool:
    return any(state[link] in "Gg" for link in links)


def _main_beside(place: int, main: list[bool], step: int) -> int:
    places = ((place + step * by) % len(main) for by in range(1, len(main) + 1))
    return next(at for at in places if main[at])
