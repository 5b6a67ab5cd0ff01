"""The signal plan as the database has it now: intervals changed by SNMP or by hand are in force at once."""

from __future__ import annotations

from dataclasses import replace

from stopline_cabinets.preempts import preempts_of
from stopline_hil.ntcip.database import Database
from stopline_hil.ntcip.phases import Phases
from stopline_signals.plan import NO_CONFLICT, GroupKind, Preempt, SignalGroup, SignalPlan

LEAST_YELLOW = 30
"""NEMA TS 2: no shorter yellow is ever timed."""


def plan_in_force(phases: Phases, database: Database, stopped: int) -> SignalPlan:
    """The controller's plan with the database's times; its program later by the tenths time stood still."""
    plan = phases.plan
    groups = tuple(_group(group, database) for group in plan.groups)
    longer = [_longer(group, database) for group in plan.groups]
    matrix = tuple(
        tuple(
            value if value == NO_CONFLICT else max(groups[i].change, value + longer[i])
            for value in plan.intergreen[i]
        )
        for i in range(len(groups))
    )
    revert = database.number("unitRedRevert")
    program = plan.program
    return replace(
        plan,
        groups=groups,
        intergreen=matrix,
        red_revert=plan.red_revert if database.is_initial("unitRedRevert") else revert,
        program=program and replace(program, offset=program.offset - stopped),
        preempts=tuple(
            _preempt(phases, preempt, number, database)
            for number, preempt in enumerate(preempts_of(phases.given), start=1)
        ),
    )


def _group(group: SignalGroup, database: Database) -> SignalGroup:
    if not group.phase:
        return group
    if group.kind is GroupKind.PEDESTRIAN:
        return replace(
            group,
            walk=max(10, _time(database, "phaseWalk", group.phase, 10, group.walk)),
            clearance=_time(database, "phasePedestrianClear", group.phase, 10, group.clearance),
        )
    return replace(
        group,
        min_green=max(10, _time(database, "phaseMinimumGreen", group.phase, 10, group.min_green)),
        yellow=_yellow(group, database),
    )


def _yellow(group: SignalGroup, database: Database) -> int:
    wanted = _time(database, "phaseYellowChange", group.phase, 1, group.yellow)
    return wanted if wanted == group.yellow else max(wanted, LEAST_YELLOW)


def _longer(group: SignalGroup, database: Database) -> int:
    """By how much the database stretches the group's row of the matrix."""
    if not group.phase:
        return 0
    if group.kind is GroupKind.PEDESTRIAN:
        wanted = _time(database, "phasePedestrianClear", group.phase, 10, group.clearance)
        return wanted - group.clearance
    red = database.number("phaseRedClear", group.phase)
    before = database.initial["phaseRedClear", (group.phase,)]
    return _yellow(group, database) - group.yellow + red - (before if isinstance(before, int) else 0)


def _time(database: Database, name: str, phase: int, unit: int, planned: int) -> int:
    """The plan's own time, which may be finer than the object, until somebody changes the object."""
    if database.is_initial(name, phase):
        return planned
    return unit * database.number(name, phase)


def _preempt(phases: Phases, preempt: Preempt, number: int, database: Database) -> Preempt:
    def tenths(name: str, planned: int) -> int:
        return _time(database, f"preempt{name}", number, 10, planned)

    stages = phases.stages[:-1]
    dwell = sum(1 << phase - 1 for phase in set(database.octets("preemptDwellPhase", number)) if phase)
    return replace(
        preempt,
        dwell=stages.index(dwell) if dwell in stages else preempt.dwell,
        delay=tenths("Delay", preempt.delay),
        min_duration=tenths("MinimumDuration", preempt.min_duration),
        max_presence=tenths("MaximumPresence", preempt.max_presence),
    )
