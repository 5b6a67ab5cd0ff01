"""Follows the lamps and says, phase by phase and overlap by overlap, what the status objects show."""

from __future__ import annotations

from typing import NamedTuple

from stopline_hil.ntcip.phases import Phases, mask, numbers_in
from stopline_signals.engine import EngineState
from stopline_signals.plan import Aspect

RED, YELLOW, PERMISSIVE, GREEN = map(int, Aspect)


class Shown(NamedTuple):
    """Masks of phases (and overlaps), phase 1 in bit 0; `ons` are green, yellow or in red clearance."""

    greens: int = 0
    yellows: int = 0
    reds: int = 0
    clearing: int = 0
    walks: int = 0
    ped_clears: int = 0
    dont_walks: int = 0
    overlap_greens: int = 0
    overlap_yellows: int = 0
    overlap_reds: int = 0

    @property
    def ons(self) -> int:
        """Phases that are on."""
        return self.greens | self.yellows | self.clearing


class PhaseLamps:
    """What the phases show, and since when; times in tenths.

    An arrow that flashes beside other phases is not its phase's green: those lamps belong to the other phase.
    A phase without vehicles is green while its stage is in force, walk or not.
    """

    def __init__(self, phases: Phases) -> None:
        self.shown = Shown(reds=phases.all, dont_walks=phases.all, overlap_reds=mask(phases.overlaps))
        self.since: dict[int, int] = dict.fromkeys(phases.numbers, 0)
        """Per phase, when its vehicle lamp changed last."""
        self._phases = phases
        self._own = [phases.own_phase(group) for group in range(len(phases.phase_of))]
        self._walking = mask(p for p in phases.numbers if not phases.vehicles[p])
        self._was_green = [False] * len(phases.phase_of)
        self._clear_until: dict[int, int] = {}
        self._seen: tuple[tuple[int, ...], int, bool] | None = None

    def observe(self, now: int, state: EngineState, red_clear: dict[int, int]) -> Shown:
        """Take in what all groups show at `now`; `red_clear` is per phase (tenths)."""
        aspects = state.aspects
        seen = (aspects, state.stage, state.in_transition)
        if seen == self._seen and not self.shown.clearing:
            return self.shown
        self._seen = seen
        colours = [self._colour(group, aspect) for group, aspect in enumerate(aspects)]
        before = self.shown
        phases = self._phases
        greens = mask(p for p in phases.numbers if any(colours[g] == GREEN for g in phases.vehicles[p]))
        yellows = mask(p for p in phases.numbers if any(colours[g] == YELLOW for g in phases.vehicles[p]))
        yellows &= ~greens
        in_force = phases.stages[state.stage] & self._walking
        greens |= in_force & (before.greens if state.in_transition else in_force)
        for phase in numbers_in((before.greens | before.yellows) & ~(greens | yellows)):
            self._clear_until[phase] = now + red_clear[phase]
        for phase in numbers_in((before.greens ^ greens) | (before.yellows ^ yellows)):
            self.since[phase] = now
        clearing = mask(p for p, until in self._clear_until.items() if until > now) & ~greens
        walks = self._pedestrians(aspects, PERMISSIVE, GREEN)
        clears = self._pedestrians(aspects, YELLOW, YELLOW) & ~walks
        overlap_greens = mask(n for n, g in phases.overlaps.items() if aspects[g] >= PERMISSIVE)
        overlap_yellows = mask(n for n, g in phases.overlaps.items() if aspects[g] == YELLOW)
        self.shown = Shown(
            greens=greens,
            yellows=yellows,
            reds=phases.all & ~greens & ~yellows,
            clearing=clearing & ~yellows,
            walks=walks,
            ped_clears=clears,
            dont_walks=phases.all & ~walks & ~clears,
            overlap_greens=overlap_greens,
            overlap_yellows=overlap_yellows,
            overlap_reds=mask(phases.overlaps) & ~overlap_greens & ~overlap_yellows,
        )
        return self.shown

    def clear_left(self, phase: int, now: int) -> int:
        """Tenths of red clearance the phase still has."""
        return max(0, self._clear_until.get(phase, now) - now)

    def _colour(self, group: int, aspect: int) -> int:
        """The lamp as its phase's: a flashing arrow and the yellow that ends it are red."""
        if aspect == GREEN or (aspect == PERMISSIVE and self._own[group]):
            self._was_green[group] = True
            return GREEN
        if aspect == YELLOW and self._was_green[group]:
            return YELLOW
        self._was_green[group] = False
        return RED

    def _pedestrians(self, aspects: tuple[int, ...], low: int, high: int) -> int:
        peds = self._phases.pedestrians
        return mask(p for p in self._phases.numbers if any(low <= aspects[g] <= high for g in peds[p]))
