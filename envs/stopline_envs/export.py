"""A signal plan as a static SUMO program, so that SUMO itself can run any plan."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from itertools import groupby

from stopline_envs.junction import lamp_letters
from stopline_envs.plans.net import Phase, Program
from stopline_signals.errors import NetworkError
from stopline_signals.fixed_cycle import TRANSITION, cycle_of
from stopline_signals.plan import SignalPlan

SECOND = 10


def sumo_program(
    plan: SignalPlan, given: Program | None = None, *, step: int = SECOND, walks: bool = True
) -> Program:
    """The program that shows what the plan's fixed program shows, yellow, red and (`walks`) walks included.

    `given` is the signal's program in the network: it has the number of links and the heads that stop first.
    Intervals are rounded up to `step` tenths, SUMO's own step.

    Raises:
        NetworkError: a group has no links, or one that the network has not.
    """
    if missing := [group.name for group in plan.groups if not group.links]:
        raise NetworkError(
            f"signal {plan.junction}: group {missing[0]} names no links; give the link indices it controls"
        )
    width = 1 + max(link for group in plan.groups for link in group.links)
    if given is not None and given.phases:
        if len(given.phases[0].state) < width:
            raise NetworkError(
                f"signal {plan.junction}: the plan has link {width - 1}, the network only "
                f"{len(given.phases[0].state)} links"
            )
        width = len(given.phases[0].state)
    rounded = plan.rounded_up(step)
    letters = lamp_letters(
        plan, given or Program(tls="", program="", kind="", offset=0.0, phases=(), where="")
    )
    shown = [
        (_state(rounded, picture.aspects, letters, width), picture.stage, picture.duration)
        for picture in cycle_of(rounded, walks=walks)
    ]
    phases = tuple(
        Phase(
            duration=sum(duration for _, _, duration in same) / 10,
            state=state,
            name="" if stage == TRANSITION else plan.stages[stage].name,
        )
        for (state, stage), group in groupby(shown, key=lambda entry: entry[:2])
        for same in [list(group)]
    )
    offset = 0.0 if plan.program is None else plan.program.offset / 10
    return Program(
        tls=plan.junction, program="stopline", kind="static", offset=offset, phases=phases, where="export"
    )


def program_xml(programs: Iterable[Program]) -> str:
    """The programs as an additional file for SUMO."""
    root = ElementTree.Element("additional")
    for program in programs:
        logic = ElementTree.SubElement(
            root,
            "tlLogic",
            {"id": program.tls, "type": program.kind, "programID": program.program}
            | {"offset": f"{program.offset:g}"},
        )
        for phase in program.phases:
            attributes = {"duration": f"{phase.duration:g}", "state": phase.state}
            ElementTree.SubElement(logic, "phase", attributes | ({"name": phase.name} if phase.name else {}))
    ElementTree.indent(root, "    ")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _state(plan: SignalPlan, aspects: tuple[int, ...], letters: tuple[str, ...], width: int) -> str:
    state = ["r"] * width
    for group, aspect, own in zip(plan.groups, aspects, letters, strict=True):
        for link in group.links:
            state[link] = own[aspect]
    return "".join(state)
