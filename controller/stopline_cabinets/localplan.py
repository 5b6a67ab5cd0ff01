"""What a cabinet runs when nobody asks it for anything: its fixed program, else a simple actuated cycle."""

from __future__ import annotations

from collections.abc import Sequence

from stopline_cabinets.words import stage_minimum
from stopline_signals.detectors import DetectorReading, near_calls_from
from stopline_signals.engine import Engine, EngineState

DWELL = 50
"""Tenths a stage of the actuated cycle stays in force beyond the longest minimum of its groups."""


class LocalPlan:
    """Chooses the stage the cabinet itself wants."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        plan = engine.plan
        self._members = tuple(sum(1 << group for group in stage.groups) for stage in plan.stages)
        self._maximum = tuple(
            max((plan.groups[group].max_green for group in stage.groups), default=0) for stage in plan.stages
        )
        self._minimum = tuple(stage_minimum(plan, stage) for stage in range(len(plan.stages)))

    def first(self, now: int) -> int:
        """The stage to start up with."""
        program = self._engine.plan.program
        return 0 if program is None else program.steps[program.step_at(now)].stage

    def request(self, state: EngineState, calls: int, readings: Sequence[DetectorReading]) -> int:
        """The stage wanted now."""
        if self._engine.plan.program is not None:
            return self._engine.program_request(state, calls)
        return self._actuated(state, calls, readings)

    def _actuated(self, state: EngineState, calls: int, readings: Sequence[DetectorReading]) -> int:
        """Keep the stage while its own traffic is near and its maximum not over, else the next called."""
        stage = state.stage
        elapsed = state.now - state.settled_at
        if elapsed < self._minimum[stage] + DWELL:
            return stage
        waiting = calls & ~self._members[stage]
        if not waiting:
            return stage
        still = near_calls_from(self._engine.plan, readings) & self._members[stage]
        if still and elapsed < self._maximum[stage]:
            return stage
        count = len(self._members)
        for step in range(1, count):
            other = (stage + step) % count
            if self._members[other] & waiting:
                return other
        return stage
