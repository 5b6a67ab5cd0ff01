"""A small synthetic street for one junction: queues that grow at random and discharge at green."""

from __future__ import annotations

import random

from stopline_signals.detectors import DetectorReading
from stopline_signals.plan import Aspect, DetectorKind, GroupKind, SignalPlan

ARRIVALS = 0.09
"""Vehicles a second and lane."""
PRESSES = 0.02
"""Pedestrians a second and crossing."""
DISCHARGE = 0.5
"""Vehicles a second and lane at green."""


class Queues:
    """One queue for each group; `advance` by whole tenths, then read."""

    def __init__(self, plan: SignalPlan, dice: random.Random) -> None:
        self.stuck = False
        """Every zone is full for ever."""
        self.flooding = False
        """Every zone counts and clears within a second, again and again."""
        self.failed: frozenset[int] = frozenset()
        """Detectors (numbers) that say they are broken."""
        self._plan = plan
        self._dice = dice
        self._queue = [0.0] * len(plan.groups)
        self._coming = [0.0] * len(plan.groups)
        self._waiting = [False] * len(plan.groups)
        self._time = 0

    def advance(self, tenths: int, aspects: tuple[int, ...]) -> None:
        """Let traffic arrive and leave."""
        self._time += tenths
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

    def readings(self) -> tuple[DetectorReading, ...]:
        """What the detectors say."""
        return tuple(self._reading(number) for number in range(len(self._plan.detectors)))

    def _reading(self, number: int) -> DetectorReading:
        detector = self._plan.detectors[number]
        if number in self.failed:
            return DetectorReading(healthy=False)
        full = int(detector.capacity) or 1
        if self.stuck:
            return DetectorReading(full, full)
        if self.flooding:
            on = self._time // 5 % 2
            return DetectorReading(full * on, 0)
        if detector.kind is DetectorKind.BUTTON:
            return DetectorReading(int(self._waiting[detector.group]))
        if detector.kind is DetectorKind.NEAR_ZONE:
            queued = min(round(self._queue[detector.group]), full)
            return DetectorReading(queued, queued)
        return DetectorReading(min(round(self._coming[detector.group]), full), 0)
