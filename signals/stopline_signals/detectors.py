"""Detector readings: the only thing a policy ever learns about traffic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stopline_signals.plan import DetectorKind, SignalPlan

QUEUED_BELOW_MPS = 1.4
"""A vehicle in a zone counts as queued below this speed (5 km/h, the usual radar setting)."""


class DetectorReading(NamedTuple):
    """What one sensor reports now, in the order of `plan.detectors`.

    Zones: vehicles inside and, of those, queued ones. Buttons: `vehicles` is 1 while a call is latched.
    """

    vehicles: int = 0
    queued: int = 0
    healthy: bool = True


NOTHING = DetectorReading()


def calls_from(plan: SignalPlan, readings: Sequence[DetectorReading]) -> int:
    """Bit mask of the groups with demand; an unhealthy sensor calls all the time (recall)."""
    calls = 0
    for detector, reading in zip(plan.detectors, readings, strict=True):
        if reading.vehicles > 0 or not reading.healthy:
            calls |= 1 << detector.group
    return calls


def near_calls_from(plan: SignalPlan, readings: Sequence[DetectorReading]) -> int:
    """Like calls_from, but far zones do not call: what an actuated controller extends on."""
    calls = 0
    for detector, reading in zip(plan.detectors, readings, strict=True):
        if (reading.vehicles > 0 or not reading.healthy) and detector.kind is not DetectorKind.FAR_ZONE:
            calls |= 1 << detector.group
    return calls


def groups_without_sensor(plan: SignalPlan) -> int:
    """Bit mask of the groups nothing watches; they are on recall."""
    watched = 0
    for detector in plan.detectors:
        watched |= 1 << detector.group
    return ~watched & ((1 << len(plan.groups)) - 1)
