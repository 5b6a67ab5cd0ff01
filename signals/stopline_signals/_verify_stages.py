"""Stages, the yellow trap and the fixed program."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from stopline_signals._verify_clearance import s
from stopline_signals.findings import Finding, Rule, Severity, Source
from stopline_signals.plan import NO_CONFLICT, Aspect, FixedProgram, GroupKind, SignalPlan, Stage


def stage_findings(plan: SignalPlan) -> Iterator[Finding]:
    """Findings on what the stages serve, on their changes, and on the program that runs through them."""
    yield from _unserved(plan)
    yield from _useless(plan)
    yield from _traps(plan)
    if plan.program is not None:
        yield from _program(plan, plan.program)


def _unserved(plan: SignalPlan) -> Iterator[Finding]:
    for index, group in enumerate(plan.groups):
        if not plan.stages_serving(index):
            message = "is in no stage and never gets green; add it to one or drop it"
            yield _finding(Severity.ERROR, Rule.UNSERVED_GROUP, f"group {group.name}", message)


def _useless(plan: SignalPlan) -> Iterator[Finding]:
    """A stage nothing can lead to: nobody's call needs it, because another stage serves all it serves."""
    for index, stage in enumerate(plan.stages):
        place = f"stage {stage.name}"
        if not stage.groups:
            message = "lets nobody go, so no call leads to it; drop it"
            yield _finding(Severity.ERROR, Rule.UNREACHABLE_STAGE, place, message)
            continue
        for other in plan.stages[:index]:
            if set(other.protected) == set(stage.protected) and other.groups == stage.groups:
                message = f"shows the same as stage {other.name}, so no call leads to it; drop it"
                yield _finding(Severity.WARNING, Rule.UNREACHABLE_STAGE, place, message)
        if larger := [other.name for other in plan.stages if _serves_more(other, stage)]:
            message = f"no call needs it: stage {larger[0]} serves all it serves and more"
            yield _finding(Severity.NOTE, Rule.UNREACHABLE_STAGE, place, message)


def _serves_more(one: Stage, other: Stage) -> bool:
    covers = all(one.aspect(group) >= other.aspect(group) for group in other.groups)
    return covers and (one.groups != other.groups or set(one.protected) != set(other.protected))


def _traps(plan: SignalPlan) -> Iterator[Finding]:
    """A turn that ends while the flow it gives way to goes on, in a change from any stage to any other."""
    # A plan read from geometry names every oncoming flow; one written by hand may have forgotten a turn.
    named = bool(plan.paths) and any(group.oncoming for group in plan.groups)
    for turn, group in enumerate(plan.groups):
        for flow, other in enumerate(plan.groups):
            if not plan.yields[turn][flow] or other.kind is GroupKind.PEDESTRIAN:
                continue
            change = _trapping_change(plan, turn, flow)
            if change is None:
                continue
            place = f"stage {change[0]} -> stage {change[1]}"
            if other.name in group.oncoming:
                message = f"{other.name} is ended and started again, so that {group.name} is not trapped"
                yield Finding(Severity.NOTE, Rule.YELLOW_TRAP, place, message, Source.STOPLINE)
                continue
            message = (
                f"{group.name} turns yellow while {other.name}, to which it gives way, stays green; "
                f"name {other.name} among its oncoming groups, or order the stages otherwise"
            )
            # Where oncoming traffic is named, what is not named comes from the side (a right turn into the
            # exit of a U-turn): nobody expects it to stop with the turn.
            severity = Severity.WARNING if group.oncoming or named else Severity.ERROR
            yield Finding(severity, Rule.YELLOW_TRAP, place, message, Source.STOPLINE)


def _trapping_change(plan: SignalPlan, turn: int, flow: int) -> tuple[str, str] | None:
    for before, after in permutations(plan.stages, 2):
        ends = before.aspect(turn) is Aspect.PERMISSIVE and after.aspect(turn) is Aspect.RED
        if ends and before.aspect(flow) > Aspect.RED and after.aspect(flow) >= before.aspect(flow):
            return before.name, after.name
    return None


def _program(plan: SignalPlan, program: FixedProgram) -> Iterator[Finding]:
    order = [step.stage for step in program.steps]
    served = {group for stage in order for group in plan.stages[stage].groups}
    for index, group in enumerate(plan.groups):
        if index not in served and plan.stages_serving(index):
            message = "is never green in the fixed program; only calls outside of it serve the group"
            yield _finding(Severity.WARNING, Rule.UNSERVED_GROUP, f"group {group.name}", message)
        red = _longest_red(plan, program, index)
        if index in served and red > group.max_red:
            message = f"red for up to {s(red)} in the fixed program, over its max red of {s(group.max_red)}"
            yield Finding(Severity.WARNING, Rule.MAX_RED, f"group {group.name}", message, Source.NTCIP)
    if never := [stage.name for index, stage in enumerate(plan.stages) if index not in order]:
        message = f"never leads to stage {', '.join(never)}"
        yield _finding(Severity.NOTE, Rule.UNREACHABLE_STAGE, "program", message)
    yield from _splits(plan, program)


def _splits(plan: SignalPlan, program: FixedProgram) -> Iterator[Finding]:
    """Every green must fit between its start and the next start of each group it conflicts with.

    Where one does not, the engine runs late; where the whole cycle is too short, it never keeps to the clock.
    """
    for group, spec in enumerate(plan.groups):
        walks = spec.kind is GroupKind.PEDESTRIAN
        for start, ended in _greens(plan, program, group):
            short: list[tuple[int, int, int]] = []
            for other, clear in enumerate(plan.intergreen[group]):
                until = None if clear == NO_CONFLICT else _next_start(plan, program, other, ended)
                if until is not None:
                    has = (until - program.steps[start].green_at) % program.cycle or program.cycle
                    short.append((has - spec.minimum - clear, other, has))
            missing, other, has = min(short, default=(0, 0, 0))
            if missing < 0:
                what = "walk and clearance" if walks else "minimum green and intergreen"
                message = (
                    f"{spec.name} starts {s(has)} before {plan.groups[other].name}, "
                    f"its {what} need {s(has - missing)}; lengthen it"
                )
                yield _finding(Severity.WARNING, Rule.CYCLE, f"program step {start + 1}", message)
    whole = sum(_shortest(plan, program, position) for position in range(len(program.steps)))
    if len(program.steps) > 1 and program.cycle < whole:
        message = f"cycle {s(program.cycle)} is shorter than the {s(whole)} its minima add up to; lengthen it"
        yield _finding(Severity.ERROR, Rule.CYCLE, "program", message)


def _greens(plan: SignalPlan, program: FixedProgram, group: int) -> list[tuple[int, int]]:
    """(first step, first step in red) of each green of a group, from its last change of aspect on.

    The engine counts a minimum from the change of permissive to protected, not from the start of permissive.
    """
    shown = [plan.stages[step.stage].aspect(group) for step in program.steps]
    found: list[tuple[int, int]] = []
    for start, aspect in enumerate(shown):
        if aspect is Aspect.RED or aspect is shown[start - 1]:
            continue
        end = start
        while shown[end % len(shown)] is aspect:
            end += 1
        if shown[end % len(shown)] is Aspect.RED:
            found.append((start, end % len(shown)))
    return found


def _next_start(plan: SignalPlan, program: FixedProgram, group: int, step: int) -> int | None:
    """When a group next starts at the step or after it, in tenths of the cycle."""
    count = len(program.steps)
    shown = [plan.stages[step.stage].aspect(group) for step in program.steps]
    for ahead in range(count):
        at = (step + ahead) % count
        if shown[at] > Aspect.RED and shown[at - 1] is Aspect.RED:
            return program.steps[at].green_at
    return None


def _shortest(plan: SignalPlan, program: FixedProgram, position: int) -> int:
    """Least time from a step's green to the next one's, for the vehicles that start with the one and end."""
    count = len(program.steps)
    before, stage, after = (
        set(plan.stages[program.steps[(position + shift) % count].stage].groups) for shift in (-1, 0, 1)
    )
    least = 0
    for group in stage - after:
        if plan.groups[group].kind is not GroupKind.PEDESTRIAN:
            minimum = 0 if group in before else plan.groups[group].minimum
            clear = max((plan.intergreen[group][other] for other in after - stage), default=NO_CONFLICT)
            least = max(least, minimum + clear) if clear != NO_CONFLICT else least
    return least


def _longest_red(plan: SignalPlan, program: FixedProgram, group: int) -> int:
    """Longest time between greens of a group in the program, its change interval left out."""
    shows = [group in plan.stages[step.stage].groups for step in program.steps]
    if all(shows) or not any(shows):
        return 0 if all(shows) else program.cycle
    longest = 0
    for position, shown in enumerate(shows):
        if shown and not shows[(position + 1) % len(shows)]:
            ahead = position + 1
            while not shows[ahead % len(shows)]:
                ahead += 1
            ends = program.steps[(position + 1) % len(shows)].green_at
            longest = max(longest, (program.steps[ahead % len(shows)].green_at - ends) % program.cycle)
    return longest


def _finding(severity: Severity, rule: Rule, place: str, message: str) -> Finding:
    return Finding(severity, rule, place, message, Source.STOPLINE)
