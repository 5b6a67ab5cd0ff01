"""What a cabinet runs when nobody asks it for anything: its fixed program, else actuated control."""

from __future__ import annotations

from collections.abc import Sequence

from stopline_signals.actuated import Actuated, ActuatedMemory
from stopline_signals.detectors import DetectorReading, near_calls_from
from stopline_signals.engine import Engine, EngineState


class LocalPlan:
    """Chooses the stage the cabinet itself wants."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._actuated = Actuated(engine.plan)
        self._memory = ActuatedMemory()

    def first(self, now: int) -> int:
        """The stage to start up with."""
        program = self._engine.plan.program
        return 0 if program is None else program.steps[program.step_at(now)].stage

    def request(self, state: EngineState, calls: int, readings: Sequence[DetectorReading]) -> int:
        """The stage wanted now."""
        if self._engine.plan.program is not None:
            return self._engine.program_request(state, calls)
        near = near_calls_from(self._engine.plan, readings)
        decision = self._actuated.decide(self._memory, state, calls, near)
        self._memory = decision.memory
        return decision.stage
