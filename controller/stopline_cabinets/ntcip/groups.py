"""Where phases, pedestrian phases and overlaps meet groups and stages: the one place that knows both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stopline_cabinets.ntcip.desired import Asked
from stopline_cabinets.ntcip.masks import mask_of
from stopline_cabinets.words import DARK, NO_STAGE
from stopline_signals.errors import PlanError
from stopline_signals.plan import Aspect, GroupKind, SignalPlan


class Lamps(NamedTuple):
    """What all lamps show, as masks; `ons` are the phases in green, yellow or red clearance."""

    reds: int = 0
    yellows: int = 0
    greens: int = 0
    dont_walks: int = 0
    ped_clears: int = 0
    walks: int = 0
    ons: int = 0
    nexts: int = 0
    overlap_reds: int = 0
    overlap_yellows: int = 0
    overlap_greens: int = 0


class GroupMap:
    """Which phase, pedestrian phase or overlap each group of a plan is, and which phases each stage is.

    A group's `phase` says it; a vehicle group without one is an overlap, the first of them overlap 1 and so
    on. `phases` and `overlaps` (group name to number) say otherwise, for plans not made for NEMA cabinets.

    Raises:
        PlanError: a stage without a phase, two stages of the same phases, a name that is no group.
    """

    def __init__(
        self,
        plan: SignalPlan,
        *,
        phases: Mapping[str, int] | None = None,
        overlaps: Mapping[str, int] | None = None,
    ) -> None:
        self.plan = plan
        phases, overlaps = phases or {}, overlaps or {}
        for name in (*phases, *overlaps):
            plan.group_index(name)
        self.phase_of = tuple(
            0 if group.name in overlaps else phases.get(group.name, group.phase) for group in plan.groups
        )
        self.overlap_of = self._overlaps(overlaps)
        for group, phase, overlap in zip(plan.groups, self.phase_of, self.overlap_of, strict=True):
            if not phase and not overlap:
                raise PlanError(
                    f"junction {plan.junction}: pedestrian group {group.name} has no phase; give it one"
                )
        self.phases = mask_of(phase for phase in self.phase_of if phase)
        """All phases of the plan."""
        self._served = {self.phase_of[group] for stage in plan.stages for group in stage.protected} - {0}
        self.stage_phases = tuple(self._phases_of(index) for index in range(len(plan.stages)))
        """The phases of each stage, as masks."""
        self._check_stages()

    @property
    def highest_phase(self) -> int:
        """Highest phase number of the plan."""
        return max(self.phase_of)

    @property
    def highest_overlap(self) -> int:
        """Highest overlap number of the plan, 0 without overlaps."""
        return max(self.overlap_of)

    def aspects(self, lamps: Lamps) -> tuple[int, ...]:
        """What each group shows: an Aspect, or DARK."""
        shown = [self._own(group, lamps) for group in range(len(self.plan.groups))]
        now = self.stage_showing(lamps.greens)
        return tuple(self._turn(group, shown, now) for group in range(len(shown)))

    def phases_of(self, groups: int) -> Asked:
        """The phases and pedestrian phases of some groups (mask); overlaps have none."""
        phases = peds = 0
        for index, (group, phase) in enumerate(zip(self.plan.groups, self.phase_of, strict=True)):
            if groups >> index & 1 and phase:
                pedestrian = group.kind is GroupKind.PEDESTRIAN
                peds |= mask_of((phase,)) if pedestrian else 0
                phases |= 0 if pedestrian else mask_of((phase,))
        return Asked(phases, peds)

    def stage_showing(self, greens: int) -> int:
        """The stage whose phases are exactly the green ones, or NO_STAGE."""
        return self.stage_phases.index(greens) if greens in self.stage_phases else NO_STAGE

    def likely_stage(self, phases: int, preferred: int) -> int:
        """The stage that has the most of these phases and the fewest others; `preferred` on a tie."""
        return max(
            range(len(self.stage_phases)),
            key=lambda stage: (
                (self.stage_phases[stage] & phases).bit_count(),
                -(phases & ~self.stage_phases[stage]).bit_count(),
                stage == preferred,
                -stage,
            ),
        )

    def _overlaps(self, given: Mapping[str, int]) -> tuple[int, ...]:
        found: list[int] = []
        for group, phase in zip(self.plan.groups, self.phase_of, strict=True):
            free = not phase and group.kind is not GroupKind.PEDESTRIAN and group.name not in given
            found.append(given.get(group.name, 1 + sum(number > 0 for number in found) if free else 0))
        return tuple(found)

    def _phases_of(self, index: int) -> int:
        """Permissive groups count only where their phase has no protected group anywhere."""
        stage = self.plan.stages[index]
        phases = {self.phase_of[group] for group in stage.protected}
        phases |= {self.phase_of[group] for group in stage.permissive} - self._served
        return mask_of(phases - {0})

    def _check_stages(self) -> None:
        for index, stage in enumerate(self.plan.stages):
            mask = self.stage_phases[index]
            first = self.stage_phases.index(mask)
            if not mask or first != index:
                same = f"the same phases as stage {self.plan.stages[first].name}" if mask else "no phase"
                raise PlanError(
                    f"junction {self.plan.junction}: stage {stage.name} has {same} at an NTCIP cabinet; "
                    "give its groups phases in the plan, or phases and overlaps in the site file"
                )

    def _own(self, group: int, lamps: Lamps) -> int:
        """What the group's own lamps show, arrows that flash left out."""
        overlap, phase = self.overlap_of[group], self.phase_of[group]
        if overlap:
            masks = (lamps.overlap_greens, lamps.overlap_yellows, lamps.overlap_reds)
        elif self.plan.groups[group].kind is GroupKind.PEDESTRIAN:
            masks = (lamps.walks, lamps.ped_clears, lamps.dont_walks)
        else:
            masks = (lamps.greens, lamps.yellows, lamps.reds)
        bit = 1 << (overlap or phase) - 1
        if masks[0] & bit:
            return self._green(group, lamps.greens)
        return Aspect.YELLOW if masks[1] & bit else Aspect.RED if masks[2] & bit else DARK

    def _green(self, group: int, greens: int) -> int:
        """Protected or permissive: as the stage in force has it, else as the best one has it."""
        now = self.stage_showing(greens)
        if now != NO_STAGE and self.plan.stages[now].aspect(group) is not Aspect.RED:
            return self.plan.stages[now].aspect(group)
        return max((stage.aspect(group) for stage in self.plan.stages), default=Aspect.GREEN)

    def _turn(self, group: int, shown: list[int], now: int) -> int:
        """A turn whose own lamp is red flashes its arrow with the traffic it gives way to, and ends with it.

        The status objects do not show that arrow; where it flashes follows from the plan. In a stage (`now`)
        that has the turn red it does not, whoever it could give way to.
        """
        if shown[group] != Aspect.RED or not any(group in stage.permissive for stage in self.plan.stages):
            return shown[group]
        if now != NO_STAGE and group not in self.plan.stages[now].permissive:
            return Aspect.RED
        foes = [
            other
            for other, yields in enumerate(self.plan.yields[group])
            if yields and self.plan.groups[other].kind is not GroupKind.PEDESTRIAN
        ]
        best = max((shown[other] for other in foes), default=Aspect.RED)
        others_agree = all(
            shown[other] in (Aspect.RED, DARK) or other == group or self._agree(group, other)
            for other in range(len(shown))
        )
        if not others_agree or best in (Aspect.RED, DARK):
            return Aspect.RED
        return Aspect.YELLOW if best == Aspect.YELLOW else Aspect.PERMISSIVE

    def _agree(self, turn: int, other: int) -> bool:
        return self.plan.compatible(turn, Aspect.PERMISSIVE, other, Aspect.GREEN)


class Sight(NamedTuple):
    """Where a cabinet is in its stages, as `CabinetState` says it; times in tenths."""

    stage: int
    in_transition: bool
    settled_in: int
    elapsed: int


class StageWatch:
    """Tells from lamps over time which stage is in force or being entered."""

    def __init__(self, groups: GroupMap) -> None:
        self._groups = groups
        self._stage = NO_STAGE
        self._since = 0
        self._due = 0
        self._entering: bool = False

    def see(self, now: int, lamps: Lamps, target: int) -> Sight:
        """The stage now; `target` is the stage asked for, or NO_STAGE while the cabinet runs by itself."""
        stage, entering = self._where(lamps, target)
        if stage != self._stage or entering != self._entering:
            self._stage, self._entering, self._since = stage, entering, now
            self._due = now + self._clearance(lamps)
        if not entering:
            return Sight(stage, False, 0, now - self._since)
        return Sight(stage, True, max(self._due - now, 1), 0)

    def _where(self, lamps: Lamps, target: int) -> tuple[int, bool]:
        greens = lamps.greens
        exact = self._groups.stage_showing(greens)
        clearing = (lamps.ons | lamps.yellows) & ~greens
        if exact != NO_STAGE and not clearing:
            return exact, False
        if target != NO_STAGE and not greens & ~self._groups.stage_phases[target]:
            return target, True
        if not greens and not clearing and not lamps.nexts:
            # All red, as after start-up, leads to some stage; dark lamps lead nowhere.
            return (self._stage if self._stage != NO_STAGE else 0), bool(lamps.reds & self._groups.phases)
        coming = greens | (lamps.nexts if clearing or not greens else 0)
        likely = self._groups.likely_stage(coming, self._stage)
        # One phase alone, because nobody called its partner, is its stage in force.
        return likely, bool(clearing) or not greens or target != NO_STAGE

    def _clearance(self, lamps: Lamps) -> int:
        """The plan's time from now until what still shows has cleared for all groups of the stage."""
        plan = self._groups.plan
        shown = self._groups.aspects(lamps)
        return max(
            (
                plan.intergreen[ending][starting]
                for ending, aspect in enumerate(shown)
                for starting in plan.stages[self._stage].groups
                if aspect > Aspect.RED
            ),
            default=0,
        )
