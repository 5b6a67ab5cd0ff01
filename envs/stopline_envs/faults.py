"""Sensors that are not perfect: dead and stuck detectors, miscounts and late readings, from a real seed.

A wrapper at the sensing seam: policies and junctions see the degraded readings, rewards the truth.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from stopline_envs.sensing import Sensors
from stopline_envs.sensor_profiles import SensorFaults
from stopline_envs.snapshot import Integers, Snapshot

__all__ = ["STICKS_WITHIN_S", "FaultySensors", "SensorFaults"]

STICKS_WITHIN_S = 300
"""A stuck detector freezes at a moment drawn from this much of the beginning of a run."""


class FaultySensors:
    """`Sensors` as they would be on a street with these faults, for one run.

    With a latency, `note` must be called once a second, or readings are as old as the last look.
    """

    def __init__(self, sensors: Sensors, faults: SensorFaults, run_seed: int, begin: int) -> None:
        """`begin` is the run's first second."""
        self._sensors = sensors
        self._noise = faults.noise
        self._rng = np.random.default_rng((faults.seed, run_seed))
        count = len(sensors.row.detectors)
        shuffled = self._rng.permutation(count)
        dead, stuck = round(faults.dead_share * count), round(faults.stuck_share * count)
        self.dead = np.sort(shuffled[:dead])
        """Places of the dead detectors in the row."""
        self.stuck = np.sort(shuffled[dead : dead + stuck])
        """Places of the stuck detectors in the row."""
        self._freezing = begin + self._rng.integers(1, STICKS_WITHIN_S + 1, len(self.stuck))
        self._frozen = np.full((2, len(self.stuck)), -1, dtype=np.int64)
        self._healthy = np.ones(count, dtype=np.bool_)
        self._healthy[self.dead] = False
        self._age = math.ceil(faults.latency_s)
        self._past: deque[tuple[int, Snapshot]] = deque()

    @property
    def late(self) -> bool:
        """Whether readings must be noted every second."""
        return self._age > 0

    def note(self, now: int) -> None:
        """Take the readings of this second, to be reported later."""
        self._past.append((now, self._sensors.look()))
        while len(self._past) > 1 and self._past[1][0] <= now - self._age:
            self._past.popleft()

    def look(self, now: int) -> Snapshot:
        """What the detectors report at `now` (s), and the true traffic."""
        truth = self._sensors.look()
        seen = self._aged(now, truth)
        vehicles, queued = seen.vehicles.copy(), seen.queued.copy()
        if self._noise:
            self._miscount(vehicles, queued)
        self._stick(now, vehicles, queued)
        vehicles[self.dead] = queued[self.dead] = 0
        healthy = self._healthy.copy() if len(self.dead) else None
        return Snapshot(truth.row, vehicles, queued, lambda: truth.traffic, healthy)

    def _aged(self, now: int, truth: Snapshot) -> Snapshot:
        if not self.late:
            return truth
        if not self._past or self._past[-1][0] < now:
            self._past.append((now, truth))
        nothing = np.zeros_like(truth.vehicles)
        never = Snapshot(truth.row, nothing, nothing, list)
        return next((seen for at, seen in reversed(self._past) if at <= now - self._age), never)

    def _miscount(self, vehicles: Integers, queued: Integers) -> None:
        """In place; everybody's chances are drawn, so that who is dead does not change what others see."""
        rng, noise, zones = self._rng, self._noise, self._sensors.row.zones
        standing = rng.binomial(queued, 1.0 - noise)
        moving = rng.binomial(vehicles - queued, 1.0 - noise)
        ghosts = rng.random(len(vehicles)) < noise
        counted_standing = standing - rng.binomial(standing, noise / 2) + rng.binomial(moving, noise / 2)
        vehicles[zones] = (standing + moving + ghosts)[zones]
        queued[zones] = counted_standing[zones]

    def _stick(self, now: int, vehicles: Integers, queued: Integers) -> None:
        stuck, frozen = self.stuck, self._frozen
        due = (self._freezing <= now) & (frozen[0] < 0)
        frozen[:, due] = vehicles[stuck[due]], queued[stuck[due]]
        held = frozen[0] >= 0
        vehicles[stuck[held]], queued[stuck[held]] = frozen[:, held]
