"""Phase numbers for plans that were not made for NEMA cabinets."""

from __future__ import annotations

from dataclasses import replace

from stopline_hil.ntcip.phases import MAX_PHASES
from stopline_signals.errors import PlanError
from stopline_signals.plan import GroupKind, SignalPlan


def with_phases(plan: SignalPlan) -> SignalPlan:
    """The plan as it is when it has phases, else with a phase for each stage or, failing that, each group.

    By stage: stage 1 is phase 1 and so on, in one ring; a vehicle group of several stages becomes an overlap.
    By group: every vehicle group is a phase of its own. Crossings walk with the phase of the same stages,
    else they are phases without vehicles.

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
    _make_overlaps(plan, phases)
    peds = [g for g, group in enumerate(plan.groups) if group.kind is GroupKind.PEDESTRIAN]
    owners = [
        [g for g, phase in enumerate(phases) if phase == n and g not in peds]
        for n in range(1, len(plan.stages) + 1)
    ]
    if not all(owners):
        return None
    alone = _give_own_phases(plan, phases, peds, len(plan.stages))
    if max(phases) > MAX_PHASES:
        return None
    rings = () if alone else (tuple((found[0],) for found in owners),)
    return _assigned(replace(plan, rings=rings), phases)


def _by_group(plan: SignalPlan) -> SignalPlan:
    vehicles = [g for g, group in enumerate(plan.groups) if group.kind is not GroupKind.PEDESTRIAN]
    phases = [0] * len(plan.groups)
    for number, group in enumerate(vehicles, start=1):
        phases[group] = number
    _make_overlaps(plan, phases)
    used = sorted({phase for phase in phases if phase})
    phases = [used.index(phase) + 1 if phase else 0 for phase in phases]
    crossings = [g for g, group in enumerate(plan.groups) if group.kind is GroupKind.PEDESTRIAN]
    for group in crossings:
        phases[group] = _beside(plan, group, vehicles, phases)
    _give_own_phases(plan, phases, crossings, len(used))
    if max(phases) > MAX_PHASES:
        raise _refusal(plan, f"it would take {max(phases)} phases, a controller has {MAX_PHASES}")
    shown = _shown(plan, phases)
    for index, stage in enumerate(shown):
        if not stage or shown.index(stage) != index:
            raise _refusal(plan, f"stage {plan.stages[index].name} has no protected group of its own")
    return _assigned(plan, phases)


def _make_overlaps(plan: SignalPlan, phases: list[int]) -> None:
    """Turn groups with a flashing arrow into overlaps, whose lamps can be seen, where stages stay apart."""
    for group in sorted({group for stage in plan.stages for group in stage.permissive}):
        phase, phases[group] = phases[group], 0
        shown = _shown(plan, phases)
        if phase and (not all(shown) or len(set(shown)) < len(shown)):
            phases[group] = phase


def _shown(plan: SignalPlan, phases: list[int]) -> list[frozenset[int]]:
    """The phases of each stage."""
    return [frozenset(phases[g] for g in stage.protected if phases[g]) for stage in plan.stages]


def _give_own_phases(plan: SignalPlan, phases: list[int], crossings: list[int], taken: int) -> bool:
    """Number the crossings that have no phase yet, those of the same stages alike; whether there were any."""
    found: dict[frozenset[int], int] = {}
    for group in crossings:
        if not phases[group]:
            phases[group] = found.setdefault(_stages_of(plan, group), taken + len(found) + 1)
    return bool(found)


def _only_stage(plan: SignalPlan, group: int) -> int:
    """The one stage in which the group is protected (0-based), -1 when there are none or several."""
    found = [index for index, stage in enumerate(plan.stages) if group in stage.protected]
    return found[0] if len(found) == 1 else -1


def _beside(plan: SignalPlan, crossing: int, vehicles: list[int], phases: list[int]) -> int:
    """The phase of a vehicle group that is green in the very stages of a crossing, 0 when there is none."""
    own = _stages_of(plan, crossing)
    return next((phases[g] for g in vehicles if own == _stages_of(plan, g, protected=True)), 0)


def _stages_of(plan: SignalPlan, group: int, *, protected: bool = False) -> frozenset[int]:
    """Stages in which a group is green."""
    return frozenset(
        index
        for index, stage in enumerate(plan.stages)
        if group in (stage.protected if protected else stage.groups)
    )


def _assigned(plan: SignalPlan, phases: list[int]) -> SignalPlan:
    groups = (replace(group, phase=phase) for group, phase in zip(plan.groups, phases, strict=True))
    return replace(plan, groups=tuple(groups))


def _refusal(plan: SignalPlan, why: str) -> PlanError:
    return PlanError(
        f"junction {plan.junction}: phases for an NTCIP cabinet cannot be made up: {why}; "
        "give the groups `phase` in the plan, or the junction a Modbus cabinet"
    )
