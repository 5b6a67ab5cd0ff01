"""The network's own program as a fixed program over the derived stages."""

from __future__ import annotations

from stopline_envs.plans.net import Program
from stopline_envs.plans.staging import Staging
from stopline_signals.plan import FixedProgram, ProgramStep
from stopline_signals.timing import tenths


def fixed_program(program: Program, staging: Staging) -> FixedProgram | None:
    """Cycle, offset and green starts kept; longer clearances then come out of the green before them.

    A phase that was split gives its time in equal parts to its stages. None when the cycle has no length.
    """
    cycle = tenths(program.cycle)
    if cycle <= 0:
        return None
    steps: list[ProgramStep] = []
    begin = 0.0
    for phase, stages in zip(program.phases, staging.of_phase, strict=True):
        for part, stage in enumerate(stages if phase.duration > 0 else ()):
            green_at = round((begin + phase.duration * part / len(stages)) * 10)
            if not steps or steps[-1].stage != stage:
                steps.append(ProgramStep(stage, green_at))
        begin += phase.duration
    if len(steps) > 1 and steps[0].stage == steps[-1].stage and steps[0].green_at == 0:
        steps = steps[1:]  # the last step runs on over the end of the cycle
    return FixedProgram(cycle=cycle, offset=tenths(program.offset), steps=tuple(steps))
