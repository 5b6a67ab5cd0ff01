"""Preemption: entry, track clearance, dwell, exit, with NTCIP's states and the plan's own clearances.

A preempt only ever asks for stages, so it cuts no yellow, no red and no pedestrian clearance, and ends no
green or walk before its minimum. A plan's `enter_yellow` and `enter_red` are data for the cabinet that
verify() judges; they shorten nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from stopline_signals.engine import EngineState
from stopline_signals.plan import Preempt, SignalPlan


class PreemptStatus(IntEnum):
    """NTCIP 1202 preemptState."""

    NOT_ACTIVE = 2
    NOT_ACTIVE_WITH_CALL = 3
    ENTRY_STARTED = 4
    TRACK_SERVICE = 5
    DWELL = 6
    EXIT_STARTED = 8
    MAX_PRESENCE = 9


class PreemptMemory(NamedTuple):
    """One entry per preempt of the plan: status, when it began, and when the call began (tenths)."""

    status: tuple[PreemptStatus, ...]
    since: tuple[int, ...]
    called_since: tuple[int, ...]


class PreemptDecision(NamedTuple):
    """The stage a preempt asks for (None: no preempt has a say), and which one asks."""

    memory: PreemptMemory
    stage: int | None
    active: int | None


class PreemptControl:
    """Runs the preempts of one plan; pure, the memory goes in and comes out."""

    def __init__(self, plan: SignalPlan) -> None:
        """Rank the plan's preempts: rail first, then the lower number, then plan order."""
        self._preempts = plan.preempts
        self._stages = plan.stages
        ranked = range(len(plan.preempts))
        self._ranked = sorted(ranked, key=lambda i: (not plan.preempts[i].rail, plan.preempts[i].priority, i))

    def start(self, now: int) -> PreemptMemory:
        """No preempt active."""
        count = len(self._preempts)
        return PreemptMemory((PreemptStatus.NOT_ACTIVE,) * count, (now,) * count, (-1,) * count)

    def decide(
        self, memory: PreemptMemory, state: EngineState, inputs: int, *, held: bool = False
    ) -> PreemptDecision:
        """Follow the inputs (bit mask of preempts called) and say which stage is asked for now.

        While `held`, by the panel or by flash, every call waits. What had begun begins anew afterwards: a
        track that somebody let traffic onto meanwhile is cleared again.
        """
        status, since = list(memory.status), list(memory.since)
        called = [
            (since_call if since_call >= 0 else state.now) if inputs >> index & 1 else -1
            for index, since_call in enumerate(memory.called_since)
        ]
        active = None if held else self._active(status, called, state.now)
        for index, preempt in enumerate(self._preempts):
            following = self._following(
                index, preempt, status[index], since[index], called[index], state, active
            )
            if following is not status[index]:
                status[index], since[index] = following, state.now
        memory = PreemptMemory(tuple(status), tuple(since), tuple(called))
        return PreemptDecision(memory, self._stage(active, status, state), active)

    def _active(self, status: Sequence[PreemptStatus], called: Sequence[int], now: int) -> int | None:
        """The preempt in charge: the highest-ranked one that is called and due, or still has to run on."""
        for index in self._ranked:
            running = status[index] in (PreemptStatus.TRACK_SERVICE, PreemptStatus.DWELL)
            due = called[index] >= 0 and now - called[index] >= self._preempts[index].delay
            if status[index] is not PreemptStatus.MAX_PRESENCE and (due or running):
                return index
        exiting = [index for index in self._ranked if status[index] is PreemptStatus.EXIT_STARTED]
        return exiting[0] if exiting else None

    def _following(
        self,
        index: int,
        preempt: Preempt,
        status: PreemptStatus,
        since: int,
        called: int,
        state: EngineState,
        active: int | None,
    ) -> PreemptStatus:
        if status is PreemptStatus.MAX_PRESENCE:
            return PreemptStatus.NOT_ACTIVE if called < 0 else status
        if active != index:
            return PreemptStatus.NOT_ACTIVE if called < 0 else PreemptStatus.NOT_ACTIVE_WITH_CALL
        in_stage = not state.in_transition
        if status in (PreemptStatus.NOT_ACTIVE, PreemptStatus.NOT_ACTIVE_WITH_CALL):
            return PreemptStatus.ENTRY_STARTED
        if status is PreemptStatus.ENTRY_STARTED:
            return self._entered(preempt, called, state)
        if status is PreemptStatus.TRACK_SERVICE and in_stage and state.stage == preempt.dwell:
            return PreemptStatus.DWELL
        if status is PreemptStatus.DWELL:
            return _after_dwell(preempt, state.now - since, called, state.now)
        if status is PreemptStatus.EXIT_STARTED and in_stage and state.stage != preempt.dwell:
            return PreemptStatus.NOT_ACTIVE
        return status

    def _entered(self, preempt: Preempt, called: int, state: EngineState) -> PreemptStatus:
        first = preempt.dwell if preempt.track_clear is None else preempt.track_clear
        if called < 0:
            return PreemptStatus.EXIT_STARTED
        if state.in_transition or state.stage != first:
            return PreemptStatus.ENTRY_STARTED
        return PreemptStatus.DWELL if preempt.track_clear is None else PreemptStatus.TRACK_SERVICE

    def _stage(self, active: int | None, status: Sequence[PreemptStatus], state: EngineState) -> int | None:
        if active is None:
            return None
        preempt = self._preempts[active]
        if status[active] is PreemptStatus.ENTRY_STARTED and preempt.track_clear is not None:
            return preempt.track_clear
        if status[active] is PreemptStatus.EXIT_STARTED:
            return self._exit_stage(preempt, state)
        return preempt.dwell if status[active] is not PreemptStatus.NOT_ACTIVE else None

    def _exit_stage(self, preempt: Preempt, state: EngineState) -> int:
        """The exit stage whose groups have waited longest; side-street debt is paid first."""
        candidates = preempt.exit_stages or tuple(s for s in range(len(self._stages)) if s != preempt.dwell)
        return max(candidates, key=lambda stage: (self._debt(stage, state), -stage), default=preempt.dwell)

    def _debt(self, stage: int, state: EngineState) -> int:
        waiting = [state.waiting_since[group] for group in self._stages[stage].groups]
        return max((state.now - since for since in waiting if since >= 0), default=0)


def _after_dwell(preempt: Preempt, lasted: int, called: int, now: int) -> PreemptStatus:
    if preempt.max_presence and called >= 0 and now - called >= preempt.max_presence:
        return PreemptStatus.MAX_PRESENCE
    if called < 0 and lasted >= preempt.min_duration:
        return PreemptStatus.EXIT_STARTED
    return PreemptStatus.DWELL
