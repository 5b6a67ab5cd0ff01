"""When a vehicle's green has to be asked for so that it is there, queue gone, when the vehicle is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stopline_signals.detectors import DetectorReading
from stopline_signals.engine import Engine, EngineState
from stopline_signals.plan import Aspect, DetectorKind, SignalPlan

START_UP_S = 2.0
"""Lost time before a standing queue moves, seconds."""
HEADWAY_S = 2.0
"""Seconds per queued vehicle and lane."""


class Now(NamedTuple):
    """A junction at one moment, as far as priority needs it."""

    engine: Engine
    state: EngineState
    readings: tuple[DetectorReading, ...]


class Need(NamedTuple):
    """The stage that serves a group best from here, and the seconds before arrival at which to ask for it."""

    stage: int
    lead_s: float


def need(now: Now, group: int, *, margin_s: float, guarded: bool, wanted: int | None = None) -> Need:
    """Stage and lead for a vehicle in `group`.

    With `guarded` the lead covers the worst case: that another stage begins at this very moment and has to be
    left again at once. `wanted` is a stage that is preferred when it serves the group as well.
    """
    stage = serving_stage(now, group, wanted)
    way = _way_tenths(now, stage)
    if guarded:
        way = max(way, _detour_tenths(now.engine, now.state.stage, stage, group))
    return Need(stage, queue_s(now.engine.plan, now.readings, group) + margin_s + way / 10)


def serving_stage(now: Now, group: int, wanted: int | None = None) -> int:
    """The stage to ask for: protected before permissive; then wanted, present, quickest."""
    plan, present = now.engine.plan, now.state.stage
    serving = plan.stages_serving(group)
    protected = [stage for stage in serving if plan.stages[stage].aspect(group) is Aspect.GREEN]
    candidates = protected or list(serving)
    for preferred in (wanted, present):
        if preferred is not None and preferred in candidates:
            return preferred
    return min(candidates, key=lambda stage: (now.engine.worst_transition(present, stage), stage))


def queue_s(plan: SignalPlan, readings: Sequence[DetectorReading], group: int) -> float:
    """Seconds until the vehicles now queued in front of the group's stop line are gone."""
    queued = sum(
        reading.queued
        for detector, reading in zip(plan.detectors, readings, strict=True)
        if detector.group == group and detector.kind is not DetectorKind.BUTTON and reading.healthy
    )
    return START_UP_S + HEADWAY_S * queued / max(plan.groups[group].lanes, 1.0) if queued else 0.0


def _way_tenths(now: Now, stage: int) -> int:
    """Tenths from now until the stage is green if nothing else is asked for."""
    engine, state = now.engine, now.state
    if stage == state.stage:
        return max(state.settled_at - state.now, 0)
    wait = engine.earliest(state, stage) - state.now
    return wait + engine.worst_transition(state.stage, stage)


def _detour_tenths(engine: Engine, present: int, stage: int, group: int) -> int:
    """Tenths for the longest way to the stage over one other stage that does not serve the group."""
    plan = engine.plan
    ways = [
        engine.worst_transition(present, other)
        + max((plan.groups[member].minimum for member in plan.stages[other].groups), default=0)
        + engine.worst_transition(other, stage)
        for other in range(len(plan.stages))
        if other != present and plan.stages[other].aspect(group) is Aspect.RED
    ]
    return max(ways, default=0)
