"""The signal plan: what a junction may show, and the times that keep it safe.

NEMA dual ring and RiLSA stages are both this model. A NEMA yellow plus red clearance is a row of the
intergreen matrix with one value; a legal pair of ring phases is a stage. All times are integer tenths
of a second.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

from stopline_signals.errors import PlanError

NO_CONFLICT = -1
"""Entry of the intergreen matrix for two groups that may be green together."""


class GroupKind(StrEnum):
    """Who obeys a signal group."""

    VEHICLE = "vehicle"
    PEDESTRIAN = "pedestrian"
    CYCLIST = "cyclist"
    TRANSIT = "transit"


class Aspect(IntEnum):
    """What a group's lamp shows; a pedestrian group's YELLOW is its clearance, its GREEN is walk."""

    RED = 0
    YELLOW = 1
    PERMISSIVE = 2
    GREEN = 3


class Recall(StrEnum):
    """A standing call: to the minimum green, the maximum, the walk, or only while nobody else calls."""

    NONE = "none"
    MIN = "min"
    MAX = "max"
    PED = "ped"
    SOFT = "soft"


class DetectorKind(StrEnum):
    """The sensors a plan can name: two zones per vehicle group, a push button per crossing."""

    NEAR_ZONE = "near_zone"
    FAR_ZONE = "far_zone"
    BUTTON = "button"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalGroup:
    """Lamps that always show the same; times in tenths of a second.

    Vehicles use min_green and yellow; pedestrians use walk and clearance in their place. An on-demand
    group is green in its stage only when called, and ends by itself once its minimum has been shown.
    `links` are the SUMO link indices it controls, `lanes` its lanes at the stop line. `oncoming` names the
    groups whose oncoming traffic it turns across while permissive: it never turns yellow while they stay
    green (the yellow trap). `passage` is how long a green is extended after a vehicle, `phase` the NEMA phase
    it is or runs with (0: none).

    What `verify` needs to judge the times (0: not known): `speed` of the approach and `turn_speed` in the
    junction (m/s), `grade` (a fraction, uphill positive), `crossing` (m): from the stop line to the far edge
    of the last conflict, or the way of a pedestrian from kerb to far side.
    """

    name: str
    kind: GroupKind = GroupKind.VEHICLE
    min_green: int = 50
    max_green: int = 600
    max_red: int = 1200
    yellow: int = 0
    walk: int = 0
    clearance: int = 0
    approach: str = ""
    lanes: float = 1.0
    on_demand: bool = False
    links: tuple[int, ...] = ()
    oncoming: tuple[str, ...] = ()
    passage: int = 30
    recall: Recall = Recall.NONE
    phase: int = 0
    speed: float = 0.0
    turn_speed: float = 0.0
    grade: float = 0.0
    crossing: float = 0.0

    @property
    def minimum(self) -> int:
        """Shortest green (vehicles) or walk (pedestrians)."""
        return self.walk if self.kind is GroupKind.PEDESTRIAN else self.min_green

    @property
    def change(self) -> int:
        """Length of the interval after green: yellow, or pedestrian clearance."""
        return self.clearance if self.kind is GroupKind.PEDESTRIAN else self.yellow


@dataclass(frozen=True, slots=True)
class Stage:
    """A set of groups that may be green together, as group indices.

    A permissive group gives way to the groups it crosses; a protected one does not have to.
    """

    name: str
    protected: tuple[int, ...]
    permissive: tuple[int, ...] = ()

    @property
    def groups(self) -> tuple[int, ...]:
        """All groups of the stage, in index order."""
        return tuple(sorted((*self.protected, *self.permissive)))

    def aspect(self, group: int) -> Aspect:
        """What the group shows while the stage is in force."""
        if group in self.protected:
            return Aspect.GREEN
        return Aspect.PERMISSIVE if group in self.permissive else Aspect.RED


@dataclass(frozen=True, slots=True)
class Detector:
    """A sensor of one group: a zone from start_m to end_m upstream of the stop line, or a button."""

    name: str
    kind: DetectorKind
    group: int
    start_m: float = 0.0
    end_m: float = 0.0
    capacity: float = 1.0


@dataclass(frozen=True, slots=True)
class ProgramStep:
    """At `green_at` tenths into the cycle `stage` is to be green; the engine is asked early enough."""

    stage: int
    green_at: int


@dataclass(frozen=True, slots=True)
class FixedProgram:
    """A fixed-time program: cycle and offset in tenths, steps in ascending order of `green_at`."""

    cycle: int
    offset: int
    steps: tuple[ProgramStep, ...]

    def step_at(self, now: int) -> int:
        """Index of the step that is to be green at an absolute time in tenths."""
        within = (now - self.offset) % self.cycle
        current = len(self.steps) - 1
        for index, step in enumerate(self.steps):
            if step.green_at > within:
                break
            current = index
        return current

    def until_green(self, step: int, now: int) -> int:
        """Tenths from now until the step's green is next due; 0 when it is due now."""
        return (self.steps[step].green_at - (now - self.offset)) % self.cycle


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictPath:
    """The geometry behind one intergreen: a clearing and an entering path to their point of conflict.

    Groups are indices, `crossing_time` tenths, paths metres from the stop line, speeds m/s. A pair of groups
    may have several rows; the longest intergreen counts.
    """

    ending: int
    starting: int
    crossing_time: int
    clearing_m: float
    vehicle_m: float
    clearing_mps: float
    entering_m: float = 0.0
    entering_mps: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preempt:
    """An emergency or rail input and what it makes the junction do; stages are indices, times tenths.

    Lower `priority` wins, and rail wins over everything. It waits `delay`, clears the track through
    `track_clear` (None: no track), dwells in `dwell` for at least `min_duration`, is ignored after
    `max_presence` (0: never) until it drops, and leaves to the first of `exit_stages` (empty: longest wait).
    `enter_yellow` and `enter_red` replace the plan's on the way in; 0 means the plan's own, and nothing
    shorter than the plan's is ever run.
    """

    name: str
    dwell: int
    priority: int = 1
    rail: bool = False
    track_clear: int | None = None
    delay: int = 0
    min_duration: int = 0
    max_presence: int = 0
    enter_yellow: int = 0
    enter_red: int = 0
    exit_stages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalPlan:
    """Everything the engine and the guard need to run one junction.

    `intergreen[i][j]` is the time from the end of green of group i to the start of green of group j,
    or NO_CONFLICT. `yields[i][j]` says that i, while permissive, gives way to j and may run with it.
    `paths` is the geometry the intergreens were computed from, where it is known. `rings[r][b]` are the
    groups that ring r runs through, in order, between barriers b and b + 1 (empty: no ring-barrier plan).
    """

    junction: str
    groups: tuple[SignalGroup, ...]
    stages: tuple[Stage, ...]
    intergreen: tuple[tuple[int, ...], ...]
    yields: tuple[tuple[bool, ...], ...]
    detectors: tuple[Detector, ...] = ()
    program: FixedProgram | None = None
    red_revert: int = 20
    startup_red: int = 30
    benchmark_only: bool = False
    source: str = ""
    preempts: tuple[Preempt, ...] = ()
    paths: tuple[ConflictPath, ...] = ()
    rings: tuple[tuple[tuple[int, ...], ...], ...] = ()

    def __post_init__(self) -> None:
        _check(self)

    def group_index(self, name: str) -> int:
        """Index of the group of that name; PlanError names the ones there are."""
        return _index(self, "group", tuple(group.name for group in self.groups), name)

    def stage_index(self, name: str) -> int:
        """Index of the stage of that name; PlanError names the ones there are."""
        return _index(self, "stage", tuple(stage.name for stage in self.stages), name)

    def stages_serving(self, group: int) -> tuple[int, ...]:
        """Indices of the stages in which the group is green, protected ones first."""
        serving = [index for index, stage in enumerate(self.stages) if stage.aspect(group) is not Aspect.RED]
        return tuple(sorted(serving, key=lambda index: (-self.stages[index].aspect(group), index)))

    def compatible(self, first: int, first_aspect: Aspect, second: int, second_aspect: Aspect) -> bool:
        """Whether two groups may show these green aspects at the same time."""
        if self.intergreen[first][second] == NO_CONFLICT and self.intergreen[second][first] == NO_CONFLICT:
            return True
        if first_aspect is Aspect.PERMISSIVE and self.yields[first][second]:
            return True
        return second_aspect is Aspect.PERMISSIVE and self.yields[second][first]

    def rounded_up(self, step: int) -> SignalPlan:
        """The same plan with every safety interval rounded up to a multiple of `step` tenths.

        A simulation that samples lamps once per step then shows no interval shorter than planned.
        """
        groups = tuple(_round_group(group, step) for group in self.groups)
        matrix = tuple(tuple(_up(value, step) for value in row) for row in self.intergreen)
        preempts = tuple(
            replace(entry, enter_yellow=_up(entry.enter_yellow, step), enter_red=_up(entry.enter_red, step))
            for entry in self.preempts
        )
        return replace(
            self,
            groups=groups,
            preempts=preempts,
            intergreen=matrix,
            red_revert=_up(self.red_revert, step),
            startup_red=_up(self.startup_red, step),
        )

    def digest(self) -> str:
        """SHA-256 (hex) of the plan's canonical table: equal plans, equal digest."""
        from stopline_signals.table import plan_to_table  # table.py imports this module

        canonical = json.dumps(plan_to_table(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def _up(value: int, step: int) -> int:
    return value if value == NO_CONFLICT else -(-value // step) * step


def _round_group(group: SignalGroup, step: int) -> SignalGroup:
    return replace(
        group,
        min_green=_up(group.min_green, step),
        yellow=_up(group.yellow, step),
        walk=_up(group.walk, step),
        clearance=_up(group.clearance, step),
    )


def _index(plan: SignalPlan, what: str, names: tuple[str, ...], name: str) -> int:
    if name in names:
        return names.index(name)
    raise PlanError(f"junction {plan.junction}: no {what} {name!r}; it has {', '.join(names)}")


def _check(plan: SignalPlan) -> None:
    """Refuse what the engine could not run at all; questions of good practice are verify()'s."""
    count = len(plan.groups)
    _require(plan, count > 0 and len(plan.stages) > 0, "needs at least one group and one stage")
    for name, matrix in (("intergreen", plan.intergreen), ("yields", plan.yields)):
        square = len(matrix) == count and all(len(row) == count for row in matrix)
        _require(plan, square, f"{name} must be {count} x {count}, one row per group")
    for label, names in (
        ("group", [group.name for group in plan.groups]),
        ("stage", [stage.name for stage in plan.stages]),
        ("detector", [detector.name for detector in plan.detectors]),
        ("preempt", [preempt.name for preempt in plan.preempts]),
    ):
        _require(plan, len(set(names)) == len(names), f"{label} names must be unique")
    for group in plan.groups:
        _check_group(plan, group)
        for name in group.oncoming:
            plan.group_index(name)
        turning = not group.on_demand and group.kind is not GroupKind.PEDESTRIAN
        _require(
            plan, turning or not group.oncoming, f"group {group.name}: only vehicles have oncoming traffic"
        )
    for stage in plan.stages:
        _check_stage(plan, stage)
    for detector in plan.detectors:
        _require(plan, 0 <= detector.group < count, f"detector {detector.name} names group {detector.group}")
    _check_matrix(plan)
    _check_rings(plan)
    for preempt in plan.preempts:
        _check_preempt(plan, preempt)
    if plan.program is not None:
        _check_program(plan, plan.program)


def _check_group(plan: SignalPlan, group: SignalGroup) -> None:
    times = [group.min_green, group.max_green, group.max_red, group.yellow, group.walk, group.clearance]
    times.append(group.passage)
    _require(
        plan,
        all(0 <= value <= 36000 for value in times),
        f"group {group.name}: times must be 0..36000 tenths",
    )
    _require(
        plan, group.minimum > 0, f"group {group.name}: minimum green (walk for pedestrians) must be over 0"
    )
    _require(plan, group.max_red > 0, f"group {group.name}: max_red must be over 0")


def _check_stage(plan: SignalPlan, stage: Stage) -> None:
    groups = stage.groups
    known = all(0 <= group < len(plan.groups) for group in groups)
    _require(
        plan, known and len(set(groups)) == len(groups), f"stage {stage.name}: unknown or repeated group"
    )
    for position, first in enumerate(groups):
        for second in groups[position + 1 :]:
            allowed = plan.compatible(first, stage.aspect(first), second, stage.aspect(second))
            pair = f"{plan.groups[first].name} and {plan.groups[second].name}"
            _require(plan, allowed, f"stage {stage.name}: {pair} conflict")


def _check_matrix(plan: SignalPlan) -> None:
    for i, row in enumerate(plan.intergreen):
        for j, value in enumerate(row):
            pair = f"intergreen {plan.groups[i].name} -> {plan.groups[j].name}"
            mirrored = plan.intergreen[j][i]
            _require(plan, (value == NO_CONFLICT) == (mirrored == NO_CONFLICT), f"{pair}: given one way only")
            _require(
                plan,
                value == NO_CONFLICT or value >= plan.groups[i].change,
                f"{pair}: under the change interval",
            )
            _require(plan, i != j or value == NO_CONFLICT, f"{pair}: a group does not conflict with itself")


def _check_rings(plan: SignalPlan) -> None:
    sides = {len(ring) for ring in plan.rings}
    _require(plan, len(sides) <= 1, "all rings must cross the same number of barriers")
    shown = [group for ring in plan.rings for side in ring for group in side]
    known = all(0 <= group < len(plan.groups) for group in shown)
    _require(plan, known and len(set(shown)) == len(shown), "rings name an unknown group, or one twice")
    for path in plan.paths:
        known = all(0 <= group < len(plan.groups) for group in (path.ending, path.starting))
        speeds = path.clearing_mps > 0 and (path.entering_mps > 0 or path.entering_m == 0)
        lengths = min(path.clearing_m, path.vehicle_m, path.entering_m, path.crossing_time) >= 0
        _require(plan, known, f"path {path.ending} -> {path.starting}: names a group that is not there")
        place = f"path {plan.groups[path.ending].name} -> {plan.groups[path.starting].name}"
        _require(plan, speeds and lengths, f"{place}: lengths must be 0 or more and speeds over 0")


def _check_preempt(plan: SignalPlan, preempt: Preempt) -> None:
    stages = [preempt.dwell, *preempt.exit_stages]
    if preempt.track_clear is not None:
        stages.append(preempt.track_clear)
    known = all(0 <= stage < len(plan.stages) for stage in stages)
    _require(plan, known, f"preempt {preempt.name} names a stage that is not there")
    times = [preempt.delay, preempt.min_duration, preempt.max_presence]
    times += [preempt.enter_yellow, preempt.enter_red]
    whole = all(0 <= value <= 655_350 for value in times)
    _require(plan, whole, f"preempt {preempt.name}: times must be 0..655350 tenths")


def _check_program(plan: SignalPlan, program: FixedProgram) -> None:
    times = [step.green_at for step in program.steps]
    ordered = times == sorted(set(times)) and bool(times) and times[0] >= 0 and times[-1] < program.cycle
    _require(plan, ordered, "program steps must ascend within the cycle")
    known = all(0 <= step.stage < len(plan.stages) for step in program.steps)
    _require(plan, known, "program names a stage that is not there")


def _require(plan: SignalPlan, holds: bool, message: str) -> None:
    if not holds:
        raise PlanError(f"junction {plan.junction}: {message}")
