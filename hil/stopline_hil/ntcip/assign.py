"""Phase numbers for plans that were not made for NEMA cabinets."""

from __future__ import annotations

from dataclasses import replace

from stopline_hil.ntcip.phases import MAX_PHASES
from stopline_signals.errors import PlanError
from stopline_signals.plan import Aspect, GroupKind, SignalPlan


def with_phases(plan: SignalPlan) -> SignalPlan:
    """The plan as it is when it has phases, else with a phase for each stage or, failing that, each group.

    By stage: stage 1 is phase 1 and so on, in one ring; a group of several stages becomes an overlap. By
    group: every vehicle group is a phase of its own. Crossings walk with a phase of the same stages.

    Raises:
        PlanError: neither way keeps the stages apart with 16 phases; names what stands in the way.
    """
    if any(group.phase for group in plan.groups):
        return plan
    return _by_stage(plan) or _by_group(plan)


def _by_stage(plan: SignalPlan) -> SignalPlan | None:
    if not 2 <= len(plan.stages) <= MAX_PHASES:
        return None
    phases = [_only_stage(plan, group) + 1 for group in range(len(plan.groups))]
    shown = [{phases[group] for group in stage.protected} - {0} for stage in plan.stages]
    peds = [g for g, group in enumerate(plan.groups) if group.kind is GroupKind.PEDESTRIAN]
    if any(not phases[g] for g in peds) or shown != [{n + 1} for n in range(len(shown))]:
        return None
    vehicles = [
        [g for g, phase in enumerate(phases) if phase == n + 1 and g not in peds] for n in range(len(shown))
    ]
    if not all(vehicles):
        return None
    return _assigned(replace(plan, rings=(tuple((found[0],) for found in vehicles),)), phases)


def _by_group(plan: SignalPlan) -> SignalPlan:
    vehicles = [g for g, group in enumerate(plan.groups) if group.kind is not GroupKind.PEDESTRIAN]
    if len(vehicles) > MAX_PHASES:
        raise _refusal(plan, f"it has {len(vehicles)} vehicle groups, a controller {MAX_PHASES} phases")
    phases = [0] * len(plan.groups)
    for number, group in enumerate(vehicles, start=1):
        phases[group] = number
    for group in range(len(plan.groups)):
        if not phases[group]:
            phases[group] = _beside(plan, group, vehicles, phases)
    shown = [frozenset(phases[g] for g in stage.protected) for stage in plan.stages]
    for index, stage in enumerate(shown):
        if not stage or shown.index(stage) != index:
            raise _refusal(plan, f"stage {plan.stages[index].name} has no protected group of its own")
    return _assigned(plan, phases)


def _only_stage(plan: SignalPlan, group: int) -> int:
    """The one stage in which the group is protected (0-based), -1 when there are none or several."""
    found = [index for index, stage in enumerate(plan.stages) if group in stage.protected]
    return found[0] if len(found) == 1 else -1


def _beside(plan: SignalPlan, crossing: int, vehicles: list[int], phases: list[int]) -> int:
    """The phase a crossing walks with: a vehicle group green in all its stages, and in the fewest others."""
    own = {i for i, stage in enumerate(plan.stages) if stage.aspect(crossing) is not Aspect.RED}
    served = {g: {i for i, stage in enumerate(plan.stages) if g in stage.protected} for g in vehicles}
    fitting = [g for g in vehicles if own <= served[g]]
    if not own or not fitting:
        raise _refusal(plan, f"crossing {plan.groups[crossing].name} walks with no vehicle group")
    return phases[min(fitting, key=lambda g: (len(served[g]), g))]


def _assigned(plan: SignalPlan, phases: list[int]) -> SignalPlan:
    groups = (replace(group, phase=phase) for group, phase in zip(plan.groups, phases, strict=True))
    return replace(plan, groups=tuple(groups))


def _refusal(plan: SignalPlan, why: str) -> PlanError:
    return PlanError(
        f"junction {plan.junction}: phases for an NTCIP cabinet cannot be made up: {why}; "
        "give the groups `phase` in the plan, or the junction a Modbus cabinet"
    )
