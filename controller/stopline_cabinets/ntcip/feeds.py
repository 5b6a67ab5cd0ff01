"""Detector states, volumes and pedestrian calls of a cabinet as the readings a plan's detectors give.

NTCIP knows detector inputs that are on or off, not vehicles in zones. A zone is therefore fed by several
inputs: `presence` ones, each worth `scale` vehicles while it is on, and `queue` ones, on while that many
vehicles stand. A zone with loops only has presence inputs; one that stays on counts as a standing vehicle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stopline_cabinets.ntcip.groups import GroupMap
from stopline_cabinets.ntcip.masks import numbers_in
from stopline_signals.detectors import DetectorReading
from stopline_signals.errors import PlanError
from stopline_signals.plan import DetectorKind, SignalPlan

STANDING = 30
"""Tenths a loop is on until what is on it counts as standing: 7 m of vehicle and loop at 1.4 m/s take 50."""
FULL = 190
"""Occupancy (0.5 %) of a whole period from which on a loop counts as stood on."""
FAULTS = range(210, 218)
"""Occupancy values that name a detector's fault instead."""
OUTPUTS = 128
"""Detector inputs `sensor_feeds` hands out to zones, half of them for queues."""


class Volume(NamedTuple):
    """One detector in the last completed period: vehicles, and occupancy in 0.5 % or a fault code."""

    vehicles: int
    occupancy: int


@dataclass(frozen=True, slots=True)
class Feed:
    """The vehicle detector numbers behind one zone."""

    presence: tuple[int, ...]
    queue: tuple[int, ...] = ()
    scale: float = 1.0


class Detections(NamedTuple):
    """What was read: masks of vehicle detectors on and in alarm, phases with pedestrian calls, volumes."""

    active: int = 0
    alarms: int = 0
    ped_calls: int = 0
    volumes: Mapping[int, Volume] = {}


def default_feeds(plan: SignalPlan) -> dict[str, Feed]:
    """Vehicle detector n is the plan's n-th zone: what a cabinet has when nobody says otherwise."""
    return {name: Feed((number,)) for number, (name, _) in enumerate(_zones(plan), start=1)}


def sensor_feeds(plan: SignalPlan) -> dict[str, Feed]:
    """Zone sensors that count: behind the zones' own detectors, zone by zone, presence then queue inputs.

    A zone has as many of each as vehicles fit, fewer where that were more than `OUTPUTS` in all.
    """
    zones = _zones(plan)
    share = max(1, OUTPUTS // (2 * max(len(zones), 1)))
    feeds: dict[str, Feed] = {}
    number = len(zones) + 1
    for name, capacity in zones:
        count = min(share, max(1, math.ceil(capacity)))
        presence = tuple(range(number, number + count))
        queue = tuple(range(number + count, number + 2 * count))
        feeds[name] = Feed(presence, queue, max(1.0, capacity / count))
        number += 2 * count
    return feeds


def inputs_on(feed: Feed, reading: DetectorReading) -> set[int]:
    """The inputs a zone sensor switches on for a reading: the other direction of `Feeds.readings`."""
    present = math.ceil(reading.vehicles / feed.scale)
    standing = math.ceil(reading.queued / feed.scale)
    return {*feed.presence[:present], *feed.queue[:standing]}


def _zones(plan: SignalPlan) -> list[tuple[str, float]]:
    """Name and capacity (vehicles) of the plan's zones."""
    return [(d.name, d.capacity) for d in plan.detectors if d.kind is not DetectorKind.BUTTON]


class Feeds:
    """Turns detections into readings, in the order of the plan's detectors.

    Raises:
        PlanError: a name that is no zone of the plan, or a zone without a feed.
    """

    def __init__(self, groups: GroupMap, feeds: Mapping[str, Feed] | None = None) -> None:
        plan = groups.plan
        self._feeds = default_feeds(plan) if feeds is None else dict(feeds)
        zones = {detector.name for detector in plan.detectors if detector.kind is not DetectorKind.BUTTON}
        if strays := sorted(set(self._feeds) ^ zones):
            raise PlanError(
                f"junction {plan.junction}: detector {strays[0]} is a zone of the plan or of the cabinet's "
                "detectors, but not of both; name every zone once"
            )
        self._plan = plan
        self._phase_of = groups.phase_of
        self._on_since: dict[int, int] = {}
        self.highest = max((max(feed.presence + feed.queue) for feed in self._feeds.values()), default=0)
        """Highest detector number needed."""

    @property
    def loops(self) -> Sequence[int]:
        """Detectors whose volume and occupancy matter: presence inputs of zones without queue ones."""
        plain = [feed for feed in self._feeds.values() if not feed.queue]
        return sorted({number for feed in plain for number in feed.presence})

    def readings(self, now: int, seen: Detections) -> tuple[DetectorReading, ...]:
        """The readings at `now` (tenths, cabinet time)."""
        on = set(numbers_in(seen.active))
        self._on_since = {number: self._on_since.get(number, now) for number in on}
        return tuple(
            self._button(detector.group, seen)
            if detector.kind is DetectorKind.BUTTON
            else self._zone(self._feeds[detector.name], on, now, seen)
            for detector in self._plan.detectors
        )

    def _button(self, group: int, seen: Detections) -> DetectorReading:
        return DetectorReading(seen.ped_calls >> self._phase_of[group] - 1 & 1)

    def _zone(self, feed: Feed, on: set[int], now: int, seen: Detections) -> DetectorReading:
        present = [number for number in feed.presence if number in on]
        if feed.queue:
            standing = sum(number in on for number in feed.queue)
        else:
            standing = sum(self._stands(number, now, seen) for number in present)
        vehicles = round(len(present) * feed.scale)
        healthy = not any(self._faulty(number, seen) for number in (*feed.presence, *feed.queue))
        return DetectorReading(vehicles, min(round(standing * feed.scale), vehicles), healthy)

    def _stands(self, number: int, now: int, seen: Detections) -> bool:
        volume = seen.volumes.get(number)
        full = volume is not None and FULL <= volume.occupancy < FAULTS.start
        return full or now - self._on_since.get(number, now) >= STANDING

    def _faulty(self, number: int, seen: Detections) -> bool:
        volume = seen.volumes.get(number)
        return bool(seen.alarms >> number - 1 & 1) or (volume is not None and volume.occupancy in FAULTS)
