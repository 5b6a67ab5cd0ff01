"""Signal programs for the networks built here: stage tables, Webster times and offsets by SUMO's own tools.

A stage table says what may run together; SUMO's `tlsCycleAdaptation.py` computes cycle and splits from the
peak hour's turning flows, and `tlsCoordinator.py` the offsets. What those tools do not know is added here:
red clearance after yellow, and green long enough to walk.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from stopline_envs.generate.sumo_tools import run_script
from sumo_networks.streets import CLOCKWISE, Arm, write_xml

YELLOW = 4  # ITE for 50 km/h is 3.3 s; SUMO steps whole seconds.
RED = 3  # 24 to 31 m between stop line and far edge, and a car's length, at 50 km/h
CHANGE = YELLOW + RED
WALK = 7
WALKING_SPEED = 1.07  # m/s, 3.5 ft/s
LEFT_GREEN = 7


@dataclass(frozen=True, slots=True)
class Link:
    """One signal index of a junction: a turn from an arm, or the crossing over an arm (turn "walk")."""

    bearing: str
    turn: str
    length: float = 0.0


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs together: (bearing, turn) pairs protected, permissive, and crossings by the arm they cross.

    `beside` runs protected too but does not ask for the stage's green: SUMO's Webster tool would halve its
    flow.
    """

    protected: frozenset[tuple[str, str]]
    permissive: frozenset[tuple[str, str]] = frozenset()
    walk: frozenset[str] = frozenset()
    beside: frozenset[tuple[str, str]] = frozenset()

    def letter(self, link: Link) -> str:
        """SUMO's state letter of a link in this stage."""
        if link.turn == "walk":
            return "G" if link.bearing in self.walk else "r"
        key = (link.bearing, link.turn)
        return "G" if key in self.protected | self.beside else "g" if key in self.permissive else "r"

    def asking(self) -> Stage:
        """The stage with only what asks for its green: no walking, nothing beside."""
        return Stage(self.protected, self.permissive)


@dataclass(slots=True)
class Program:
    """A signal program in the making: one green per stage, all changes of equal length."""

    junction: str
    links: tuple[Link, ...]
    stages: tuple[Stage, ...]
    greens: list[int]
    offset: int = 0

    @property
    def cycle(self) -> int:
        """Cycle length, s."""
        return sum(self.greens) + CHANGE * len(self.stages)

    def clearance(self, stage: Stage) -> int:
        """Seconds at the end of a green in which nobody may start to walk any more, s."""
        lengths = [link.length for link in self.links if link.turn == "walk" and link.bearing in stage.walk]
        if not lengths:
            return 0
        # Yellow and red clearance count: the crossing must be empty when the next green begins.
        return max(0, math.ceil(max(lengths) / WALKING_SPEED) - CHANGE)

    def shortest(self, stage: Stage) -> int:
        """The least green of a stage, s: long enough to walk where it has a crossing."""
        return max(LEFT_GREEN, WALK + self.clearance(stage) if stage.walk else 0)

    def asking(self) -> Program:
        """The program as SUMO's Webster tool understands it: see `Stage.asking`."""
        return replace(self, stages=tuple(stage.asking() for stage in self.stages))

    def phases(self) -> list[tuple[int, str]]:
        """The program as SUMO phases (duration s, state)."""
        rows: list[tuple[int, str]] = []
        for number, stage in enumerate(self.stages):
            following = self.stages[(number + 1) % len(self.stages)]
            clearance = self.clearance(stage)
            rows.append((self.greens[number] - clearance, self._state(stage)))
            if clearance:
                rows.append((clearance, self._state(replace(stage, walk=frozenset()))))
            rows.append((YELLOW, self._change(stage, following, "y")))
            rows.append((RED, self._change(stage, following, "r")))
        return rows

    def element(self, program: str) -> list[str]:
        """The program as rows of a SUMO tlLogic element."""
        head = f'id="{self.junction}" type="static" programID="{program}" offset="{self.offset}"'
        rows = [
            f'        <phase duration="{duration}" state="{state}"/>' for duration, state in self.phases()
        ]
        return [f"    <tlLogic {head}>", *rows, "    </tlLogic>"]

    def _state(self, stage: Stage) -> str:
        return "".join(stage.letter(link) for link in self.links)

    def _change(self, stage: Stage, following: Stage, ending: str) -> str:
        def letter(link: Link) -> str:
            now, then = stage.letter(link), following.letter(link)
            if link.turn == "walk" or now == "r":
                return "r"
            return ending if then == "r" else now

        return "".join(letter(link) for link in self.links)


class Lefts(StrEnum):
    """How left turns run at a junction."""

    PROTECTED = "protected"  # only on their own stage, on all arms
    BOTH = "both"  # main road: permissive, then a stage of their own; side street: permissive
    PERMISSIVE = "permissive"


def stage_table(arms: list[Arm], lefts: Lefts) -> tuple[Stage, ...]:
    """Stages of a junction on an east-west main road: main, main lefts, side, side lefts."""
    here = {arm.bearing: arm for arm in arms}
    only = lefts is Lefts.PROTECTED
    own = _lefts(here, "WE") if lefts is not Lefts.PERMISSIVE else None
    stages = (
        _through(here, "WE", only),
        own,
        _through(here, "NS", only),
        _lefts(here, "NS") if only else None,
    )
    return tuple(stage for stage in stages if stage is not None)


def read_links(net: Path, junction: str, arms: list[Arm]) -> tuple[Link, ...]:
    """What each signal index of a built junction controls, in index order."""
    root = ET.parse(net).getroot()
    bearing = {
        edge: arm.bearing for arm in arms for edge in (f"{arm.far}_{junction}", f"{arm.far}_{junction}_bay")
    }
    crossings = {edge.attrib["id"]: edge for edge in root.iter("edge") if edge.get("function") == "crossing"}
    links: dict[int, Link] = {}
    for row in root.iter("connection"):
        if row.get("tl") != junction:
            continue
        crossing = crossings.get(row.attrib["to"])
        if crossing is None:
            link = Link(bearing[row.attrib["from"]], row.attrib["dir"])
        else:
            lane = crossing[0]
            over = next(bearing[edge] for edge in crossing.attrib["crossingEdges"].split() if edge in bearing)
            link = Link(over, "walk", float(lane.attrib["length"]))
        links[int(row.attrib["linkIndex"])] = link
    return tuple(links[index] for index in range(len(links)))


def install(net: Path, programs: list[Program]) -> None:
    """Replace the network's guessed programs by these: its own and the `fixed` plan name the same stages."""
    head, rest = net.read_text(encoding="utf-8").split("<tlLogic", 1)
    tail = rest.rsplit("</tlLogic>", 1)[1]
    rows = [row for program in programs for row in program.element("0")]
    net.write_text(head.rstrip() + "\n" + "\n".join(rows) + tail, encoding="utf-8")


def webster(net: Path, peak: Path, programs: list[Program], work: Path, *, cycle: int) -> None:
    """Set all splits by SUMO's Webster tool from the peak hour's vehicles, at one common cycle, s."""
    bare = work / "bare.net.xml"
    bare.write_text(net.read_text(encoding="utf-8"), encoding="utf-8")
    install(bare, [program.asking() for program in programs])
    result = work / "webster.add.xml"
    options = {
        "net-file": bare, "route-files": peak, "output-file": result, "begin": 0, "yellow-time": CHANGE,
        "lost-time": CHANGE, "min-green": LEFT_GREEN, "min-cycle": cycle, "max-cycle": cycle,
        # The red clearance of a stage whose neighbour keeps its green looks like a green of its own.
        "green-filter-time": RED + 1,
    }  # fmt: skip
    arguments = [part for key, value in options.items() for part in (f"--{key}", str(value))]
    run_script("tlsCycleAdaptation.py", [*arguments, "--unified-cycle"])
    greens = _greens(result, programs)
    for program in programs:
        shortest = [program.shortest(stage) for stage in program.stages]
        program.greens = fit(greens[program.junction], shortest, cycle - CHANGE * len(program.stages))


def coordinate(net: Path, peak: Path, programs: list[Program], work: Path, *, speed_factor: float) -> None:
    """Set the offsets of all programs by SUMO's coordination tool from the peak hour's vehicles."""
    plans, result = work / "plans.add.xml", work / "offsets.add.xml"
    write_xml(plans, "additional", [row for program in programs for row in program.element("webster")])
    options = {"net-file": net, "route-file": peak, "additional-file": plans, "output-file": result}
    arguments = [part for key, value in options.items() for part in (f"--{key}", str(value))]
    run_script("tlsCoordinator.py", [*arguments, "--speed-factor", str(speed_factor)])
    offsets = {row.attrib["id"]: float(row.attrib["offset"]) for row in ET.parse(result).iter("tlLogic")}
    for program in programs:
        program.offset = round(offsets[program.junction]) % program.cycle


def fit(greens: list[int], shortest: list[int], total: int) -> list[int]:
    """Greens that sum to `total`, none below its shortest, the rest in the proportions of `greens`."""
    result = list(shortest)
    spare = total - sum(result)
    wanted = [max(0, green - least) for green, least in zip(greens, shortest, strict=True)]
    whole = sum(wanted) or 1
    shares = [spare * want / whole for want in wanted]
    result = [least + int(share) for least, share in zip(result, shares, strict=True)]
    result[max(range(len(wanted)), key=wanted.__getitem__)] += total - sum(result)
    return result


def _through(here: dict[str, Arm], axis: str, protected_lefts: bool) -> Stage:
    """Through traffic and right turns of both arms of an axis, walking beside it, lefts if permissive."""
    across = {bearing for bearing in here if bearing not in axis}
    # Walking goes beside the running axis, over the arms of the other one.
    walk = frozenset(bearing for bearing in across if here[bearing].crossing)
    protected, permissive = set[tuple[str, str]](), set[tuple[str, str]]()
    for bearing in axis:
        if bearing not in here:
            continue
        left, ahead, right = (CLOCKWISE[(CLOCKWISE.index(bearing) + turn) % 4] for turn in (1, 2, 3))
        if ahead in here:
            protected.add((bearing, "s"))
        if right in here:
            (permissive if right in walk else protected).add((bearing, "r"))
        if left in here and ahead not in here:
            (permissive if left in walk else protected).add((bearing, "l"))
        elif left in here and not protected_lefts:
            permissive.add((bearing, "l"))
    return Stage(frozenset(protected), frozenset(permissive), walk)


def _lefts(here: dict[str, Arm], axis: str) -> Stage | None:
    """Protected left turns of an axis; at a T-junction the through traffic beside the left turn runs too."""
    turning = [b for b in axis if b in here and CLOCKWISE[(CLOCKWISE.index(b) + 1) % 4] in here]
    if not turning:
        return None
    protected = frozenset((bearing, "l") for bearing in turning)
    beside = frozenset({(turning[0], "s")}) if len(turning) == 1 else frozenset[tuple[str, str]]()
    return Stage(protected, beside=beside)


def _greens(result: Path, programs: list[Program]) -> dict[str, list[int]]:
    """The greens of each stage as SUMO's Webster tool wrote them."""
    found: dict[str, list[int]] = {}
    for logic in ET.parse(result).iter("tlLogic"):
        phases = list(logic)
        found[logic.attrib["id"]] = [int(float(phase.attrib["duration"])) for phase in phases[::3]]
    return {program.junction: found[program.junction] for program in programs}
