"""The observation encoder for many junctions at once: numpy over all of them in one pass.

Gives the very values of `Encoder`, where the features are described; a test holds them equal. Worth it from
about three junctions on; for fewer `Encoder` is cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from stopline_signals.engine import Engine, EngineState
from stopline_signals.observation import (
    FIRST_LAMP_FEATURE,
    LAMP_FEATURES,
    MAX_GROUPS,
    MAX_STAGES,
    ROW_FEATURES,
    STAGE_FEATURES,
    Encoder,
    Vector,
)
from stopline_signals.plan import Aspect, DetectorKind

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

# An array compared with an IntEnum's member takes ten times as long as with the number it stands for.
PERMISSIVE = int(Aspect.PERMISSIVE)
COLUMNS = (Aspect.GREEN, Aspect.PERMISSIVE, Aspect.YELLOW)
SHOWN: Floats = np.asarray([[aspect is lamp for lamp in COLUMNS] for aspect in Aspect], dtype=np.float64)
"""Per aspect the columns protected, permissive and yellow."""


class BatchEncoder:
    """Encodes junctions that are always given in the same order.

    Detectors of all junctions form one row, in the order of the junctions and of each plan's detectors.
    """

    def __init__(
        self, engines: Sequence[Engine], max_groups: int = MAX_GROUPS, max_stages: int = MAX_STAGES
    ) -> None:
        """PlanError when a junction has more groups or stages than the layout holds."""
        encoders = [Encoder(engine, max_groups, max_stages) for engine in engines]
        self.layout = encoders[0].layout
        self._engines = list(engines)
        self._static = np.stack([encoder.static_vector() for encoder in encoders])
        self._demand = _Demand(engines, self.layout.size)
        self._lamps = _Lamps(engines, self.layout.size)
        self._stages = _Stages(engines)
        stages = self.layout.stages
        self._stage_block = slice(stages.start, stages.stop)
        self._shape = (len(encoders), max_stages, len(STAGE_FEATURES))
        self._bits = np.arange(max_stages)

    def encode(
        self,
        states: Sequence[EngineState],
        vehicles: Integers,
        queued: Integers,
        allowed: Sequence[int],
        *,
        healthy: NDArray[np.bool_] | None = None,
        out: Vector | None = None,
    ) -> Vector:
        """Encode all junctions as they are.

        `vehicles`, `queued` and `healthy` (None: all are) have one entry per detector of all junctions,
        `allowed` one mask of stages per junction. Returns float32 [junctions, layout.size].
        """
        rows = np.empty_like(self._static) if out is None else out
        rows[:] = self._static
        flat = rows.reshape(-1)
        self._demand.fill(flat, vehicles, queued, healthy)
        waited = self._lamps.fill(flat, states)
        block = rows[:, self._stage_block].reshape(self._shape)
        self._stages.fill(block, self._engines, states, waited)
        rows[:, self.layout.mask] = np.asarray(allowed)[:, None] >> self._bits & 1
        return rows


class _Demand:
    """Columns near_vehicles to far_total: where each zone's reading goes, and how it is scaled."""

    def __init__(self, engines: Sequence[Engine], size: int) -> None:
        detectors: list[int] = []
        places: list[tuple[int, int, int]] = []
        scales: list[tuple[float, float]] = []
        count = 0
        for junction, engine in enumerate(engines):
            for detector in engine.plan.detectors:
                near = detector.kind is DetectorKind.NEAR_ZONE
                if near or detector.kind is DetectorKind.FAR_ZONE:
                    first, total, capacity = (0, 4, 7.0) if near else (2, 5, 10.0)
                    row = junction * size + detector.group * len(ROW_FEATURES)
                    places.append((row + first, row + first + 1, row + total))
                    lanes = max(engine.plan.groups[detector.group].lanes, 0.5)
                    scales.append((lanes * capacity, 2.0 * capacity))
                    detectors.append(count)
                count += 1
        self._detectors: Integers = np.asarray(detectors, dtype=np.int64)
        self._places: Integers = np.asarray(places, dtype=np.int64).reshape(-1, 3).T.copy()
        self._scales: Floats = np.asarray(scales, dtype=np.float64).reshape(-1, 2).T.copy()

    def fill(
        self, flat: Vector, vehicles: Integers, queued: Integers, healthy: NDArray[np.bool_] | None
    ) -> None:
        detectors, places, scales = self._detectors, self._places, self._scales
        if healthy is not None:
            well = healthy[detectors]
            detectors, places, scales = detectors[well], places[:, well], scales[:, well]
        inside, standing = vehicles[detectors], queued[detectors]
        flat[places[0]] = np.minimum(inside / scales[0], 2.0)
        flat[places[1]] = np.minimum(standing / scales[0], 2.0)
        flat[places[2]] = np.minimum(inside / scales[1], 3.0)


class _Lamps:
    """Columns called to minimum_left of all groups."""

    def __init__(self, engines: Sequence[Engine], size: int) -> None:
        groups = [
            (junction, index, group)
            for junction, engine in enumerate(engines)
            for index, group in enumerate(engine.plan.groups)
        ]
        first = [j * size + index * len(ROW_FEATURES) + FIRST_LAMP_FEATURE for j, index, _ in groups]
        self._places: Integers = np.asarray(first)[:, None] + np.arange(LAMP_FEATURES)
        self._max_red: Floats = np.asarray([group.max_red for *_, group in groups], dtype=np.float64)
        self._minimum: Integers = np.asarray([group.minimum for *_, group in groups], dtype=np.int64)
        self._junction: Integers = np.asarray([junction for junction, *_ in groups], dtype=np.int64)
        self._block: Floats = np.empty((len(groups), LAMP_FEATURES))

    def fill(self, flat: Vector, states: Sequence[EngineState]) -> Floats:
        """Write the columns; returns `waited` of all groups, and a 0 after them."""
        count, block = len(self._minimum), self._block
        rows = [state.aspects for state in states]
        rows += [state.since for state in states]
        rows += [state.waiting_since for state in states]
        aspects, since, waiting = _in_a_row(rows, 3 * count).reshape(3, count)
        now = np.array([state.now for state in states])[self._junction]
        green, called, age = aspects >= PERMISSIVE, waiting >= 0, now - since
        waited = np.zeros(count + 1)
        np.minimum((now - waiting) / self._max_red, 1.5, out=waited[:-1], where=called)
        block[:, 0] = called
        block[:, 1] = waited[:-1]
        block[:, 2:5] = SHOWN[aspects]
        # What does not apply is multiplied away: all of it is finite, and none below 0.
        block[:, 5] = np.minimum(age / 300.0, 2.0) * green
        block[:, 6] = np.minimum(age / 600.0, 2.0) * ~green
        block[:, 7] = np.maximum(self._minimum - age, 0) / 100.0 * green
        flat[self._places] = block
        return waited


class _Stages:
    """The figures of all stages."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._counts = [len(engine.plan.stages) for engine in engines]
        self._junction: Integers = np.repeat(np.arange(len(engines)), self._counts)
        self._stage: Integers = np.concatenate([np.arange(count) for count in self._counts])
        widest = max(self._counts)
        self._typical: Floats = np.zeros((len(engines), widest + 1, widest))
        for junction, engine in enumerate(engines):
            for stage in range(self._counts[junction] + 1):  # all red is one past the plan's own
                for to in range(self._counts[junction]):
                    self._typical[junction, stage, to] = engine.typical_transition(stage, to) / 100.0
        self._members, self._begins = _memberships(engines)
        self._figures: Floats = np.empty((len(self._stage), len(STAGE_FEATURES)))

    def fill(
        self, block: Vector, engines: Sequence[Engine], states: Sequence[EngineState], waited: Floats
    ) -> None:
        junction, stage = self._junction, self._stage
        figures = self._figures
        current = np.array([state.stage for state in states])[junction]
        waits = [engine.waits(state) for engine, state in zip(engines, states, strict=True)]
        figures[:, 0] = current == stage
        figures[:, 1] = self._typical[junction, current, stage]
        figures[:, 2] = np.minimum(_in_a_row(waits, len(stage)) / 100.0, 3.0)
        figures[:, 3] = np.maximum.reduceat(waited[self._members], self._begins)
        block[junction, stage] = figures


def _in_a_row(rows: Sequence[Sequence[int]], count: int) -> Integers:
    return np.fromiter(chain.from_iterable(rows), np.int64, count)


def _memberships(engines: Sequence[Engine]) -> tuple[Integers, Integers]:
    """Groups of every stage in a row, and where each stage begins; the 0 past all groups stands for none."""
    total = sum(len(engine.plan.groups) for engine in engines)
    members: list[int] = []
    begins: list[int] = []
    first = 0
    for engine in engines:
        for stage in engine.plan.stages:
            begins.append(len(members))
            members += [first + group for group in stage.groups] or [total]
        first += len(engine.plan.groups)
    return np.asarray(members, dtype=np.int64), np.asarray(begins, dtype=np.int64)
