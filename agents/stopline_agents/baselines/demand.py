"""What the rules read from detectors: vehicles per signal group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stopline_policy.seam import JunctionView, allowed_stages
from stopline_signals.detectors import DetectorReading
from stopline_signals.plan import Aspect, DetectorKind, GroupKind, SignalPlan

UNKNOWN_VEHICLES = 1
"""Vehicles assumed behind an unhealthy sensor: enough for a call, too few to win against a queue."""


class GroupDemand(NamedTuple):
    """Traffic in front of one signal group, as its sensors see it."""

    near: int = 0
    far: int = 0
    queued: int = 0
    calling: int = 0
    """Pedestrians: 1 while a call is latched."""

    @property
    def total(self) -> int:
        """Everything that waits or comes: vehicles of both zones and a pedestrian call."""
        return self.near + self.far + self.calling


def demand_of(plan: SignalPlan, readings: Sequence[DetectorReading]) -> list[GroupDemand]:
    """Demand per signal group, in the order of the plan's groups."""
    near = [0] * len(plan.groups)
    far, queued, calling = near.copy(), near.copy(), near.copy()
    for detector, reading in zip(plan.detectors, readings, strict=True):
        count = reading.vehicles if reading.healthy else UNKNOWN_VEHICLES
        if detector.kind is DetectorKind.BUTTON:
            calling[detector.group] += count
            continue
        zone = near if detector.kind is DetectorKind.NEAR_ZONE else far
        zone[detector.group] += count
        queued[detector.group] += reading.queued if reading.healthy else UNKNOWN_VEHICLES
    return [GroupDemand(*row) for row in zip(near, far, queued, calling, strict=True)]


def served(plan: SignalPlan, stage: int) -> Iterator[tuple[int, Aspect]]:
    """Groups of a stage with the green they get."""
    chosen = plan.stages[stage]
    for group in chosen.protected:
        yield group, Aspect.GREEN
    for group in chosen.permissive:
        yield group, Aspect.PERMISSIVE


def is_pedestrian(plan: SignalPlan, group: int) -> bool:
    """Whether the group is a crossing."""
    return plan.groups[group].kind is GroupKind.PEDESTRIAN


def best_allowed(view: JunctionView, scores: Sequence[float]) -> int:
    """The allowed stage with the highest score; the one in force wins ties."""
    current = view.state.stage
    return max(allowed_stages(view.allowed), key=lambda stage: (scores[stage], stage == current))


def asked_or_kept(view: JunctionView, stage: int) -> int:
    """The stage where it is allowed, else the one in force, else one that the guard insists on."""
    for choice in (stage, view.state.stage):
        if view.allowed >> choice & 1:
            return choice
    return allowed_stages(view.allowed)[0]
