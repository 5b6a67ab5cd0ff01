"""What one look at the traffic saw: detector readings in a row, and the truth for rewards.

Columns are numpy arrays over the detectors of all junctions; readings as policies want them and the truth
are only made when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stopline_signals.detectors import NOTHING, DetectorReading
from stopline_signals.plan import Detector, DetectorKind

Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


class Traffic(NamedTuple):
    """Ground truth around one junction, for rewards only: vehicles in its zones, queued ones, slowness.

    Slowness is the sum over vehicles of 1 - speed / speed limit: the time lost per second.
    """

    vehicles: int = 0
    queued: int = 0
    slowness: float = 0.0
    leaving: int = 0
    """Vehicles on the first 50 m past the junction; counted only where a reward asks for it."""
    approach: float = 0.0
    """Slowness on the whole approaches up to the signals before, those waiting to enter the network counted
    as standing; counted only where a reward asks for it."""
    passed: float = 0.0
    """Vehicles that have left the approaches since the run began; like all below, only where asked for."""
    lost_s: float = 0.0
    """Delay (s) that the vehicles now on the approaches have picked up there."""
    persons: float = 0.0
    """Time lost per second by people on the approaches and at the kerbs."""
    co2_g: float = 0.0
    """Grams of CO2 emitted in the last second on the approaches and in the junction."""


class DetectorRow:
    """The detectors of all junctions in one row: in the order of the junctions, and in each of its plan."""

    def __init__(self, detectors: Sequence[Sequence[Detector]]) -> None:
        """`detectors` has one sequence per junction."""
        self.detectors = tuple(detector for own in detectors for detector in own)
        self.ends = tuple(int(end) for end in np.cumsum([len(own) for own in detectors]))
        self.firsts = (0, *self.ends[:-1])
        zones = [detector.kind is not DetectorKind.BUTTON for detector in self.detectors]
        self.zones: Flags = np.asarray(zones, dtype=np.bool_)
        owners = [number for number, own in enumerate(detectors) for _ in own]
        self._calls = [(owner, 1 << d.group) for owner, d in zip(owners, self.detectors, strict=True)]

    def calls(self, vehicles: Integers, healthy: Flags | None) -> list[int]:
        """Per junction the groups (bit mask) whose zones hold a vehicle or are not healthy; buttons apart."""
        calling = (vehicles > 0) & self.zones if healthy is None else ((vehicles > 0) | ~healthy) & self.zones
        calls = [0] * len(self.firsts)
        rows = self._calls
        for slot in np.flatnonzero(calling).tolist():
            junction, bit = rows[slot]
            calls[junction] |= bit
        return calls


class Snapshot:
    """One look at the network.

    `vehicles`, `queued` and `healthy` (None: all are) follow the detector row; a push button counts 1 while
    it is pressed.
    """

    __slots__ = ("_calls", "_make_traffic", "_traffic", "healthy", "queued", "row", "vehicles")

    def __init__(
        self,
        row: DetectorRow,
        vehicles: Integers,
        queued: Integers,
        make_traffic: Callable[[], list[Traffic]],
        healthy: Flags | None = None,
    ) -> None:
        """`make_traffic` is called at most once, when the truth is first asked for."""
        self.row = row
        self.vehicles = vehicles
        self.queued = queued
        self.healthy = healthy
        self._make_traffic = make_traffic
        self._traffic: list[Traffic] | None = None
        self._calls: list[int] | None = None

    @property
    def traffic(self) -> list[Traffic]:
        """The truth around each junction."""
        if self._traffic is None:
            self._traffic = self._make_traffic()
        return self._traffic

    @property
    def calls(self) -> list[int]:
        """Per junction the groups (bit mask) that its zones call; push buttons apart."""
        if self._calls is None:
            self._calls = self.row.calls(self.vehicles, self.healthy)
        return self._calls

    @property
    def readings(self) -> list[tuple[DetectorReading, ...]]:
        """Per junction the readings of its detectors."""
        return [self.readings_of(number) for number in range(len(self.row.firsts))]

    def readings_of(self, number: int) -> tuple[DetectorReading, ...]:
        """The readings of one junction, in the order of its plan's detectors."""
        part = slice(self.row.firsts[number], self.row.ends[number])
        vehicles, queued = self.vehicles[part].tolist(), self.queued[part].tolist()
        if self.healthy is None:
            pairs = zip(vehicles, queued, strict=True)
            return tuple([DetectorReading(*pair) if pair[0] else NOTHING for pair in pairs])
        well = self.healthy[part].tolist()
        return tuple([DetectorReading(*row) for row in zip(vehicles, queued, well, strict=True)])
