"""Synchro's UTDF: the combined CSV file with Network, Nodes, Links, Lanes, Timeplans and Phases.

`plans_from_utdf` makes a plan of every signal in the file, `ring_barriers_from_utdf` keeps the ring-barrier
form, and `utdf_from_ring_barriers` writes one. Speeds are miles per hour unless the file says metric.
"""

from __future__ import annotations

from collections.abc import Iterable

from stopline_signals._utdf_groups import overlaps_of, phases_of
from stopline_signals._utdf_sheets import Sheet, sheets_of
from stopline_signals._utdf_writer import utdf_from_ring_barriers
from stopline_signals.errors import PlanError
from stopline_signals.plan import SignalPlan
from stopline_signals.ring_barrier import Pattern, RingBarrier, Rings

__all__ = ["plans_from_utdf", "ring_barriers_from_utdf", "utdf_from_ring_barriers"]


def plans_from_utdf(text: str, where: str = "utdf") -> dict[str, SignalPlan]:
    """A plan for every signal of a UTDF file by its INTID.

    Raises:
        PlanError: what cannot be read, with the section, record and intersection.
    """
    plans: dict[str, SignalPlan] = {}
    for name, table in ring_barriers_from_utdf(text, where).items():
        try:
            plans[name] = table.plan()
        except PlanError as error:
            raise PlanError(f"{where}, intersection {name}: {error}") from None
    return plans


def ring_barriers_from_utdf(text: str, where: str = "utdf") -> dict[str, RingBarrier]:
    """The ring-barrier table of every intersection that has phases."""
    return {sheet.node: _ring_barrier(sheet, where) for sheet in sheets_of(text, where)}


def _ring_barrier(sheet: Sheet, where: str) -> RingBarrier:
    phases = phases_of(sheet)
    rings = _rings(sheet, [phase.number for phase in phases])
    return RingBarrier(
        junction=sheet.node,
        rings=rings,
        phases=phases,
        overlaps=overlaps_of(sheet),
        pattern=_pattern(sheet, rings),
        source=f"{where}, intersection {sheet.node}",
    )


def _rings(sheet: Sheet, numbers: Iterable[int]) -> Rings:
    """BRP gives every phase its barrier, ring and position as three digits."""
    places: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for number in numbers:
        digits = sheet.phase("BRP", number)
        if len(digits) != 3 or not digits.isdecimal():
            raise sheet.fail(
                "Phases", "BRP", f"phase {number} has {digits!r}, not barrier, ring and position"
            )
        barrier, ring, position = map(int, digits)
        places.setdefault((ring, barrier), []).append((position, number))
    barriers = sorted({barrier for _, barrier in places})
    return tuple(
        tuple(tuple(number for _, number in sorted(places.get((ring, barrier), []))) for barrier in barriers)
        for ring in sorted({ring for ring, _ in places})
    )


def _pattern(sheet: Sheet, rings: Rings) -> Pattern | None:
    """Cycle and splits from Start and End, which count from the master clock's zero."""
    cycle = sheet.plan_time("Cycle Length")
    if not cycle:
        return None
    first = next(side[0] for ring in rings for side in ring[:1] if side)
    splits: list[tuple[int, int]] = []
    for number in (number for ring in rings for side in ring for number in side):
        start, end = sheet.phase_time("Start", number), sheet.phase_time("End", number)
        if start is None or end is None:
            return None
        splits.append((number, (end - start) % cycle or cycle))
    start = sheet.phase_time("Start", first)
    return None if start is None else Pattern(cycle, start % cycle, tuple(sorted(splits)))
