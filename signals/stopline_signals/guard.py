"""The guard: the last word on every request before it reaches the engine or a cabinet.

It lets a request pass untouched when it is legal, and changes as little as possible when it is not.
Starvation is a rule here: a group whose call has waited close to its max red is served first.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from stopline_signals.engine import KEEP, Engine, EngineState
from stopline_signals.plan import SignalPlan
from stopline_signals.transition import PERMISSIVE


class Reason(StrEnum):
    """Why a request was not granted as asked."""

    UNKNOWN_STAGE = "unknown stage"
    IN_TRANSITION = "transition running"
    MINIMUM = "minimum green or walk not over"
    MAX_RED = "another group has waited too long"
    WITHHELD = "an operator omits the stage or holds another"


class Verdict(NamedTuple):
    """The stage to ask for, and why it is not the one requested (None: it is)."""

    stage: int
    reason: Reason | None


class Guard:
    """Judges requests for one engine."""

    def __init__(self, engine: Engine) -> None:
        """Bind to the junction's engine."""
        self._engine = engine
        self._count = len(engine.plan.stages)
        self._stages = (1 << self._count) - 1
        self._granted = tuple(Verdict(stage, None) for stage in range(self._count + 1))

    def allowed(self, state: EngineState, grace: int = 0) -> int:
        """Bit mask of the stages a source may choose now, all red left out.

        `grace` (tenths) is how much longer than its max red this source may keep a call waiting: nothing for
        a policy, some time for an emergency vehicle or an operator. Empty only while all red is in force and
        may not be left yet.
        """
        if state.now < state.settled_at:
            return 1 << state.stage & self._stages
        if self._engine.at_ease(state, grace):
            return self._stages
        legal = self._engine.legal(state) & self._stages
        overdue = self._engine.most_overdue(state, grace)
        if overdue is None:
            return legal
        # Nothing that serves it is legal yet: stay, so that it becomes legal as soon as it can.
        return legal & self._engine.serving(overdue) or (1 << state.stage & self._stages)

    def decide(self, state: EngineState, request: int, grace: int = 0) -> Verdict:
        """Grant the request, or replace it by the nearest legal stage with the reason; `grace` as above."""
        asked = state.stage if request == KEEP else request
        if asked == state.stage < self._count and (
            state.now < state.settled_at or self._engine.most_overdue(state, grace) is None
        ):
            return self._granted[asked]  # what is in force may stay, and nobody waits too long for it
        allowed = self.allowed(state, grace)
        if asked == self._engine.all_red:
            allowed |= self._engine.legal(state) & ~self._stages
        if asked >= 0 and allowed >> asked & 1:
            return self._granted[asked]
        return Verdict(self._nearest(state, allowed), self._reason(state, asked))

    def _nearest(self, state: EngineState, allowed: int) -> int:
        if allowed >> state.stage & 1 or not allowed:
            return state.stage
        plan = self._engine.plan
        candidates = [stage for stage in range(len(plan.stages)) if allowed >> stage & 1]
        return min(candidates, key=lambda stage: (_groups_changed(plan, state, stage), stage))

    def _reason(self, state: EngineState, asked: int) -> Reason:
        if not 0 <= asked <= self._engine.all_red:
            return Reason.UNKNOWN_STAGE
        if state.now < state.settled_at:
            return Reason.IN_TRANSITION
        return Reason.MAX_RED if self._engine.legal(state) >> asked & 1 else Reason.MINIMUM


def _groups_changed(plan: SignalPlan, state: EngineState, stage: int) -> int:
    shown = [aspect >= PERMISSIVE for aspect in state.aspects]
    wanted = plan.stages[stage].groups
    return sum(green != (group in wanted) for group, green in enumerate(shown))
