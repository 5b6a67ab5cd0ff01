"""Actuated control: what a cabinet runs by itself, and the rule a policy has to beat.

Stages follow a fixed order and uncalled ones are skipped. A stage ends by gap-out (every group that would end
has gone its passage time without a vehicle near), by max-out (its maximum has run since another stage called)
or by force-off. With nobody else calling the green rests where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from stopline_signals.engine import EngineState
from stopline_signals.plan import GroupKind, Recall, SignalPlan

MAX_GREEN_FACTOR = 1.5
"""Maximum green as a multiple of the installed split; the usual field rule is 1.25 to 1.5."""

NOT_OPPOSED = -1


class Termination(IntEnum):
    """Why a green ended; the values are the Indiana event codes."""

    GAP_OUT = 4
    MAX_OUT = 5
    FORCE_OFF = 6


class ActuatedMemory(NamedTuple):
    """What actuated control remembers between two decisions; times in tenths."""

    stage: int = -1
    seen: tuple[int, ...] = ()
    opposed_since: int = NOT_OPPOSED


class ActuatedDecision(NamedTuple):
    """The stage asked for, and why the one in force ends (None: it does not)."""

    memory: ActuatedMemory
    stage: int
    termination: Termination | None


class Actuated:
    """Actuated control of one junction; pure, the memory goes in and comes out."""

    def __init__(
        self, plan: SignalPlan, *, passage: int | None = None, max_green_factor: float = MAX_GREEN_FACTOR
    ) -> None:
        """Take stage order and maxima from the fixed program if there is one, else from the groups.

        `passage` (tenths) replaces the groups' own, for sensors that hold the call longer than a loop does.
        """
        self._order, splits = _order_and_splits(plan)
        self._maximum = {s: round(t * max_green_factor) for s, t in zip(self._order, splits, strict=True)}
        self._members = (*(_mask(stage.groups) for stage in plan.stages), 0)
        self._passage = tuple(group.passage if passage is None else passage for group in plan.groups)
        self._extending = tuple(group.kind is not GroupKind.PEDESTRIAN for group in plan.groups)
        self._recalled = _mask(_recalled(plan, Recall.MIN, Recall.MAX, Recall.PED))
        self._resting = _mask(_recalled(plan, Recall.SOFT))
        self._to_maximum = _mask(_recalled(plan, Recall.MAX))

    def decide(
        self,
        memory: ActuatedMemory,
        state: EngineState,
        calls: int,
        near: int,
        force_off: int = 0,
        closed: int = 0,
    ) -> ActuatedDecision:
        """Keep the stage in force or ask for the next called one.

        `calls`, `near` (groups with a vehicle in the extension zone) and `force_off` are bit masks of groups,
        `closed` is one of stages that are not to be begun.
        """
        memory = self._look(memory, state, near)
        if state.now < state.settled_at:
            return ActuatedDecision(memory, state.stage, None)
        following = self._next_called(state.stage, calls | self._recalled, closed)
        if following is None and not calls & self._members[state.stage]:
            following = self._next_called(state.stage, self._resting, closed)
        if following is None:
            return ActuatedDecision(memory._replace(opposed_since=NOT_OPPOSED), state.stage, None)
        if memory.opposed_since == NOT_OPPOSED:
            memory = memory._replace(opposed_since=state.now)
        termination = self._termination(memory, state, following, force_off)
        return ActuatedDecision(memory, state.stage if termination is None else following, termination)

    def _look(self, memory: ActuatedMemory, state: EngineState, near: int) -> ActuatedMemory:
        """Note when each group was last seen to have traffic; a new stage starts afresh."""
        now = state.now
        if memory.stage != state.stage or now < state.settled_at or len(memory.seen) != len(state.aspects):
            return ActuatedMemory(state.stage, (now,) * len(state.aspects))
        if not near:
            return memory
        seen = tuple(now if near >> group & 1 else last for group, last in enumerate(memory.seen))
        return memory._replace(seen=seen)

    def _next_called(self, stage: int, calls: int, closed: int) -> int | None:
        """The next stage of the order that serves a call which the stage in force does not."""
        waiting = calls & ~self._members[stage]
        if not waiting:
            return None
        start = self._order.index(stage) + 1 if stage in self._order else 0
        for other in (*self._order[start:], *self._order[:start]):
            if other != stage and self._members[other] & waiting and not closed >> other & 1:
                return other
        return None

    def _termination(
        self, memory: ActuatedMemory, state: EngineState, following: int, force_off: int
    ) -> Termination | None:
        ending = self._members[state.stage] & ~self._members[following]
        if force_off & ending:
            return Termination.FORCE_OFF
        opposed = state.now - memory.opposed_since
        if opposed >= self._maximum.get(state.stage, 0):
            return Termination.MAX_OUT
        if not ending & self._to_maximum and self._all_gapped_out(memory, state.now, ending):
            return Termination.GAP_OUT
        return None

    def _all_gapped_out(self, memory: ActuatedMemory, now: int, ending: int) -> bool:
        return all(
            now - last >= self._passage[group]
            for group, last in enumerate(memory.seen)
            if ending >> group & 1 and self._extending[group]
        )


def _order_and_splits(plan: SignalPlan) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Stage order and split (tenths) of each; without a program all stages at their groups' max green."""
    if plan.program is None:
        splits = (min((plan.groups[g].max_green for g in stage.groups), default=0) for stage in plan.stages)
        return tuple(range(len(plan.stages))), tuple(splits)
    steps = plan.program.steps
    ends = [*(step.green_at for step in steps[1:]), steps[0].green_at + plan.program.cycle]
    longest: dict[int, int] = {}
    for step, end in zip(steps, ends, strict=True):
        longest[step.stage] = max(longest.get(step.stage, 0), end - step.green_at)
    return tuple(longest), tuple(longest.values())


def _recalled(plan: SignalPlan, *kinds: Recall) -> list[int]:
    return [index for index, group in enumerate(plan.groups) if group.recall in kinds]


def _mask(groups: Sequence[int]) -> int:
    return sum(1 << group for group in groups)
