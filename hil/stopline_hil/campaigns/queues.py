"""What a junction's detectors say and how they fail, and a synthetic street: queues that come and go."""

from __future__ import annotations

import random
from collections.abc import Sequence

from stopline_signals.detectors import DetectorReading
from stopline_signals.plan import Aspect, DetectorKind, GroupKind, SignalPlan

ARRIVALS = 0.09
"""Vehicles a second and lane."""
PRESSES = 0.02
"""Pedestrians a second and crossing."""
DISCHARGE = 0.5
"""Vehicles a second and lane at green."""


class StreetSensors:
    """A junction's detectors, which can fail; `advance` by whole tenths, then read."""

    def __init__(self, plan: SignalPlan) -> None:
        self.stuck = False
        """Every zone is full for ever."""
        self.flooding = False
        """Every zone counts and clears within a second, again and again."""
        self.failed: frozenset[int] = frozenset()
        """Detectors (numbers) that say they are broken."""
        self._plan = plan
        self._time = 0

    def advance(self, tenths: int, aspects: tuple[int, ...]) -> None:
        """Let time pass while the groups show this."""
        self._time += tenths

    def readings(self) -> tuple[DetectorReading, ...]:
        """What the detectors say."""
        return tuple(self._reading(number) for number in range(len(self._plan.detectors)))

    def _reading(self, number: int) -> DetectorReading:
        if number in self.failed:
            return DetectorReading(healthy=False)
        full = int(self._plan.detectors[number].capacity) or 1
        if self.stuck:
            return DetectorReading(full, full)
        if self.flooding:
            on = self._time // 5 % 2
            return DetectorReading(full * on, 0)
        return self._true(number)

    def _true(self, number: int) -> DetectorReading:
        return DetectorReading()


class Watched(StreetSensors):
    """Detectors of a street that somebody else runs and tells what they see."""

    def __init__(self, plan: SignalPlan) -> None:
        super().__init__(plan)
        self._seen: Sequence[DetectorReading] = (DetectorReading(),) * len(plan.detectors)

    def see(self, readings: Sequence[DetectorReading]) -> None:
        """What is there, aligned with the plan's detectors."""
        self._seen = readings

    def _true(self, number: int) -> DetectorReading:
        return self._seen[number]


class Queues(StreetSensors):
    """A synthetic street: one queue for each group."""

    def __init__(self, plan: SignalPlan, dice: random.Random) -> None:
        super().__init__(plan)
        self._dice = dice
        self._queue = [0.0] * len(plan.groups)
        self._coming = [0.0] * len(plan.groups)
        self._waiting = [False] * len(plan.groups)

    def advance(self, tenths: int, aspects: tuple[int, ...]) -> None:
        """Let traffic arrive and leave."""
        super().advance(tenths, aspects)
        seconds = tenths / 10
        for number, group in enumerate(self._plan.groups):
            green = aspects[number] in (Aspect.GREEN, Aspect.PERMISSIVE)
            if group.kind is GroupKind.PEDESTRIAN:
                self._waiting[number] = not green and (
                    self._waiting[number] or self._dice.random() < PRESSES * seconds
                )
                continue
            arrived = self._dice.random() < ARRIVALS * group.lanes * seconds
            moved = self._coming[number] * 0.1 * seconds
            self._coming[number] += arrived - moved
            self._queue[number] = min(self._queue[number] + moved, 40.0)
            if green:
                self._queue[number] = max(0.0, self._queue[number] - DISCHARGE * group.lanes * seconds)

    def _true(self, number: int) -> DetectorReading:
        detector = self._plan.detectors[number]
        full = int(detector.capacity) or 1
        if detector.kind is DetectorKind.BUTTON:
            return DetectorReading(int(self._waiting[detector.group]))
        if detector.kind is DetectorKind.NEAR_ZONE:
            queued = min(round(self._queue[detector.group]), full)
            return DetectorReading(queued, queued)
        return DetectorReading(min(round(self._coming[detector.group]), full), 0)
