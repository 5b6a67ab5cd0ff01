"""Signal groups: the links of one approach and one kind that a program always shows the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stopline_envs.plans.movements import Movement, SignalMovements
from stopline_signals.plan import Aspect, GroupKind

SHOWS = {"G": Aspect.GREEN, **dict.fromkeys("goOs", Aspect.PERMISSIVE)}
"""State characters that let traffic go; a blinking or dark head gives way."""

HEAVIEST_FIRST = (GroupKind.VEHICLE, GroupKind.TRANSIT, GroupKind.CYCLIST, GroupKind.PEDESTRIAN)
"""Users that hang on one state character make a group of the first of these kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A signal group before its times are known; `members` index the signal's movements."""

    name: str
    kind: GroupKind
    approach: str
    members: tuple[int, ...]
    links: tuple[int, ...]
    column: tuple[str, ...]
    """What the program shows it, phase by phase."""

    @property
    def served(self) -> bool:
        """Whether the program ever lets it go."""
        return any(character in SHOWS for character in self.column)


def groups_of(signal: SignalMovements, states: Sequence[str]) -> tuple[Group, ...]:
    """The groups of a signal under a program's phase states, ordered by their first link."""
    columns = [part for cluster in _by_column(signal.movements, states) for part in _apart(signal, cluster)]
    clusters = _share_a_link(signal.movements, columns)
    ordered = sorted(clusters, key=lambda members: signal.movements[members[0]].link)
    groups: list[Group] = []
    names: set[str] = set()
    for members in ordered:
        group = _group(signal.movements, members, states, names)
        names.add(group.name)
        groups.append(group)
    return tuple(groups)


def _by_column(movements: Sequence[Movement], states: Sequence[str]) -> list[list[int]]:
    columns: dict[tuple[str, GroupKind, tuple[str, ...]], list[int]] = {}
    for index, movement in enumerate(movements):
        column = tuple(state[movement.link] for state in states)
        columns.setdefault((movement.approach, movement.kind, column), []).append(index)
    return list(columns.values())


def _apart(signal: SignalMovements, cluster: list[int]) -> list[list[int]]:
    """Split a cluster whose own movements cross or merge, by lane, then by movement: one can then wait."""
    if not _at_odds(signal, cluster):
        return [cluster]
    lanes: dict[str, list[int]] = {}
    for index in cluster:
        lanes.setdefault(signal.movements[index].connection.source, []).append(index)
    return [
        part
        for lane in lanes.values()
        for part in ([[index] for index in lane] if _at_odds(signal, lane) else [lane])
    ]


def _at_odds(signal: SignalMovements, cluster: list[int]) -> bool:
    return any(signal.foes[i][j] for i in cluster for j in cluster)


def _share_a_link(movements: Sequence[Movement], clusters: list[list[int]]) -> list[tuple[int, ...]]:
    """Join clusters whose movements hang on one state character: they cannot be told apart by the signal."""
    joined: list[set[int]] = []
    for cluster in clusters:
        links = {movements[index].link for index in cluster}
        touching = [other for other in joined if links & {movements[index].link for index in other}]
        joined = [other for other in joined if other not in touching]
        joined.append(set(cluster).union(*touching))
    return [tuple(sorted(members)) for members in joined]


def _group(
    movements: Sequence[Movement], members: tuple[int, ...], states: Sequence[str], taken: set[str]
) -> Group:
    own = [movements[index] for index in members]
    kinds = {movement.kind for movement in own}
    kind = next(kind for kind in HEAVIEST_FIRST if kind in kinds)
    approaches = list(dict.fromkeys(movement.approach for movement in own))
    return Group(
        name=_free(_name(own, kind, approaches), taken),
        kind=kind,
        approach=approaches[0],
        members=members,
        links=tuple(sorted({movement.link for movement in own})),
        column=tuple(state[own[0].link] for state in states),
    )


def _name(own: Sequence[Movement], kind: GroupKind, approaches: Sequence[str]) -> str:
    edge = "+".join(approach.lstrip(":") for approach in approaches)
    if kind is GroupKind.PEDESTRIAN:
        return edge
    turns = "".join(sorted({movement.connection.direction for movement in own}, key="lLstrR".find))
    suffix = {GroupKind.CYCLIST: ".bike", GroupKind.TRANSIT: ".tram"}
    return f"{edge}.{turns}{suffix.get(kind, '')}"


def _free(name: str, taken: set[str]) -> str:
    number = 2
    candidate = name
    while candidate in taken:
        candidate = f"{name}.{number}"
        number += 1
    return candidate


AspectMap = Mapping[int, Aspect]
"""Group index -> the green aspect it shows; groups not listed are red."""


class GroupConflicts:
    """Which groups conflict under which aspects."""

    def __init__(self, signal: SignalMovements, groups: Sequence[Group]) -> None:
        """Collect the foe pairs of movements between any two groups."""
        self._signal = signal
        self.groups = tuple(groups)
        count = range(len(self.groups))
        self.foe_pairs: dict[tuple[int, int], list[tuple[int, int]]] = {
            (i, j): pairs for i in count for j in count if i != j and (pairs := self._pairs(i, j))
        }

    def conflicts(self, first: int, second: int) -> bool:
        """Whether any movements of the groups cross or merge."""
        return (first, second) in self.foe_pairs

    def gives_way(self, first: int, second: int) -> bool:
        """Whether every movement of the first waits, while permissive, for those it meets in the second."""
        pairs = self.foe_pairs.get((first, second), [])
        return bool(pairs) and all(self._signal.gives_way[i][j] for i, j in pairs)

    def clash(self, aspects: AspectMap) -> tuple[int, int] | None:
        """The first pair of groups that conflict in a stage, if any."""
        shown = sorted(aspects)
        for position, first in enumerate(shown):
            for second in shown[position + 1 :]:
                if self._clash(first, aspects[first], second, aspects[second]) is not None:
                    return first, second
        return None

    def each_pair_settled(self, first: int, second: int) -> bool:
        """Whether one side waits wherever two permissive groups cross, if not the same side everywhere."""
        waits = self._signal.gives_way
        return all(waits[i][j] or waits[j][i] for i, j in self.foe_pairs.get((first, second), ()))

    def could_give_way(self, first: int, second: int) -> bool:
        """Whether the first may be made permissive against the second: only turns that give way."""
        pairs = self.foe_pairs.get((first, second), [])
        return self.gives_way(first, second) and all(self._signal.movements[i].turns for i, _ in pairs)

    def _clash(
        self, first: int, first_aspect: Aspect, second: int, second_aspect: Aspect
    ) -> tuple[int, int] | None:
        waits = self._signal.gives_way
        for i, j in self.foe_pairs.get((first, second), ()):
            if first_aspect is Aspect.PERMISSIVE and waits[i][j]:
                continue
            if second_aspect is Aspect.PERMISSIVE and waits[j][i]:
                continue
            return i, j
        return None

    def _pairs(self, first: int, second: int) -> list[tuple[int, int]]:
        foes = self._signal.foes
        return [(i, j) for i in self.groups[first].members for j in self.groups[second].members if foes[i][j]]
