"""The small junctions the exhaustive search runs on: every conflict graph on up to four groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations, permutations
from typing import NamedTuple

from stopline_signals import NO_CONFLICT, GroupKind, SignalGroup, SignalPlan, Stage

Edges = frozenset[tuple[int, int]]
NO_EDGES: Edges = frozenset()


class Times(NamedTuple):
    """Intervals of a plan in ticks; `clear` is what the intergreen adds to the change interval."""

    green: int
    change: int
    clear: int
    max_red: int = 10


def conflict_graphs(most: int = 4) -> Iterator[tuple[int, Edges]]:
    """Every conflict graph on one to `most` groups, one of each isomorphism class, fewest edges first."""
    for count in range(1, most + 1):
        pairs = list(combinations(range(count), 2))
        seen: set[Edges] = set()
        for size in range(len(pairs) + 1):
            for edges in combinations(pairs, size):
                form = _canonical(count, frozenset(edges))
                if form not in seen:
                    seen.add(form)
                    yield count, form


def plain(count: int, edges: Edges, times: Times) -> SignalPlan:
    """Vehicles only; the stages are the maximal compatible sets."""
    groups = tuple(
        SignalGroup(name=f"g{g}", min_green=times.green, yellow=times.change, max_red=times.max_red)
        for g in range(count)
    )
    stages = tuple(Stage(_name(members), members) for members in _maximal(count, edges))
    return _plan(count, edges, groups, stages, times)


def permissive(count: int, edges: Edges, times: Times, turn: tuple[int, int]) -> SignalPlan:
    """Group `turn[0]` may also run permissive beside `turn[1]`, its oncoming traffic."""
    base = plain(count, edges, times)
    gives_way, other = turn
    relaxed = edges - {turn, (other, gives_way)}
    stages = list(base.stages)
    for members in _maximal(count, relaxed):
        if gives_way in members and other in members:
            protected = tuple(g for g in members if g != gives_way)
            stages.append(Stage(f"{_name(protected)}({gives_way})", protected, (gives_way,)))
    groups = tuple(
        replace(group, oncoming=(f"g{other}",) if g == gives_way else ())
        for g, group in enumerate(base.groups)
    )
    yields = tuple(tuple((i, j) == turn for j in range(count)) for i in range(count))
    return replace(base, groups=groups, stages=tuple(stages), yields=yields)


def crossing(base: SignalPlan, group: int) -> SignalPlan:
    """The same junction with one group turned into an on-demand pedestrian crossing."""
    vehicle = base.groups[group]
    walk = SignalGroup(
        name=vehicle.name,
        kind=GroupKind.PEDESTRIAN,
        walk=vehicle.min_green,
        clearance=vehicle.yellow,
        max_red=vehicle.max_red,
        on_demand=True,
    )
    return replace(base, groups=tuple(walk if g == group else spec for g, spec in enumerate(base.groups)))


def mixed(base: SignalPlan) -> SignalPlan:
    """The same junction with intervals of 1 to 3 ticks that differ from group to group and pair to pair."""
    groups: list[SignalGroup] = []
    for g, group in enumerate(base.groups):
        minimum, change = 1 + g % 3, 1 + (g + 1) % 3
        if group.on_demand:
            groups.append(replace(group, walk=minimum, clearance=change, max_red=10 - g))
        else:
            groups.append(replace(group, min_green=minimum, yellow=change, max_red=10 - g))
    matrix = tuple(
        tuple(
            value if value == NO_CONFLICT else groups[i].change + (i + 2 * j) % 3
            for j, value in enumerate(row)
        )
        for i, row in enumerate(base.intergreen)
    )
    return replace(base, groups=tuple(groups), intergreen=matrix, red_revert=2)


def orbits(count: int, edges: Edges, choices: Iterable[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """The choices of groups that differ by more than a symmetry of the graph."""
    symmetries = [p for p in permutations(range(count)) if _renamed(edges, p) == edges]
    seen: set[tuple[int, ...]] = set()
    for choice in choices:
        form = min(tuple(p[g] for g in choice) for p in symmetries)
        if form not in seen:
            seen.add(form)
            yield choice


def _plan(
    count: int, edges: Edges, groups: tuple[SignalGroup, ...], stages: tuple[Stage, ...], times: Times
) -> SignalPlan:
    owed = times.change + times.clear
    matrix = tuple(
        tuple(owed if (min(i, j), max(i, j)) in edges else NO_CONFLICT for j in range(count))
        for i in range(count)
    )
    nobody = tuple((False,) * count for _ in range(count))
    return SignalPlan(
        junction=f"{count}:{_name(e for pair in sorted(edges) for e in pair)}",
        groups=groups,
        stages=stages,
        intergreen=matrix,
        yields=nobody,
        red_revert=times.clear,
        startup_red=0,
    )


def _maximal(count: int, edges: Edges) -> list[tuple[int, ...]]:
    """The maximal sets without an edge inside, in lexicographic order."""
    free = [
        set(members)
        for size in range(1, count + 1)
        for members in combinations(range(count), size)
        if not any(pair in edges or pair[::-1] in edges for pair in combinations(members, 2))
    ]
    return sorted(tuple(sorted(one)) for one in free if not any(one < other for other in free))


def _canonical(count: int, edges: Edges) -> Edges:
    return min((_renamed(edges, p) for p in permutations(range(count))), key=sorted)


def _renamed(edges: Edges, names: tuple[int, ...]) -> Edges:
    return frozenset((min(names[i], names[j]), max(names[i], names[j])) for i, j in edges)


def _name(members: Iterable[int]) -> str:
    return "".join(map(str, members)) or "-"
