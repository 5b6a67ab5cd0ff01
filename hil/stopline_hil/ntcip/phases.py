"""A signal plan as an NTCIP controller sees it: phases, pedestrian phases and overlaps, rings and sides.

A group's `phase` is its phase; a vehicle group without one is an overlap, numbered in the plan's order. A
stage is the set of phases whose protected groups it shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from stopline_signals.errors import PlanError
from stopline_signals.plan import NO_CONFLICT, Aspect, GroupKind, SignalPlan, Stage

MAX_PHASES = 16


class Phases:
    """Which groups are which phase; phase masks have phase 1 in bit 0.

    `plan` is the plan the controller runs: the one given, and behind its stages one for each phase alone,
    where a ring may rest red (nothing to serve, or its phases omitted) while another runs.

    Raises:
        PlanError: the plan cannot be told apart by phases; says what to give which phase.
    """

    def __init__(self, plan: SignalPlan) -> None:
        self.given = plan
        self.phase_of = tuple(group.phase for group in plan.groups)
        self._check_numbers()
        self.numbers = tuple(sorted({phase for phase in self.phase_of if phase}))
        self.all = mask(self.numbers)
        self.vehicles = {p: self._members(p, pedestrian=False) for p in self.numbers}
        self.pedestrians = {p: self._members(p, pedestrian=True) for p in self.numbers}
        others = [g for g, phase in enumerate(self.phase_of) if not phase]
        self.overlaps = dict(enumerate(others, start=1))
        """Overlap number to group."""
        self._shown = {self.phase_of[g] for stage in plan.stages for g in stage.protected} - {0}
        given_stages = tuple(self._phases_shown(stage) for stage in plan.stages)
        self._check_stages(given_stages)
        self.rings = self._rings()
        """rings[r][side]: phase numbers in the order in which they run; empty without a ring-barrier plan."""
        alone = self._alone(given_stages) if len(self.rings) > 1 else {}
        self.plan = replace(plan, stages=(*plan.stages, *alone.values()))
        self.stages = (*given_stages, *(1 << p - 1 for p in alone), 0)
        """Phases of each stage of `plan`, and none for the engine's all-red stage behind them."""
        self.ring_of = self._ring_numbers()
        """Phase to ring, from 1; without a ring-barrier plan, phases run together in different ones."""
        self.turning = frozenset(
            g for g in range(len(plan.groups)) if any(g in s.permissive for s in plan.stages)
        )
        """Groups with an arrow that flashes beside other phases."""

    def conflicting(self, phase: int) -> int:
        """Phases no stage shows together with this one."""
        together = 0
        for stage in self.stages:
            if stage >> phase - 1 & 1:
                together |= stage
        return self.all & ~together

    def own_phase(self, group: int) -> bool:
        """Whether the group's permissive green is its phase's own green, because it never has another."""
        return group not in self.turning or self.phase_of[group] not in self._shown

    def red_clear(self, phase: int) -> int:
        """Longest red clearance of the phase's vehicles (tenths)."""
        plan = self.given
        return max((self._clearance(g) - plan.groups[g].change for g in self.vehicles[phase]), default=0)

    def _clearance(self, group: int) -> int:
        plan = self.given
        vehicles = [
            value
            for other, value in enumerate(plan.intergreen[group])
            if value != NO_CONFLICT and plan.groups[other].kind is not GroupKind.PEDESTRIAN
        ]
        return max(vehicles or [v for v in plan.intergreen[group] if v != NO_CONFLICT] or [0])

    def _members(self, phase: int, *, pedestrian: bool) -> tuple[int, ...]:
        return tuple(
            number
            for number, group in enumerate(self.given.groups)
            if group.phase == phase and (group.kind is GroupKind.PEDESTRIAN) is pedestrian
        )

    def _phases_shown(self, stage: Stage) -> int:
        shown = {self.phase_of[group] for group in stage.protected}
        shown |= {self.phase_of[group] for group in stage.permissive} - self._shown
        return mask(shown - {0})

    def _rings(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        rings = tuple(
            tuple(tuple(self.phase_of[group] for group in side) for side in ring) for ring in self.given.rings
        )
        placed = [phase for ring in rings for side in ring for phase in side]
        if rings and sorted(placed) != list(self.numbers):
            raise self._fail(f"its rings run phases {placed}, its groups have {list(self.numbers)}")
        return rings

    def _ring_numbers(self) -> dict[int, int]:
        rings = enumerate(self.rings, start=1)
        found = {phase: number for number, ring in rings for side in ring for phase in side}
        for phase in () if self.rings else self.numbers:
            beside = self.all & ~self.conflicting(phase)
            taken = {ring for other, ring in found.items() if beside >> other - 1 & 1}
            found[phase] = next(number for number in range(1, MAX_PHASES + 1) if number not in taken)
        return found

    def _alone(self, stages: tuple[int, ...]) -> dict[int, Stage]:
        """A stage for each phase that none serves alone: what all stages with that phase have in common."""
        found: dict[int, Stage] = {}
        for phase in self.numbers:
            having = [
                stage
                for stage, shown in zip(self.given.stages, stages, strict=True)
                if shown >> phase - 1 & 1
            ]
            if not having or 1 << phase - 1 in stages:
                continue
            least = [min(stage.aspect(g) for stage in having) for g in range(len(self.phase_of))]
            protected = tuple(g for g, aspect in enumerate(least) if aspect is Aspect.GREEN)
            permissive = tuple(g for g, aspect in enumerate(least) if aspect is Aspect.PERMISSIVE)
            found[phase] = Stage(f"phase {phase} alone", protected, permissive)
        return found

    def _check_numbers(self) -> None:
        for group in self.given.groups:
            if not 0 <= group.phase <= MAX_PHASES:
                raise self._fail(f"group {group.name} has phase {group.phase}, phases are 1 to {MAX_PHASES}")
            if group.kind is GroupKind.PEDESTRIAN and not group.phase:
                raise self._fail(f"pedestrian group {group.name} has no phase; give it the one it walks with")
        if not any(group.phase for group in self.given.groups):
            raise self._fail("no group has a phase; give each its `phase`")

    def _check_stages(self, stages: tuple[int, ...]) -> None:
        names = [stage.name for stage in self.given.stages]
        for index, shown in enumerate(stages):
            if not shown:
                raise self._fail(f"stage {names[index]} has no phase; give one of its protected groups one")
            if stages.index(shown) != index:
                first = names[stages.index(shown)]
                raise self._fail(f"stages {first} and {names[index]} have the same phases; part them")

    def _fail(self, message: str) -> PlanError:
        return PlanError(f"junction {self.given.junction} cannot run in an NTCIP cabinet: {message}")


def mask(numbers: Iterable[int]) -> int:
    """Bit mask of numbers counted from 1."""
    found = 0
    for number in numbers:
        found |= 1 << number - 1
    return found


def numbers_in(shown: int) -> Iterator[int]:
    """The numbers of a mask, ascending."""
    while shown:
        lowest = shown & -shown
        yield lowest.bit_length()
        shown ^= lowest
