"""NEMA ring-barrier tables: phases in rings between barriers, overlaps, permissive turns, a pattern.

`RingBarrier.plan()` is the same junction as a `SignalPlan`: every legal pair of ring phases is a stage,
yellow plus red clearance is a constant row of the intergreen matrix, a pedestrian phase is an on-demand group
beside its vehicle phase, and a flashing-yellow-arrow turn is permissive while its opposing through is green.

>>> from stopline_signals.ring_barrier import dual_ring
>>> plan = dual_ring("Main/1st").plan()
>>> [stage.name for stage in plan.stages]
['1+5', '1+6', '2+5', '2+6', '3+7', '3+8', '4+7', '4+8']
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stopline_signals.errors import PlanError
from stopline_signals.plan import GroupKind, Recall, SignalPlan

Rings = tuple[tuple[tuple[int, ...], ...], ...]
"""rings[r][b]: phase numbers of ring r between barriers b and b + 1, in the order in which they run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What phases and overlaps have in common; times in tenths, speeds m/s, `crossing` m.

    While a phase of `permissive_with` is green and it is not green itself, it is permissive (a flashing
    yellow arrow names its opposing through, a five-section head its own through) and gives way to the phases
    of `yields_to` (empty: those of `permissive_with`) and to their pedestrians.
    """

    name: str = ""
    kind: GroupKind = GroupKind.VEHICLE
    min_green: int = 50
    max_green: int = 600
    max_red: int = 1200
    passage: int = 30
    yellow: int = 30
    red: int = 20
    recall: Recall = Recall.NONE
    permissive_with: tuple[int, ...] = ()
    yields_to: tuple[int, ...] = ()
    approach: str = ""
    lanes: float = 1.0
    links: tuple[int, ...] = ()
    speed: float = 0.0
    turn_speed: float = 0.0
    grade: float = 0.0
    crossing: float = 0.0

    @property
    def gives_way_to(self) -> tuple[int, ...]:
        """Phases it yields to while permissive."""
        return self.yields_to or self.permissive_with


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase(Movement):
    """One NEMA phase; with a walk it has a pedestrian phase, whose group is called P and its number."""

    number: int
    walk: int = 0
    ped_clear: int = 0
    ped_crossing: float = 0.0
    ped_links: tuple[int, ...] = ()
    ped_max_red: int = 1200

    @property
    def label(self) -> str:
        """Name of the vehicle group."""
        return self.name or str(self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap(Movement):
    """A group that is green with any of its parent phases; with none it is a permissive turn only."""

    parents: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Pattern:
    """A coordination pattern in tenths; a split is green, yellow and red clearance of a phase together."""

    cycle: int
    offset: int
    splits: tuple[tuple[int, int], ...]
    """(phase, length), each ring adding up to the cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingBarrier:
    """A ring-barrier controller's programming.

    `concurrency` is the whitelist of phase pairs that may run together; empty means every pair of phases of
    different rings between the same barriers. `ped_buffer` is the least time (tenths) from the end of
    pedestrian clearance to conflicting traffic.

    Raises:
        PlanError: on a phase that is missing, in two places, or used against its ring and barrier.
    """

    junction: str
    rings: Rings
    phases: tuple[Phase, ...]
    overlaps: tuple[Overlap, ...] = ()
    concurrency: tuple[tuple[int, int], ...] = ()
    pattern: Pattern | None = None
    ped_buffer: int = 30
    source: str = ""
    _concurrent: frozenset[tuple[int, int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_concurrent", frozenset(self._whitelist()))
        self._check()

    def phase(self, number: int) -> Phase:
        """The phase of that number; PlanError names the ones there are."""
        for phase in self.phases:
            if phase.number == number:
                return phase
        known = ", ".join(str(phase.number) for phase in self.phases)
        raise self.fail(f"names phase {number}; it has {known}")

    def concurrent(self, first: int, second: int) -> bool:
        """Whether two phases may be green together."""
        return (first, second) in self._concurrent

    def sides(self) -> Iterator[list[tuple[int, ...]]]:
        """For each side of the barriers, what every ring runs there."""
        for side in range(len(self.rings[0])):
            yield [ring[side] for ring in self.rings]

    def plan(self) -> SignalPlan:
        """The junction as groups, stages, intergreens and yields; PlanError where it contradicts itself."""
        from stopline_signals._ring_plan import plan_of

        return plan_of(self)

    def fail(self, message: str) -> PlanError:
        """A PlanError that names the junction."""
        return PlanError(f"junction {self.junction}: ring-barrier table {message}")

    def _whitelist(self) -> Iterator[tuple[int, int]]:
        if len({len(ring) for ring in self.rings}) != 1 or not self.rings[0]:
            raise self.fail("must give every ring the same number of barrier sides, at least one")
        across = {(p, q) for side in self.sides() for p, q in _pairs_of_rings(side)}
        chosen = {pair for p, q in self.concurrency for pair in ((p, q), (q, p))} or across
        if wrong := sorted(chosen - across):
            raise self.fail(
                "lets phases {} and {} run together, which share a ring or a barrier parts".format(*wrong[0])
            )
        yield from chosen

    def _check(self) -> None:
        placed = [number for side in self.sides() for ring in side for number in ring]
        numbers = [phase.number for phase in self.phases]
        for count, what in ((placed, "rings"), (numbers, "phases")):
            if twice := sorted({number for number in count if count.count(number) > 1}):
                raise self.fail(f"has phase {twice[0]} twice in its {what}")
        if strays := sorted(set(placed) ^ set(numbers)):
            raise self.fail(f"has phase {strays[0]} in its rings or among its phases, but not in both")
        for movement in (*self.phases, *self.overlaps):
            named = {*movement.permissive_with, *movement.yields_to}
            parents = movement.parents if isinstance(movement, Overlap) else ()
            for number in (*named, *parents):
                self.phase(number)
            if isinstance(movement, Overlap) and not (movement.name and (parents or named)):
                raise self.fail("has an overlap without a name, or without parents and permissive_with")
            if isinstance(movement, Phase):
                self._check_turn(movement)

    def _check_turn(self, phase: Phase) -> None:
        for other in phase.gives_way_to:
            if other == phase.number or self.concurrent(phase.number, other):
                raise self.fail(f"makes phase {phase.number} give way to {other}, which may run with it")


def dual_ring(
    junction: str,
    phases: Iterable[Phase] = (),
    *,
    overlaps: Iterable[Overlap] = (),
    pattern: Pattern | None = None,
    source: str = "",
) -> RingBarrier:
    """The standard eight-phase table, with the phases given in place of the defaults.

    Odd phases are lefts; 1-4 is ring 1, 5-8 ring 2, the barriers stand after 2 and 6 and after 4 and 8.
    """
    given = {phase.number: phase for phase in phases}
    return RingBarrier(
        junction=junction,
        rings=(((1, 2), (3, 4)), ((5, 6), (7, 8))),
        phases=tuple(given.get(number) or Phase(number=number) for number in range(1, 9)),
        overlaps=tuple(overlaps),
        pattern=pattern,
        source=source,
    )


def _pairs_of_rings(side: list[tuple[int, ...]]) -> Iterator[tuple[int, int]]:
    for r, ring in enumerate(side):
        for other, phases in enumerate(side):
            if r != other:
                yield from ((p, q) for p in ring for q in phases)
