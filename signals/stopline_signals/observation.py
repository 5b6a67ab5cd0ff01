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
from stopline_signals.plan import Aspect, DetectorKind, GroupKind, SignalPlan

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
    """Encodes one junction; reusable arrays, no allocation per call but the result."""

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
        self._plan = plan
        self._static = self._static_vector()
        self._zones = _zone_columns(plan)
        self._lanes = np.array([max(group.lanes, 0.5) for group in plan.groups], np.float32)
        self._max_red = np.array([group.max_red for group in plan.groups], np.float32)
        self._minimum = np.array([group.minimum for group in plan.groups], np.float32)
        self._members = [list(stage.groups) for stage in plan.stages]

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
        vector = self._static.copy() if out is None else out
        if out is not None:
            out[:] = self._static
        rows = vector[self.layout.rows].reshape(self.layout.max_groups, -1)[: len(self._plan.groups)]
        self._encode_demand(rows, readings)
        self._encode_lamps(rows, state)
        self._encode_stages(vector, rows, state)
        mask = vector[self.layout.mask]
        for stage in range(len(self._plan.stages)):
            mask[stage] = allowed >> stage & 1
        return vector

    def _encode_demand(self, rows: Vector, readings: Sequence[DetectorReading]) -> None:
        counts = np.array([(r.vehicles, r.queued) if r.healthy else (0, 0) for r in readings], np.float32)
        for kind, columns, capacity in (("near", (0, 1), 7.0), ("far", (2, 3), 10.0)):
            indices, groups = self._zones[kind]
            if len(indices):
                per_lane = counts[indices] / (self._lanes[groups, None] * capacity)
                rows[groups, columns[0] : columns[1] + 1] = np.minimum(per_lane, 2.0)
                rows[groups, 4 if kind == "near" else 5] = np.minimum(
                    counts[indices, 0] / (2 * capacity), 3.0
                )

    def _encode_lamps(self, rows: Vector, state: EngineState) -> None:
        aspects = np.array(state.aspects)
        shown_for = (state.now - np.array(state.since)).astype(np.float32)
        waiting_since = np.array(state.waiting_since)
        waiting = waiting_since >= 0
        green = aspects >= Aspect.PERMISSIVE
        rows[:, 6] = waiting
        rows[:, 7] = np.where(waiting, np.minimum((state.now - waiting_since) / self._max_red, 1.5), 0.0)
        rows[:, 8] = aspects == Aspect.GREEN
        rows[:, 9] = aspects == Aspect.PERMISSIVE
        rows[:, 10] = aspects == Aspect.YELLOW
        rows[:, 11] = np.where(green, np.minimum(shown_for / 300.0, 2.0), 0.0)
        rows[:, 12] = np.where(green, 0.0, np.minimum(shown_for / 600.0, 2.0))
        rows[:, 13] = np.where(green, np.maximum(self._minimum - shown_for, 0.0) / 100.0, 0.0)

    def _encode_stages(self, vector: Vector, rows: Vector, state: EngineState) -> None:
        stages = vector[self.layout.stages].reshape(self.layout.max_stages, -1)
        for index, members in enumerate(self._members):
            stages[index, 0] = index == state.stage
            stages[index, 1] = self._engine.typical_transition(state.stage, index) / 100.0
            stages[index, 2] = min((self._engine.earliest(state, index) - state.now) / 100.0, 3.0)
            stages[index, 3] = max((float(rows[group, 7]) for group in members), default=0.0)

    def _static_vector(self) -> Vector:
        vector = np.zeros(self.layout.size, np.float32)
        rows = vector[self.layout.rows].reshape(self.layout.max_groups, -1)
        for index, group in enumerate(self._plan.groups):
            rows[index, 14] = group.lanes / 3.0
            rows[index, 15] = group.kind is GroupKind.PEDESTRIAN
            rows[index, 16] = 1.0
        membership = vector[self.layout.membership].reshape(self.layout.max_stages, -1)
        for index, stage in enumerate(self._plan.stages):
            membership[index, list(stage.protected)] = 1.0
            membership[index, list(stage.permissive)] = 0.5
        return vector


def _zone_columns(plan: SignalPlan) -> dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Per zone kind: which readings feed it, and which rows they go to."""
    columns: dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]] = {}
    for name, kind in (("near", DetectorKind.NEAR_ZONE), ("far", DetectorKind.FAR_ZONE)):
        found = [(index, d.group) for index, d in enumerate(plan.detectors) if d.kind is kind]
        pairs = np.array(found, np.intp).reshape(-1, 2)
        columns[name] = (pairs[:, 0], pairs[:, 1])
    return columns
