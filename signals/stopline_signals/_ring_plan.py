"""A ring-barrier table as a signal plan."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

from stopline_signals._ring_program import program_of
from stopline_signals.plan import NO_CONFLICT, GroupKind, Recall, SignalGroup, SignalPlan, Stage
from stopline_signals.ring_barrier import Overlap, Phase, RingBarrier


class Member(NamedTuple):
    """One group of the plan: the phases it is green with, and what lets it be permissive."""

    group: SignalGroup
    base: frozenset[int]
    """Phases with which it is protected."""
    ways: frozenset[int]
    """Phases whose place in the ring says what it may run with: base, or those it is permissive with."""
    permissive_with: frozenset[int]
    yields_to: frozenset[int]
    clear: int
    """Row of the intergreen matrix."""

    @property
    def walks(self) -> bool:
        return self.group.kind is GroupKind.PEDESTRIAN


def plan_of(table: RingBarrier) -> SignalPlan:
    """Groups: phases by number, then their pedestrians, then overlaps."""
    phases = sorted(table.phases, key=lambda phase: phase.number)
    members = [_vehicle(table, phase) for phase in phases]
    members += [_pedestrian(table, phase) for phase in phases if phase.walk]
    members += [_overlap(table, overlap) for overlap in table.overlaps]
    together = tuple(tuple(_together(table, one, other) for other in members) for one in members)
    yields = tuple(
        tuple(not together[i][j] and _gives_way(members[i], members[j]) for j in range(len(members)))
        for i in range(len(members))
    )
    combinations = [phases for side in table.sides() for phases in _combinations(table, side)]
    stages = tuple(_stage(combination, members, together, yields) for combination in combinations)
    index = {phase.number: number for number, phase in enumerate(phases)}
    return SignalPlan(
        junction=table.junction,
        groups=tuple(member.group for member in members),
        stages=stages,
        intergreen=tuple(
            tuple(NO_CONFLICT if together[i][j] else members[i].clear for j in range(len(members)))
            for i in range(len(members))
        ),
        yields=yields,
        program=program_of(table, combinations),
        source=table.source,
        rings=tuple(tuple(tuple(index[n] for n in side) for side in ring) for ring in table.rings),
    )


def _vehicle(table: RingBarrier, phase: Phase) -> Member:
    own = frozenset({phase.number})
    return _member(table, phase, phase.label, phase.number, own)


def _overlap(table: RingBarrier, overlap: Overlap) -> Member:
    return _member(table, overlap, overlap.name, 0, frozenset(overlap.parents))


def _member(
    table: RingBarrier, movement: Phase | Overlap, name: str, number: int, base: frozenset[int]
) -> Member:
    group = SignalGroup(
        name=name,
        kind=movement.kind,
        min_green=movement.min_green,
        max_green=movement.max_green,
        max_red=movement.max_red,
        yellow=movement.yellow,
        approach=movement.approach,
        lanes=movement.lanes,
        links=movement.links,
        oncoming=tuple(table.phase(other).label for other in sorted(movement.gives_way_to)),
        passage=movement.passage,
        recall=Recall.NONE if movement.recall is Recall.PED else movement.recall,
        phase=number,
        speed=movement.speed,
        turn_speed=movement.turn_speed,
        grade=movement.grade,
        crossing=movement.crossing,
    )
    permissive = frozenset(movement.permissive_with)
    yields_to = frozenset(movement.gives_way_to)
    return Member(group, base, base or permissive, permissive, yields_to, movement.yellow + movement.red)


def _pedestrian(table: RingBarrier, phase: Phase) -> Member:
    group = SignalGroup(
        name=f"P{phase.number}",
        kind=GroupKind.PEDESTRIAN,
        max_red=phase.ped_max_red,
        walk=phase.walk,
        clearance=phase.ped_clear,
        approach=phase.approach,
        on_demand=True,
        links=phase.ped_links,
        recall=Recall.PED if phase.recall is Recall.PED else Recall.NONE,
        phase=phase.number,
        crossing=phase.ped_crossing,
    )
    own = frozenset({phase.number})
    clear = phase.ped_clear + max(table.ped_buffer, phase.yellow + phase.red)
    return Member(group, own, own, frozenset(), frozenset(), clear)


def _together(table: RingBarrier, one: Member, other: Member) -> bool:
    """Whether two groups may be protected at once: some phase of each that the whitelist lets run."""
    if one is other:
        return True
    only_turns = not (one.base and other.base)
    if only_turns and (one.yields_to & other.base or other.yields_to & one.base):
        return False
    return any(p == q or table.concurrent(p, q) for p in one.ways for q in other.ways)


def _gives_way(one: Member, other: Member) -> bool:
    """A turn yields to the phases it names, and two turns that are both permissive yield to each other."""
    return bool(one.yields_to & other.base or (one.permissive_with and other.permissive_with))


def _combinations(table: RingBarrier, side: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The largest sets of phases, one from each ring at most, that may run together on one side."""
    found: list[tuple[int, ...]] = []
    for choice in product(*([*ring, None] for ring in side)):
        phases = tuple(number for number in choice if number is not None)
        agree = all(table.concurrent(p, q) for p in phases for q in phases if p != q)
        if phases and agree:
            found.append(phases)
    return [phases for phases in found if not any(set(phases) < set(other) for other in found)]


def _stage(
    phases: tuple[int, ...],
    members: list[Member],
    together: tuple[tuple[bool, ...], ...],
    yields: tuple[tuple[bool, ...], ...],
) -> Stage:
    shown = frozenset(phases)
    protected = [index for index, member in enumerate(members) if member.base & shown]
    permissive: list[int] = []
    for index, member in enumerate(members):
        may = index not in protected and member.permissive_with & shown
        if may and _fits(index, [*protected, *permissive], together, yields):
            permissive.append(index)
    return Stage("+".join(map(str, phases)), tuple(protected), tuple(permissive))


def _fits(
    index: int,
    others: Iterable[int],
    together: tuple[tuple[bool, ...], ...],
    yields: tuple[tuple[bool, ...], ...],
) -> bool:
    """A turn is permissive only where it gives way to everything it crosses."""
    return all(together[index][other] or yields[index][other] for other in others)
