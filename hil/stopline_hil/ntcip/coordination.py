"""Coordination: a pattern's splits as windows of the cycle, and what they mean for the rings.

The cycle begins with the first phase of every ring. A split contains green, yellow and red clearance. A
coordinated phase is held up to its force-off point; the others may gap out before theirs, and may begin only
while enough of their window is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from stopline_hil.ntcip.phases import Phases, mask

OMITTED = 7
IN_STEP_TENTHS = 20
Lookup = Callable[..., int]


class FreeStatus(IntEnum):
    """localFreeStatus."""

    OTHER = 1
    NOT_FREE = 2
    COMMAND_FREE = 3
    TRANSITION_FREE = 4
    INPUT_FREE = 5
    COORD_FREE = 6
    BAD_PLAN = 7
    BAD_CYCLE_TIME = 8
    SPLIT_OVERRUN = 9
    INVALID_OFFSET = 10
    FAILED = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A pattern ready to run; times in tenths, `force_off` and `begin` per phase within the cycle."""

    number: int
    cycle: int
    offset: int
    sequence: int
    begin: dict[int, int]
    force_off: dict[int, int]
    coordinated: int
    modes: dict[int, int]

    def local(self, now: int) -> int:
        """Where in its cycle it is at an absolute time."""
        return (now - self.offset) % self.cycle

    def until(self, phase: int, now: int) -> int:
        """Tenths to the phase's force-off point."""
        return (self.force_off[phase] - (now - self.offset)) % self.cycle

    def due(self, phase: int, since: int, now: int) -> bool:
        """Whether a force-off point has passed since the phase turned green."""
        return now - since >= (self.force_off[phase] - (since - self.offset)) % self.cycle

    def window(self, phase: int) -> int:
        """Length of the phase's green window."""
        return (self.force_off[phase] - self.begin[phase]) % self.cycle


def pattern_of(
    number: int, phases: Phases, order: tuple[tuple[tuple[int, ...], ...], ...], lookup: Lookup
) -> Pattern | FreeStatus:
    """Read a pattern out of the database (`lookup(name, *index)`), or say why it cannot run."""
    cycle, offset = 10 * lookup("patternCycleTime", number), 10 * lookup("patternOffsetTime", number)
    split = lookup("patternSplitNumber", number)
    if not order or not split:
        return FreeStatus.BAD_PLAN
    if offset >= cycle:
        return FreeStatus.INVALID_OFFSET if cycle else FreeStatus.BAD_CYCLE_TIME
    begin: dict[int, int] = {}
    force_off: dict[int, int] = {}
    at = 0
    for side in range(len(order[0])):
        ends: set[int] = set()
        for ring in order:
            start = at
            for phase in ring[side]:
                length = 10 * lookup("splitTime", split, phase)
                clear = lookup("phaseYellowChange", phase) + lookup("phaseRedClear", phase)
                omitted = lookup("splitMode", split, phase) == OMITTED
                if not omitted and length < 10 * lookup("phaseMinimumGreen", phase) + clear:
                    return FreeStatus.SPLIT_OVERRUN
                begin[phase], force_off[phase] = start, start + length - clear
                start += length
            if ring[side]:
                ends.add(start)
        if len(ends) > 1:
            return FreeStatus.BAD_PLAN
        at = max(ends, default=at)
    if at != cycle:
        return FreeStatus.BAD_CYCLE_TIME
    placed = [phase for ring in order for side in ring for phase in side]
    return Pattern(
        number=number,
        cycle=cycle,
        offset=offset,
        sequence=max(1, lookup("patternSequenceNumber", number)),
        begin=begin,
        force_off=force_off,
        coordinated=mask(phase for phase in placed if lookup("splitCoordPhase", split, phase)),
        modes={phase: lookup("splitMode", split, phase) for phase in placed},
    )


def local_splits(phases: Phases) -> dict[int, int]:
    """The splits (tenths) of the plan's fixed program; empty where splits cannot say what it does."""
    program = phases.given.program
    if program is None or not phases.rings:
        return {}
    found: dict[int, int] = {}
    steps = program.steps
    for index, step in enumerate(steps):
        following = steps[(index + 1) % len(steps)].green_at
        length = (following - step.green_at) % program.cycle or program.cycle
        for phase in phases.numbers:
            if phases.stages[step.stage] >> phase - 1 & 1:
                found[phase] = found.get(phase, 0) + length
    whole = all(length % 10 == 0 for length in found.values()) and set(found) == set(phases.numbers)
    each_ring = (sum(found.get(p, 0) for side in ring for p in side) for ring in phases.rings)
    fits = whole and all(total == program.cycle for total in each_ring) and program.cycle <= 2550
    return found if fits else {}
