"""Actuated control of the phases: calls, gaps, maxima, force-offs, holds and omits, free or in a pattern."""

from __future__ import annotations

from stopline_hil.ntcip.controls import Controls
from stopline_hil.ntcip.coordination import Pattern
from stopline_hil.ntcip.database import Database
from stopline_hil.ntcip.defaults import DUAL_ENTRY, MAX_RECALL, MIN_RECALL, PED_RECALL, SOFT_RECALL
from stopline_hil.ntcip.hires import Code
from stopline_hil.ntcip.lamps import PhaseLamps
from stopline_hil.ntcip.phases import Phases, mask, numbers_in
from stopline_hil.ntcip.sensors import Sensors
from stopline_hil.ntcip.sequence import Order, RingSequence, Sequence, StageSequence
from stopline_signals.engine import KEEP, EngineState

EXTERNAL_MIN_RECALL = 1 << 2
"""Bit of unitControl."""
MAX_INHIBIT, MAX_2 = 4, 3
"""coordMaximumMode."""
SPLIT_MIN_RECALL, SPLIT_MAX_RECALL, SPLIT_PED_RECALL, SPLIT_BOTH, SPLIT_OMIT = 3, 4, 5, 6, 7


class Actuation:
    """Decides which stage is wanted; masks are phases, times tenths."""

    def __init__(self, phases: Phases, database: Database, controls: Controls, sensors: Sensors) -> None:
        self._phases = phases
        self._database = database
        self._controls = controls
        self._sensors = sensors
        self._conflicting = {phase: phases.conflicting(phase) for phase in phases.numbers}
        self._on_demand = {
            phase: tuple(g for g in phases.pedestrians[phase] if phases.given.groups[g].on_demand)
            for phase in phases.numbers
        }
        self._walkable = mask(phase for phase in phases.numbers if phases.pedestrians[phase])
        self._unwatched = mask(phase for phase in phases.numbers if not phases.vehicles[phase])
        self.calls = self.ped_calls = self.waiting = self.omits = self._ped_omits = 0
        """Phases called by vehicles and pedestrians, and those of them that wait and may be served."""
        self.reasons: dict[int, Code] = {}
        """Why each phase ended last, or is about to."""
        self.opposed: dict[int, int] = {}
        """Since when a conflicting call waits for each green phase."""
        self._seen: dict[int, int] = {}
        self._sequences: dict[Order, Sequence] = {}
        self.reload()

    def reload(self) -> None:
        """The database changed."""
        number = self._database.number
        numbers = self._phases.numbers
        self.minimum = {p: 10 * number("phaseMinimumGreen", p) for p in numbers}
        self._passage = {p: number("phasePassage", p) for p in numbers}
        self._maximum = {p: 10 * number("phaseMaximum1", p) for p in numbers}
        self._maximum_2 = {p: 10 * number("phaseMaximum2", p) for p in numbers}
        options = {p: number("phaseOptions", p) for p in numbers}
        self._with = {
            bit: mask(p for p in numbers if options[p] >> bit & 1)
            for bit in (MIN_RECALL, MAX_RECALL, PED_RECALL, SOFT_RECALL, DUAL_ENTRY)
        }
        self._orders = {number: self.order(number) for number in (1, 2)}

    def order(self, sequence: int) -> Order:
        """The rings' phases as a sequence of the database has them; empty without rings."""
        found: list[tuple[tuple[int, ...], ...]] = []
        for index, ring in enumerate(self._phases.rings, start=1):
            listed = tuple(self._database.octets("sequenceData", sequence, index))
            found.append(tuple(tuple(p for p in listed if p in side) for side in ring))
        return tuple(found)

    def look(self, now: int, lamps: PhaseLamps, pattern: Pattern | None) -> None:
        """Collect calls and run the timers of the green phases."""
        shown, controls = lamps.shown, self._controls
        recalls, ped_recalls, omits = self._pattern_recalls(pattern)
        vehicles = self._sensors.calls
        vehicles |= controls.mask("phaseControlGroupVehCall") | recalls
        vehicles |= self._with[MIN_RECALL] | self._with[MAX_RECALL]
        if controls.get("unitControl") & EXTERNAL_MIN_RECALL:
            vehicles = self._phases.all
        pedestrians = self._sensors.latched | controls.mask("phaseControlGroupPedCall")
        pedestrians |= self._with[PED_RECALL] | ped_recalls
        self.calls = vehicles & self._phases.all
        self.ped_calls = pedestrians & self._walkable
        self.omits = controls.mask("phaseControlGroupPhaseOmit") | omits
        self._ped_omits = controls.mask("phaseControlGroupPedOmit")
        self.waiting = (self.calls | self.ped_calls & ~self._ped_omits) & ~shown.greens & ~self.omits
        if pattern is not None:
            self.waiting &= self._eligible(now, pattern)
        if not self.waiting and not self.calls & shown.greens:
            self.waiting = self._with[SOFT_RECALL] & ~shown.greens & ~self.omits
        self._time(now, lamps)

    def group_calls(self, lamps: PhaseLamps) -> int:
        """Calls as groups, for the engine; a crossing may start only where it does not hold others up."""
        phases, greens = self._phases, lamps.shown.greens
        walk = self.ped_calls & ~self._ped_omits & ~mask(self.opposed)
        walk |= self.ped_calls & ~self._ped_omits & ~greens
        found = 0
        for phase in numbers_in(self.calls):
            for group in phases.vehicles[phase]:
                found |= 1 << group
        for phase in numbers_in(walk):
            for group in phases.pedestrians[phase]:
                found |= 1 << group
        return found

    def decide(self, now: int, state: EngineState, lamps: PhaseLamps, pattern: Pattern | None) -> int:
        """The stage wanted now, or KEEP."""
        if state.in_transition:
            return KEEP
        if not self.waiting:
            return self._rest(state, lamps)
        found = {
            phase: reason
            for phase in numbers_in(lamps.shown.greens)
            if (reason := self._may_end(phase, now, state, lamps, pattern)) is not None
        }
        sequence = self._sequence(pattern.sequence if pattern else 1)
        resting = self._phases.stages[state.stage] & ~lamps.shown.greens
        wanted = sequence.next_stage(
            state.stage, mask(found) | resting, self.waiting, self._with[DUAL_ENTRY], self.omits
        )
        if wanted is None:
            return self._rest(state, lamps)
        self.reasons |= found
        return wanted

    def _rest(self, state: EngineState, lamps: PhaseLamps) -> int:
        """Phases without vehicles do not rest in green: they end when their walk is over and nobody calls."""
        kept = self.calls | self.ped_calls | self._controls.mask("phaseControlGroupHold")
        kept |= lamps.shown.walks | lamps.shown.ped_clears
        shown = self._phases.stages[state.stage]
        rest = shown & ~(lamps.shown.greens & self._unwatched & ~kept)
        stages = self._phases.stages[:-1]
        return stages.index(rest) if rest != shown and rest in stages else KEEP

    def may_leave(self, state: EngineState, wanted: int, lamps: PhaseLamps) -> bool:
        """Whether holds and omits let a stage be asked for that was not chosen here."""
        ending = lamps.shown.greens & ~self._phases.stages[wanted]
        starting = self._phases.stages[wanted] & ~lamps.shown.greens
        return not (ending & self._controls.mask("phaseControlGroupHold") or starting & self.omits)

    def _time(self, now: int, lamps: PhaseLamps) -> None:
        greens, near = lamps.shown.greens, self._sensors.near
        for phase in numbers_in(greens):
            if near >> phase - 1 & 1 or lamps.since[phase] == now:
                self._seen[phase] = now
            if not self.waiting & self._conflicting[phase]:
                self.opposed.pop(phase, None)
            else:
                self.opposed.setdefault(phase, now)
        for phase in [p for p in self.opposed if not greens >> p - 1 & 1]:
            del self.opposed[phase]

    def _may_end(
        self, phase: int, now: int, state: EngineState, lamps: PhaseLamps, pattern: Pattern | None
    ) -> Code | None:
        """Why the green may end now; None while hold, minimum, pedestrians or its own traffic keep it."""
        bit = 1 << phase - 1
        since = lamps.since[phase]
        if phase not in self.opposed or self._controls.mask("phaseControlGroupHold") & bit:
            return None
        if now - since < self.minimum[phase] or any(state.aspects[g] for g in self._on_demand[phase]):
            return None
        ring = self._phases.ring_of[phase] - 1
        forced = self._controls.mask("phaseControlGroupForceOff") & bit
        if forced or self._controls.get("ringControlGroupForceOff", 1) >> ring & 1:
            return Code.FORCE_OFF
        if pattern is not None and pattern.due(phase, since, now):
            return Code.FORCE_OFF
        if pattern is not None and pattern.coordinated & bit:
            return None
        maximum = self._limit(phase, ring, pattern)
        if maximum is not None and now - max(since, self.opposed[phase]) >= maximum:
            return Code.MAX_OUT
        if (
            self._to_maximum(phase, pattern)
            or now - max(self._seen.get(phase, since), since) < self._passage[phase]
        ):
            return None
        return Code.GAP_OUT

    def _limit(self, phase: int, ring: int, pattern: Pattern | None) -> int | None:
        """The maximum that counts now; None while it is inhibited."""
        mode = self._database.number("coordMaximumMode") if pattern is not None else 0
        if mode == MAX_INHIBIT or self._controls.get("ringControlGroupMaxInhibit", 1) >> ring & 1:
            return None
        second = mode == MAX_2 or self._controls.get("ringControlGroupMax2", 1) >> ring & 1
        return self._maximum_2[phase] if second else self._maximum[phase]

    def _to_maximum(self, phase: int, pattern: Pattern | None) -> bool:
        modes = (SPLIT_MAX_RECALL, SPLIT_BOTH)
        to_split = pattern is not None and pattern.modes.get(phase) in modes
        return to_split or bool(self._with[MAX_RECALL] >> phase - 1 & 1)

    def _pattern_recalls(self, pattern: Pattern | None) -> tuple[int, int, int]:
        """Vehicle recalls, pedestrian recalls and omits of the splits."""
        if pattern is None:
            return 0, 0, 0
        modes = pattern.modes.items()
        calling = (SPLIT_MIN_RECALL, SPLIT_MAX_RECALL, SPLIT_BOTH)
        vehicles = mask(p for p, mode in modes if mode in calling) | pattern.coordinated
        pedestrians = mask(p for p, mode in modes if mode in (SPLIT_PED_RECALL, SPLIT_BOTH))
        return vehicles, pedestrians, mask(p for p, mode in modes if mode == SPLIT_OMIT)

    def _eligible(self, now: int, pattern: Pattern) -> int:
        """Phases with enough of their window left to begin now; coordinated ones always."""
        found = pattern.coordinated
        for ring in self._orders[min(pattern.sequence, 2)]:
            placed = [phase for side in ring for phase in side]
            held = sum(pattern.window(p) for p in placed if pattern.coordinated >> p - 1 & 1)
            for phase in placed:
                if self.minimum[phase] <= pattern.until(phase, now) <= pattern.cycle - held:
                    found |= 1 << phase - 1
        return found

    def _sequence(self, number: int) -> Sequence:
        order = self._orders[min(number, 2)]
        if order not in self._sequences:
            self._sequences[order] = (
                RingSequence(self._phases, order) if order else StageSequence(self._phases)
            )
        return self._sequences[order]
