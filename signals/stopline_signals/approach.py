"""When a vehicle's green has to be asked for so that it is there, queue gone, when the vehicle is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stopline_signals.detectors import DetectorReading
from stopline_signals.engine import NOT_WAITING, Engine, EngineState
from stopline_signals.plan import Aspect, DetectorKind, GroupKind, SignalPlan

START_UP_S = 2.0
"""Lost time before a standing queue moves, seconds."""
HEADWAY_S = 2.0
"""Seconds per queued vehicle and lane."""


FULL = 0.6
"""Share of the far zone's room that standing vehicles fill when the queue reaches beyond it."""
UNSEEN = 1.0
"""Queue expected beyond a full far zone, in far zones."""


class Now(NamedTuple):
    """A junction at one moment, as far as priority needs it."""

    engine: Engine
    state: EngineState
    readings: tuple[DetectorReading, ...]


class Need(NamedTuple):
    """The stage that serves a group best from here, and the seconds before arrival at which to ask for it."""

    stage: int
    lead_s: float


def need(now: Now, group: int, *, margin_s: float, wanted: int | None = None) -> Need:
    """Stage and lead for a vehicle in `group`, from the lamps as they are.

    That nobody begins meanwhile what would make the way longer is for `closing` to see to. `wanted` is a
    stage that is preferred when it serves the group as well.
    """
    stage = serving_stage(now, group, wanted)
    way = way_tenths(now, stage)
    return Need(stage, queue_s(now.engine.plan, now.readings, group) + margin_s + way / 10)


def closing(now: Now, group: int, *, left_s: float, margin_s: float) -> int:
    """Mask of the stages that must not begin now, or the group would not be green in time.

    `left_s` is the time to the vehicle's arrival. The stage in force, and those that serve the group, stay
    open.
    """
    engine, present = now.engine, now.state.stage
    time = 10 * (left_s - margin_s - queue_s(engine.plan, now.readings, group))
    stage = serving_stage(now, group)
    closed = 0
    for other in range(len(engine.plan.stages)):
        serves = engine.plan.stages[other].aspect(group) is not Aspect.RED
        if other != present and not serves and _detour_tenths(now, other, stage) > time:
            closed |= 1 << other
    return closed


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


def relieving_stage(now: Now, group: int) -> int | None:
    """The stage that lets the longest queue beside the group go, on its approach and red now; None if none.

    Vehicles that wait for another movement may stand in the way of one that has its green.
    """
    plan, aspects = now.engine.plan, now.state.aspects
    beside = [
        other
        for other, found in enumerate(plan.groups)
        if other != group
        and found.approach == plan.groups[group].approach
        and found.kind is not GroupKind.PEDESTRIAN
        and aspects[other] != Aspect.GREEN
        and plan.stages_serving(other)
    ]
    longest = max(beside, key=lambda other: queue_s(plan, now.readings, other), default=None)
    if longest is None or not queue_s(plan, now.readings, longest):
        return None
    stage = serving_stage(now, longest)
    return stage if plan.stages[stage].aspect(longest) > aspects[longest] else None


def way_tenths(now: Now, stage: int) -> int:
    """Tenths from now until the stage is green if nothing else is asked for."""
    engine, state = now.engine, now.state
    if stage == state.stage:
        return max(state.settled_at - state.now, 0)
    wait = engine.earliest(state, stage) - state.now
    # From the lamps as they are: a walk that has not begun costs nothing.
    return wait + engine.transition_time(state, stage)


def queue_s(plan: SignalPlan, readings: Sequence[DetectorReading], group: int) -> float:
    """Seconds until the vehicles now queued in front of the group's stop line are gone."""
    queued = 0.0
    for detector, reading in zip(plan.detectors, readings, strict=True):
        if detector.group != group or detector.kind is DetectorKind.BUTTON or not reading.healthy:
            continue
        queued += reading.queued
        if detector.kind is DetectorKind.FAR_ZONE and reading.queued >= FULL * detector.capacity > 0:
            # The queue goes on beyond what is seen.
            queued += UNSEEN * detector.capacity
    return START_UP_S + HEADWAY_S * queued / max(plan.groups[group].lanes, 1.0) if queued else 0.0


def _detour_tenths(now: Now, other: int, stage: int) -> int:
    """Tenths until the stage is green, if another begins now and is left again as soon as it may be."""
    engine, state = now.engine, now.state
    groups = engine.plan.groups
    members = engine.plan.stages[other].groups
    walking = any(groups[g].on_demand and state.waiting_since[g] != NOT_WAITING for g in members)
    way = engine.worst_transition if walking else engine.typical_transition
    minimum = max((groups[g].minimum for g in members if walking or not groups[g].on_demand), default=0)
    return way(state.stage, other) + minimum + way(other, stage)
