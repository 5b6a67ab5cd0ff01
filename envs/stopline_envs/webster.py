"""Fixed programs timed anew for a scenario's own demand by SUMO's Webster tool."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

from stopline_envs.generate.sumo_tools import run_binary, run_script
from stopline_envs.network import plans_of
from stopline_envs.scenario import Scenario
from stopline_signals.engine import Engine

YELLOW_S = 3
STARTING_S = 2
"""Lost while a queue starts to move, s."""
CYCLE_S = (40, 120)


def retimed(scenario: Scenario, folder: Path) -> Scenario:
    """The scenario with splits and cycles by Webster's formula from the flows of its busiest hour.

    The installed green phases and their order stay. `folder` receives the routes and the programs.

    Raises SimulationError with the words of the tool that failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    routes, programs = folder / "routed.rou.xml", folder / "webster.add.xml"
    _route(scenario, routes)
    options = {
        "net-file": _programmed(scenario, folder), "route-files": routes, "output-file": programs,
        "yellow-time": YELLOW_S, "lost-time": _lost_s(scenario), "program": "retimed",
        # Shorter than any green: red clearance beside a group that goes on looks like one.
        "green-filter-time": 5,
        "begin": scenario.begin, "min-cycle": CYCLE_S[0], "max-cycle": CYCLE_S[1],
    }  # fmt: skip
    arguments = [part for key, value in options.items() for part in (f"--{key}", str(value))]
    run_script("tlsCycleAdaptation.py", arguments)
    _clean(programs)
    return replace(scenario, additional=(*scenario.additional, programs))


def _lost_s(scenario: Scenario) -> int:
    """Mean time lost in a stage change under the rule book, s: the tool knows one figure for all signals."""
    lost: list[int] = []
    for plan in plans_of(scenario).plans.values():
        engine, steps = Engine(plan), plan.program.steps if plan.program else ()
        lost += [
            engine.typical_transition(one.stage, following.stage)
            for one, following in zip(steps, (*steps[1:], *steps[:1]), strict=True)
        ]
    return round(sum(lost) / max(len(lost), 1) / 10) + STARTING_S


def _route(scenario: Scenario, routes: Path) -> None:
    """All vehicles with their edges: the tool counts turns and reads nothing else."""
    run_binary(
        "duarouter",
        {
            "net-file": scenario.net,
            "route-files": ",".join(str(path) for path in scenario.routes),
            "output-file": routes,
            "begin": scenario.begin,
            "end": scenario.end,
            "ignore-errors": True,
            "no-warnings": True,
            "no-step-log": True,
        },
    )


def _programmed(scenario: Scenario, folder: Path) -> Path:
    """A network with the installed programs, those of additional files too: the tool reads no other."""
    files = [path for path in scenario.additional if "<tlLogic" in path.read_text(encoding="utf-8")]
    if not files:
        return scenario.net
    net = folder / "programmed.net.xml"
    run_binary(
        "netconvert",
        {
            "sumo-net-file": scenario.net,
            "tllogic-files": ",".join(str(path) for path in files),
            "output-file": net,
            "no-warnings": True,
        },
    )
    return net


def _clean(programs: Path) -> None:
    """Keep the installed program of each signal, and none the tool could not time (a phase of no length)."""
    tree = ET.parse(programs)
    root = tree.getroot()
    last = {logic.attrib["id"]: logic for logic in root.iter("tlLogic")}
    for logic in list(root.iter("tlLogic")):
        untimed = any(float(phase.attrib["duration"]) <= 0 for phase in logic.iter("phase"))
        if untimed or logic is not last[logic.attrib["id"]]:
            root.remove(logic)
    tree.write(programs, encoding="unicode")
