"""The observation encoder: one flat vector per junction, the same in training, in evaluation and at the kerb.

A junction is described by one row per signal group (its movement), the membership of groups in stages, a
few figures per stage and the mask of stages that may be chosen. Rows and stages beyond the junction's own are
zero. Everything comes from detectors and from the junction's own lamps; nothing from the simulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stopline_signals.detectors import DetectorReading
from stopline_signals.engine import Engine, EngineState
from stopline_signals.errors import PlanError
from stopline_signals.plan import Aspect, Detector, DetectorKind, GroupKind, SignalGroup, SignalPlan

ENCODER_VERSION = 1
MAX_GROUPS = 32
MAX_STAGES = 16

ROW_FEATURES = (
    "near_vehicles",  # vehicles in the near zone per lane / 7
    "near_queued",  # of those queued, per lane / 7
    "far_vehicles",  # vehicles in the far zone per lane / 10
    "far_queued",  # of those queued, per lane / 10
    "near_total",  # vehicles in the near zone / 14, not divided by lanes
    "far_total",  # vehicles in the far zone / 20, not divided by lanes
    "called",  # 1 while the group has demand
    "waited",  # time since its unserved call began / max red, at most 1.5
    "protected",  # 1 while its lamp is green and protected, or walk
    "permissive",  # 1 while its lamp is green and permissive
    "yellow",  # 1 during yellow or pedestrian clearance
    "green_time",  # seconds green so far / 30, at most 2; 0 when not green
    "red_time",  # seconds red so far / 60, at most 2; 0 when green
    "minimum_left",  # seconds of minimum green left / 10
    "lanes",  # lanes at the stop line / 3
    "pedestrian",  # 1 for a pedestrian group
    "exists",  # 1 for a group of this junction
)
STAGE_FEATURES = (
    "current",  # 1 for the stage in force or being entered
    "transition",  # typical seconds from the stage in force to all green in this one / 10
    "wait",  # seconds until it may be asked for / 10, at most 3
    "overdue",  # largest waited of its groups
)

Vector: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ObservationLayout:
    """Where each block of the flat vector lies, for given maximum numbers of groups and stages."""

    max_groups: int = MAX_GROUPS
    max_stages: int = MAX_STAGES

    @property
    def rows(self) -> slice:
        """Movement rows, [max_groups, len(ROW_FEATURES)]."""
        return slice(0, self.max_groups * len(ROW_FEATURES))

    @property
    def membership(self) -> slice:
        """Stage membership, [max_stages, max_groups]: 0 red, 0.5 permissive, 1 protected."""
        return slice(self.rows.stop, self.rows.stop + self.max_stages * self.max_groups)

    @property
    def stages(self) -> slice:
        """Stage figures, [max_stages, len(STAGE_FEATURES)]."""
        return slice(self.membership.stop, self.membership.stop + self.max_stages * len(STAGE_FEATURES))

    @property
    def mask(self) -> slice:
        """Stages that may be chosen, [max_stages]: 1 or 0."""
        return slice(self.stages.stop, self.stages.stop + self.max_stages)

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        per_group = len(ROW_FEATURES) + self.max_stages
        return self.max_groups * per_group + self.max_stages * (len(STAGE_FEATURES) + 1)


class Encoder:
    """Encodes one junction.

    Plain Python over a handful of groups: at this size numpy's call overhead costs more than the loops.
    """

    def __init__(self, engine: Engine, max_groups: int = MAX_GROUPS, max_stages: int = MAX_STAGES) -> None:
        """PlanError when the junction has more groups or stages than the layout holds."""
        plan = engine.plan
        if len(plan.groups) > max_groups or len(plan.stages) > max_stages:
            raise PlanError(
                f"junction {plan.junction}: {len(plan.groups)} groups and {len(plan.stages)} stages, "
                f"the encoder holds {max_groups} and {max_stages}; merge groups that always run together"
            )
        self.layout = ObservationLayout(max_groups, max_stages)
        self._engine = engine
        self._static = _static_vector(plan, self.layout)
        self._demand = tuple(_demand_column(plan, detector) for detector in plan.detectors)
        self._groups = tuple((group.max_red, group.minimum) for group in plan.groups)
        self._tails = tuple(_static_row(group) for group in plan.groups)
        self._members = tuple(stage.groups for stage in plan.stages)

    def encode(
        self,
        state: EngineState,
        readings: Sequence[DetectorReading],
        allowed: int,
        out: Vector | None = None,
    ) -> Vector:
        """Encode the junction as it is; `readings` follow plan.detectors, `allowed` is a mask of stages.

        Returns float32 [layout.size], written into `out` when given.
        """
        vector = np.empty(self.layout.size, np.float32) if out is None else out
        vector[:] = self._static
        waited = self._waited(state)
        rows = self._rows(state, readings, waited)
        vector[: len(rows)] = rows
        stages = self._stages(state, waited)
        start = self.layout.stages.start
        vector[start : start + len(stages)] = stages
        start = self.layout.mask.start
        vector[start : start + len(self._members)] = [allowed >> s & 1 for s in range(len(self._members))]
        return vector

    def static_vector(self) -> Vector:
        """The vector as far as it never changes, all the rest 0."""
        vector = self._static.copy()
        rows = vector[self.layout.rows].reshape(self.layout.max_groups, -1)
        rows[: len(self._tails), -len(self._tails[0]) :] = self._tails
        return vector

    def _waited(self, state: EngineState) -> list[float]:
        return [
            min((state.now - since) / max_red, 1.5) if since >= 0 else 0.0
            for since, (max_red, _) in zip(state.waiting_since, self._groups, strict=True)
        ]

    def _rows(
        self, state: EngineState, readings: Sequence[DetectorReading], waited: Sequence[float]
    ) -> list[float]:
        demand = [[0.0] * 6 for _ in self._groups]
        for column, reading in zip(self._demand, readings, strict=True):
            if column is not None and reading.healthy:
                column.fill(demand, reading)
        rows: list[float] = []
        for group, aspect in enumerate(state.aspects):
            shown_for = state.now - state.since[group]
            rows += demand[group]
            rows += (float(state.waiting_since[group] >= 0), waited[group])
            rows += _lamp_features(aspect, shown_for, self._groups[group][1])
            rows += self._tails[group]
        return rows

    def _stages(self, state: EngineState, waited: Sequence[float]) -> list[float]:
        engine, figures = self._engine, list[float]()
        for stage, members in enumerate(self._members):
            figures += (
                float(stage == state.stage),
                engine.typical_transition(state.stage, stage) / 100.0,
                min((engine.earliest(state, stage) - state.now) / 100.0, 3.0),
                max((waited[group] for group in members), default=0.0),
            )
        return figures


@dataclass(frozen=True, slots=True)
class _DemandColumn:
    """Where one zone's reading goes: row, first column, and how it is scaled."""

    group: int
    per_lane: int
    total: int
    capacity: float
    lanes: float

    def fill(self, demand: list[list[float]], reading: DetectorReading) -> None:
        row, full = demand[self.group], self.lanes * self.capacity
        row[self.per_lane] = min(reading.vehicles / full, 2.0)
        row[self.per_lane + 1] = min(reading.queued / full, 2.0)
        row[self.total] = min(reading.vehicles / (2.0 * self.capacity), 3.0)


def _demand_column(plan: SignalPlan, detector: Detector) -> _DemandColumn | None:
    """The columns a zone feeds; a push button only calls."""
    lanes = max(plan.groups[detector.group].lanes, 0.5)
    if detector.kind is DetectorKind.NEAR_ZONE:
        return _DemandColumn(detector.group, 0, 4, 7.0, lanes)
    if detector.kind is DetectorKind.FAR_ZONE:
        return _DemandColumn(detector.group, 2, 5, 10.0, lanes)
    return None


def _lamp_features(aspect: int, shown_for: int, minimum: int) -> tuple[float, ...]:
    """Columns protected to minimum_left of one row."""
    if aspect >= Aspect.PERMISSIVE:
        protected = float(aspect == Aspect.GREEN)
        left = max(minimum - shown_for, 0) / 100.0
        return (protected, 1.0 - protected, 0.0, min(shown_for / 300.0, 2.0), 0.0, left)
    return (0.0, 0.0, float(aspect == Aspect.YELLOW), 0.0, min(shown_for / 600.0, 2.0), 0.0)


def _static_row(group: SignalGroup) -> tuple[float, ...]:
    """Columns lanes to exists of one row."""
    return (group.lanes / 3.0, float(group.kind is GroupKind.PEDESTRIAN), 1.0)


def _static_vector(plan: SignalPlan, layout: ObservationLayout) -> Vector:
    vector = np.zeros(layout.size, np.float32)
    membership = vector[layout.membership].reshape(layout.max_stages, -1)
    for index, stage in enumerate(plan.stages):
        membership[index, list(stage.protected)] = 1.0
        membership[index, list(stage.permissive)] = 0.5
    return vector
