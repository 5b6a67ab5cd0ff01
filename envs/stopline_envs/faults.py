"""Sensors that are not perfect: dead and stuck detectors, miscounts and late readings, from a real seed.

A wrapper at the sensing seam: policies and junctions see the degraded readings, rewards the truth.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from stopline_envs.sensing import Sensors, Snapshot
from stopline_signals.detectors import DetectorReading
from stopline_signals.errors import ScenarioError
from stopline_signals.plan import Detector, DetectorKind

STICKS_WITHIN_S = 300
"""A stuck detector freezes at a moment drawn from this much of the beginning of a run."""
DEAD = DetectorReading(healthy=False)
Readings = list[tuple[DetectorReading, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorFaults:
    """What is wrong with the detectors of a network; the defaults are perfect sensors.

    Attributes:
        dead_share: share of all detectors that fail and are known to: no count, not healthy, so their group
            is on recall.
        stuck_share: share of all detectors that freeze unnoticed: they go on reporting what they saw at a
            moment within the first `STICKS_WITHIN_S`.
        noise: chance that a vehicle is missed, and that a zone counts one that is not there; a counted
            vehicle is taken for queued or moving wrongly with half of it. Push buttons do not miscount.
        latency_s: age of the readings, rounded up to whole seconds.
        seed: which detectors and which moments; joined with the seed of each run.
    """

    dead_share: float = 0.0
    noise: float = 0.0
    latency_s: float = 0.0
    stuck_share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("dead_share", "stuck_share", "noise"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ScenarioError(f"sensor faults: {name} must be 0 to 1, not {getattr(self, name)}")
        if self.dead_share + self.stuck_share > 1.0:
            raise ScenarioError("sensor faults: dead_share and stuck_share together must be at most 1")
        if not 0.0 <= self.latency_s <= 60.0:
            raise ScenarioError(f"sensor faults: latency_s must be 0 to 60 s, not {self.latency_s}")


class FaultySensors:
    """`Sensors` as they would be on a street with these faults, for one run.

    With a latency, `note` must be called once a second, or readings are as old as the last look.
    """

    def __init__(
        self,
        sensors: Sensors,
        detectors: Sequence[Sequence[Detector]],
        faults: SensorFaults,
        run_seed: int,
        begin: int,
    ) -> None:
        """`detectors` are those of the junctions in the sensors' order, `begin` the run's first second."""
        self._sensors = sensors
        self._detectors = detectors
        self._noise = faults.noise
        rng = random.Random(f"{faults.seed}|{run_seed}")
        every = [(j, d) for j, own in enumerate(detectors) for d in range(len(own))]
        dead, stuck = (round(share * len(every)) for share in (faults.dead_share, faults.stuck_share))
        chosen = rng.sample(every, min(dead + stuck, len(every)))
        self.dead = frozenset(chosen[:dead])
        """(junction, detector) indices of the dead detectors."""
        self.stuck = {place: begin + rng.randint(1, STICKS_WITHIN_S) for place in chosen[dead:]}
        """(junction, detector) indices of the stuck detectors and when they freeze, s."""
        self._frozen: dict[tuple[int, int], DetectorReading] = {}
        self._rng = rng
        self._age = math.ceil(faults.latency_s)
        self._past: deque[tuple[int, Readings]] = deque()

    @property
    def late(self) -> bool:
        """Whether readings must be noted every second."""
        return self._age > 0

    def note(self, now: int) -> None:
        """Take the readings of this second, to be reported later."""
        self._past.append((now, self._sensors.look().readings))
        while len(self._past) > 1 and self._past[1][0] <= now - self._age:
            self._past.popleft()

    def look(self, now: int) -> Snapshot:
        """What the detectors report at `now` (s), and the true traffic."""
        snapshot = self._sensors.look()
        readings = snapshot.readings
        if self.late:
            if not self._past or self._past[-1][0] < now:
                self._past.append((now, readings))
            readings = next(
                (old for at, old in reversed(self._past) if at <= now - self._age), _none(readings)
            )
        return Snapshot([self._degraded(now, j, own) for j, own in enumerate(readings)], snapshot.traffic)

    def _degraded(
        self, now: int, junction: int, readings: tuple[DetectorReading, ...]
    ) -> tuple[DetectorReading, ...]:
        return tuple(
            [
                self._one(now, (junction, number), detector, reading)
                for number, (detector, reading) in enumerate(
                    zip(self._detectors[junction], readings, strict=True)
                )
            ]
        )

    def _one(
        self, now: int, place: tuple[int, int], detector: Detector, reading: DetectorReading
    ) -> DetectorReading:
        if self._noise and detector.kind is not DetectorKind.BUTTON:
            reading = self._miscount(reading)  # dead ones too: who is dead must not change what others see
        if place in self.dead:
            return DEAD
        if now >= self.stuck.get(place, now + 1):
            return self._frozen.setdefault(place, reading)
        return reading

    def _miscount(self, reading: DetectorReading) -> DetectorReading:
        rng, noise = self._rng, self._noise
        vehicles = queued = 0
        for vehicle in range(reading.vehicles):
            if rng.random() >= noise:
                vehicles += 1
                queued += (vehicle < reading.queued) != (rng.random() < noise / 2)
        vehicles += rng.random() < noise
        return DetectorReading(vehicles, queued, reading.healthy)


def _none(readings: Readings) -> Readings:
    """Nothing seen yet: the first readings of a late sensor."""
    return [tuple([DetectorReading()] * len(own)) for own in readings]
