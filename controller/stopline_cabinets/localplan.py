"""What a cabinet runs when nobody asks it for stages: its fixed program, else actuated control."""

from __future__ import annotations

from collections.abc import Sequence

from stopline_cabinets.words import FREE_PATTERN, OWN_PATTERN
from stopline_signals.actuated import Actuated, ActuatedMemory
from stopline_signals.detectors import DetectorReading, near_calls_from
from stopline_signals.engine import Engine, EngineState

PROGRAM_PATTERN = 1
"""The plan's fixed program."""


class LocalPlan:
    """Chooses the stage the cabinet itself wants."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._actuated = Actuated(engine.plan)
        self._memory = ActuatedMemory()
        program = () if engine.plan.program is None else (PROGRAM_PATTERN,)
        self.patterns = (OWN_PATTERN, *program, FREE_PATTERN)
        """The patterns that can be selected; the first is the cabinet's own choice."""

    def first(self, now: int) -> int:
        """The stage to start up with."""
        program = self._engine.plan.program
        return 0 if program is None else program.steps[program.step_at(now)].stage

    def request(
        self,
        state: EngineState,
        calls: int,
        readings: Sequence[DetectorReading],
        pattern: int = OWN_PATTERN,
        closed: int = 0,
    ) -> int:
        """The stage wanted now under one of `patterns`; `closed` stages (mask) are not begun."""
        if self._engine.plan.program is not None and pattern != FREE_PATTERN:
            wanted = self._engine.program_request(state, calls)
            wanted = state.stage if closed >> wanted & 1 else wanted
        else:
            near = near_calls_from(self._engine.plan, readings)
            decision = self._actuated.decide(self._memory, state, calls, near, closed=closed)
            self._memory, wanted = decision.memory, decision.stage
        # Nobody rests in all red: with no call at all the first stage follows it.
        return self.first(state.now) if wanted == self._engine.all_red else wanted
