"""One cycle of a plan's fixed program, played by the engine: every picture with how long it is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from stopline_signals.engine import KEEP, Engine, EngineState
from stopline_signals.errors import PlanError
from stopline_signals.plan import FixedProgram, ProgramStep, SignalPlan

CYCLES_TO_SETTLE = 12
TRANSITION = -1


class Picture(NamedTuple):
    """What all groups show, for how many tenths; `stage` is in force, or TRANSITION."""

    duration: int
    aspects: tuple[int, ...]
    stage: int


def cycle_of(plan: SignalPlan, *, walks: bool = True) -> tuple[Picture, ...]:
    """The pictures from the program's offset on for one cycle; with `walks` each stage serves its crossings.

    A plan without a program runs `shortest_program`.

    Raises:
        PlanError: the cycle is too short for the plan's own minima, so that no cycle is like the one before.
    """
    program = plan.program or shortest_program(plan)
    plan = replace(plan, program=program)
    engine = Engine(plan)
    first = program.offset % program.cycle + program.cycle
    state = engine.start(first - program.cycle, program.steps[program.step_at(first - program.cycle)].stage)
    called = (1 << len(plan.groups)) - 1 if walks else 0
    state, _ = _play(engine, state, first, called)
    before: tuple[Picture, ...] = ()
    for number in range(1, CYCLES_TO_SETTLE):
        state, pictures = _play(engine, state, first + number * program.cycle, called)
        if pictures == before:
            return pictures
        before = pictures
    raise PlanError(
        f"junction {plan.junction}: the fixed program's cycle of {program.cycle / 10} s never repeats, "
        "because its greens and clearances do not fit into it; lengthen the cycle"
    )


def shortest_program(plan: SignalPlan) -> FixedProgram:
    """A program that serves every group once, each stage for its groups' minima and clearances."""
    order: list[int] = []
    served: set[int] = set()
    for stage in sorted(range(len(plan.stages)), key=lambda index: (-len(plan.stages[index].groups), index)):
        if not set(plan.stages[stage].groups) <= served:
            order.append(stage)
            served |= set(plan.stages[stage].groups)
    order.sort()
    steps: list[ProgramStep] = []
    at = 0
    for position, stage in enumerate(order):
        steps.append(ProgramStep(stage, at))
        at += _length(plan, stage, order[(position + 1) % len(order)])
    return FixedProgram(max(at, 10), 0, tuple(steps))


def _length(plan: SignalPlan, stage: int, following: int) -> int:
    """Tenths from the stage's green to the next one's, in whole seconds."""
    starts = set(plan.stages[following].groups) - set(plan.stages[stage].groups)
    lengths = [
        plan.groups[group].minimum
        + max([plan.groups[group].change, *(plan.intergreen[group][j] for j in starts)])
        for group in plan.stages[stage].groups
    ]
    return -(-max(lengths, default=10) // 10) * 10


def _play(
    engine: Engine, state: EngineState, until: int, called: int
) -> tuple[EngineState, tuple[Picture, ...]]:
    """Play to `until`; the calls are there when a stage is asked for, and served when it is in force."""
    pictures: list[Picture] = []
    while state.now < until:
        asked = engine.program_request(state, called)
        calls = 0 if asked == state.stage else called
        state = engine.advance(state, asked, calls, state.now).state
        stage = TRANSITION if state.in_transition else state.stage
        following = engine.advance(state, KEEP, 0, state.now + 1).state
        if pictures and pictures[-1][1:] == (state.aspects, stage):
            pictures[-1] = pictures[-1]._replace(duration=pictures[-1].duration + 1)
        else:
            pictures.append(Picture(1, state.aspects, stage))
        state = following
    return state, tuple(pictures)
