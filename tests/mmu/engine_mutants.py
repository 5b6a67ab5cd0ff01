"""Faults of the rule book itself, and of the plan it was given: the monitor must see each on the lamps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from stopline_mmu import Card, Rule
from stopline_signals import NO_CONFLICT, Engine, EngineState, SignalPlan, Stage
from stopline_signals.transition import PERMISSIVE, RED, YELLOW, Transitions
from tests.mmu.driven_lamps import Row, driven, from_to


@dataclass(frozen=True, slots=True)
class Break:
    """A method of engine or transitions, and what it is replaced by.

    `way` are two stages of the dual ring between which it shows; random requests show the others.
    """

    name: str
    owner: type
    method: str
    broken: Any
    rules: frozenset[Rule]
    way: tuple[int, int] | None = None


def _half_ending(self: Any, group: int, end: int) -> list[tuple[int, int, int]]:
    half = self._changes[group] // 2
    return [(end, group, YELLOW), (end + half, group, RED)]


def _no_ending(self: Any, group: int, end: int) -> list[tuple[int, int, int]]:
    return [(end, group, RED)]


def _forgetful(self: Any, *lamps: Any) -> Any:
    """Schedules as if nobody had been green before."""
    stage, aspects, _, calls, now, *_ = lamps
    return COMPUTED(self, stage, aspects, (-9999,) * len(aspects), calls, now, ())


def _second_too_soon(self: Any, *lamps: Any) -> int:
    return int(max(EARLIEST(self, *lamps) - 10, lamps[3]))


def _greens_untouched(self: Any, aspects: Any, wanted: Any) -> list[int]:
    return [g for g, aspect in enumerate(aspects) if aspect >= PERMISSIVE and wanted[g] < aspect]


def _older_greens(self: Any, state: EngineState) -> int:
    return int(LEGAL(self, state._replace(since=tuple(since - 40 for since in state.since))))


def _at_once(self: Any, *lamps: Any) -> int:
    return int(lamps[3])


def _late(self: Any, ending: Any, aspects: Any, starts: Any, now: int) -> dict[int, int]:
    return {g: max(now, end + 20) for g, end in LATE(self, ending, aspects, starts, now).items()}


COMPUTED: Any = Transitions._computed
EARLIEST: Any = Transitions._earliest_start
LATE: Any = Transitions._late_ends
LEGAL: Any = Engine.legal


def _breaks() -> Iterator[Break]:
    def fault(
        name: str, owner: type, method: str, broken: Any, *rules: Rule, way: tuple[int, int] | None = None
    ) -> Break:
        return Break(name, owner, method, broken, frozenset(rules), way)

    changes = Transitions
    yield fault("yellow and clearance halved", changes, "ending", _half_ending, Rule.SHORT_YELLOW)
    yield fault("yellow and clearance skipped", changes, "ending", _no_ending, Rule.SKIPPED_YELLOW)
    yield fault("every stage legal at once", Engine, "legal", lambda self, state: -1, Rule.SHORT_GREEN)
    yield fault("greens four seconds short", Engine, "legal", _older_greens, Rule.SHORT_GREEN)
    yield fault("starts wait for nobody", changes, "_earliest_start", _at_once, Rule.CLEARANCE, Rule.CONFLICT)
    yield fault("clearances a second short", changes, "_earliest_start", _second_too_soon, Rule.CLEARANCE)
    yield fault("past greens forgotten", changes, "_computed", _forgetful, Rule.CLEARANCE, Rule.CONFLICT)
    yield fault("turns trapped", changes, "ending_groups", _greens_untouched, Rule.YELLOW_TRAP, way=(3, 8))
    yield fault("greens two seconds late", changes, "_late_ends", _late, Rule.CLEARANCE, Rule.CONFLICT)
    yield fault(
        "walks begin at once", changes, "ready_at", lambda self, *lamps: 0, Rule.YELLOW_TO_GREEN, way=(3, 0)
    )


BREAKS = tuple(_breaks())


@contextmanager
def broken(fault: Break) -> Iterator[None]:
    """The rule book with one method replaced."""
    sound = getattr(fault.owner, fault.method)
    setattr(fault.owner, fault.method, fault.broken)
    try:
        yield
    finally:
        setattr(fault.owner, fault.method, sound)


def driven_broken(fault: Break, plan: SignalPlan, tenths: int) -> list[Row]:
    """The lamps a broken rule book shows."""
    with broken(fault):
        return driven(plan, tenths) if fault.way is None else from_to(plan, *fault.way)


def conflicting_pairs(card: Card) -> list[tuple[int, int]]:
    """Pairs that may never be green together, each once."""
    free = card.compatible | card.yields
    count = range(len(card.channels))
    return [(i, j) for i in count for j in range(i) if not {(i, j), (j, i)} & free]


def conflict_forgotten(plan: SignalPlan, i: int, j: int) -> list[Row]:
    """Lamps of a plan whose matrix has one conflict missing, and a stage that makes use of it."""
    return from_to(_two_stages(plan, i, j, NO_CONFLICT, Stage("both", (min(i, j), max(i, j)))), 0, 1)


def all_red_forgotten(plan: SignalPlan, i: int, j: int) -> list[Row]:
    """Lamps of a plan whose matrix lets j follow right after the change interval of i."""
    return from_to(_two_stages(plan, i, j, plan.groups[i].change, Stage("j", (j,))), 0, 1)


def _two_stages(plan: SignalPlan, i: int, j: int, value: int, second: Stage) -> SignalPlan:
    both = (i, j), (j, i)
    matrix = tuple(
        tuple(
            value if (a, b) == both[0] or (value < 0 and (a, b) in both) else old for b, old in enumerate(row)
        )
        for a, row in enumerate(plan.intergreen)
    )
    groups = tuple(replace(group, on_demand=False, oncoming=()) for group in plan.groups)
    nobody = tuple((False,) * len(groups) for _ in groups)
    stages = (Stage("i", (i,)), second)
    bare = replace(plan, groups=groups, stages=stages, intergreen=matrix, yields=nobody, preempts=())
    return replace(bare, red_revert=0)
