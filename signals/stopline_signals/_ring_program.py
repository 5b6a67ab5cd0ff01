"""A coordination pattern as a fixed program over the stages of a ring-barrier table."""

from __future__ import annotations

from typing import NamedTuple

from stopline_signals.plan import FixedProgram, ProgramStep
from stopline_signals.ring_barrier import Pattern, RingBarrier


class Split(NamedTuple):
    """When a phase has its turn, in tenths of the cycle; `end` is also when the next one is to be green."""

    phase: int
    start: int
    end: int


def program_of(table: RingBarrier, combinations: list[tuple[int, ...]]) -> FixedProgram | None:
    """The pattern as steps; None without one.

    A ring that follows the other sooner than a phase can clear changes together with it.

    Raises:
        PlanError: a ring misses a split or does not add up to the barriers and the cycle.
    """
    pattern = table.pattern
    if pattern is None:
        return None
    splits = _splits(table, pattern)
    times = sorted({split.start for split in splits})
    found: list[ProgramStep] = []
    for position, start in enumerate(times):
        until = times[position + 1] if position + 1 < len(times) else pattern.cycle
        ending = [split.phase for split in splits if split.end == until]
        clear = max(table.phase(number).yellow + table.phase(number).red for number in ending)
        runs = {split.phase for split in splits if split.start <= start < split.end}
        if until - start >= clear or not found:
            found.append(ProgramStep(_serving(combinations, runs), start))
    return FixedProgram(pattern.cycle, pattern.offset, tuple(found))


def _splits(table: RingBarrier, pattern: Pattern) -> list[Split]:
    lengths = dict(pattern.splits)
    found: list[Split] = []
    start = 0
    for number, side in enumerate(table.sides()):
        missing = [phase for ring in side for phase in ring if lengths.get(phase, 0) <= 0]
        if missing:
            raise table.fail(f"pattern has no split for phase {missing[0]}")
        ends = {start + sum(lengths[phase] for phase in ring) for ring in side if ring}
        if len(ends) > 1:
            raise table.fail(f"pattern: the splits of the rings differ at barrier {number + 1}")
        for ring in side:
            at = start
            for phase in ring:
                found.append(Split(phase, at, at + lengths[phase]))
                at += lengths[phase]
        start = max(ends, default=start)
    if start != pattern.cycle:
        raise table.fail(f"pattern: the splits add up to {start} tenths, the cycle is {pattern.cycle}")
    return found


def _serving(combinations: list[tuple[int, ...]], runs: set[int]) -> int:
    """The stage that has all the running phases, or most of them where the whitelist parts them."""
    scores = [len(runs & set(combination)) for combination in combinations]
    return scores.index(max(scores))
