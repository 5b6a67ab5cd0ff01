"""The observation encoder: one flat vector per junction, the same in training, in evaluation and at the kerb.

A junction is described by one row per signal group (its movement), the membership of groups in stages, a
few figures per stage and the mask of stages that may be chosen. Rows and stages beyond the junction's own are
zero. Everything comes from detectors and from the junction's own lamps; nothing from the simulator.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from stopline_signals.engine import Engine, EngineState
from stopline_signals.errors import PlanError
from stopline_signals.plan import Detector, DetectorKind, GroupKind, SignalGroup, SignalPlan
from stopline_signals.transition import GREEN, PERMISSIVE, YELLOW

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
        self._zones = tuple(_zone(plan, detector) for detector in plan.detectors)
        self._groups = tuple((group.max_red, group.minimum) for group in plan.groups)
        self._blank = [figure for group in plan.groups for figure in (*BLANK_ROW, *_static_row(group))]
        self._members = tuple(stage.groups for stage in plan.stages)
        self._state: EngineState | None = None
        self._lamps = self._static.copy()
        """The vector of `_state` without readings and mask: many may ask between two ticks."""
        first = self.layout.mask.start
        self._mask = range(first, first + len(plan.stages))
        count = range(len(plan.stages))
        self._typical = tuple(  # all red is one past the plan's own
            tuple(engine.typical_transition(stage, to) / 100.0 for to in count)
            for stage in (*count, len(count))
        )

    def encode(
        self,
        state: EngineState,
        readings: Iterable[tuple[int, int, bool]],
        allowed: int,
        out: Vector | None = None,
    ) -> Vector:
        """Encode the junction as it is; `allowed` is a mask of stages.

        `readings` are DetectorReadings, or tuples like them, in the order of plan.detectors. Returns float32
        [layout.size], written into `out` when given.
        """
        vector = np.empty(self.layout.size, np.float32) if out is None else out
        if state is not self._state:
            self._take_lamps(state)
        # Through the buffer: numpy's own writing takes twice as long for so few figures.
        row = cast("memoryview[float]", vector.data)
        row[:] = cast("memoryview[float]", self._lamps.data)
        self._put_demand(row, readings)
        for at in self._mask:
            row[at] = allowed & 1
            allowed >>= 1
        return vector

    def forget(self) -> None:
        """Encode the next state anew even if it is the last one again."""
        self._state = None

    def static_vector(self) -> Vector:
        """The vector as far as it never changes, all the rest 0."""
        vector = self._static.copy()
        vector[: len(self._blank)] = self._blank
        return vector

    def _take_lamps(self, state: EngineState) -> None:
        """Write what follows from the state alone."""
        rows = self._blank.copy()
        waited = self._put_lamps(rows, state)
        self._lamps[: len(rows)] = array("f", rows)
        stages = self._stages(state, waited)
        start = self.layout.stages.start
        self._lamps[start : start + len(stages)] = array("f", stages)
        self._state = state

    def _put_demand(self, row: memoryview[float], readings: Iterable[tuple[int, int, bool]]) -> None:
        for zone, (vehicles, queued, healthy) in zip(self._zones, readings, strict=True):
            if zone is not None and healthy:
                per_lane, total, full, both = zone
                share = vehicles / full
                row[per_lane] = share if share < 2.0 else 2.0
                share = queued / full
                row[per_lane + 1] = share if share < 2.0 else 2.0
                share = vehicles / both
                row[total] = share if share < 3.0 else 3.0

    def _put_lamps(self, rows: list[float], state: EngineState) -> list[float]:
        """Write columns called to minimum_left; returns how long each group has waited."""
        now, at, every = state.now, FIRST_LAMP_FEATURE, len(ROW_FEATURES)
        waited = [0.0] * len(self._groups)
        lamps = zip(self._groups, state.aspects, state.since, state.waiting_since, strict=True)
        for group, ((max_red, minimum), aspect, began, called) in enumerate(lamps):
            if called >= 0:
                share = (now - called) / max_red
                rows[at], rows[at + 1] = 1.0, share if share < 1.5 else 1.5
                waited[group] = rows[at + 1]
            shown = now - began
            if aspect >= PERMISSIVE:
                share = shown / 300.0
                rows[at + (2 if aspect == GREEN else 3)] = 1.0
                rows[at + 5] = share if share < 2.0 else 2.0
                rows[at + 7] = (minimum - shown) / 100.0 if shown < minimum else 0.0
            else:
                share = shown / 600.0
                rows[at + 4] = 1.0 if aspect == YELLOW else 0.0
                rows[at + 6] = share if share < 2.0 else 2.0
            at += every
        return waited

    def _stages(self, state: EngineState, waited: Sequence[float]) -> list[float]:
        """The figures of all stages, in a row."""
        figures: list[float] = []
        found = zip(self._members, self._typical[state.stage], self._engine.waits(state), strict=True)
        for members, typical, wait in found:
            overdue = 0.0
            for group in members:
                if waited[group] > overdue:
                    overdue = waited[group]
            figures += (0.0, typical, wait / 100.0 if wait < 300 else 3.0, overdue)
        if state.stage < len(self._members):
            figures[state.stage * len(STAGE_FEATURES)] = 1.0
        return figures


FIRST_LAMP_FEATURE = ROW_FEATURES.index("called")
LAMP_FEATURES = ROW_FEATURES.index("lanes") - FIRST_LAMP_FEATURE
BLANK_ROW = (0.0,) * (FIRST_LAMP_FEATURE + LAMP_FEATURES)


def _zone(plan: SignalPlan, detector: Detector) -> tuple[int, int, float, float] | None:
    """Where a zone's reading goes, per lane and in total, and what it is divided by; a button only calls."""
    row = detector.group * len(ROW_FEATURES)
    lanes = max(plan.groups[detector.group].lanes, 0.5)
    if detector.kind is DetectorKind.NEAR_ZONE:
        return row, row + 4, lanes * 7.0, 2.0 * 7.0
    if detector.kind is DetectorKind.FAR_ZONE:
        return row + 2, row + 5, lanes * 10.0, 2.0 * 10.0
    return None


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
