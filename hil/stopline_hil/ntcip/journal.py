"""Turns what changed since the last tick into high-resolution events."""

from __future__ import annotations

from stopline_hil.ntcip.controls import Controls
from stopline_hil.ntcip.hires import Code, HiResLog
from stopline_hil.ntcip.lamps import Shown
from stopline_hil.ntcip.phases import Phases, numbers_in

_BITS: dict[str, tuple[Code, Code]] = {
    "phaseControlGroupHold": (Code.HOLD_ON, Code.HOLD_OFF),
    "phaseControlGroupPhaseOmit": (Code.OMIT_ON, Code.OMIT_OFF),
    "phaseControlGroupPedOmit": (Code.PED_OMIT_ON, Code.PED_OMIT_OFF),
}


class Journal:
    """Watches lamps, calls and controls of one controller."""

    def __init__(self, phases: Phases, log: HiResLog) -> None:
        self._phases = phases
        self._log = log
        self._shown = Shown(reds=phases.all, dont_walks=phases.all)
        self._calls = self._ped_calls = self._opposed = 0
        self._least: dict[int, int] = {}
        """Phases in green whose minimum is not over, and when it is."""

    def lamps(self, now: int, shown: Shown, minimum: dict[int, int]) -> None:
        """Phases, pedestrians and overlaps; `minimum` is each phase's least green (tenths)."""
        before, self._shown = self._shown, shown
        for phase in [p for p, due in self._least.items() if due <= now]:
            self._log.add(self._least.pop(phase), Code.MIN_COMPLETE, phase)
        if shown == before:
            return
        self._vehicles(now, before, shown, minimum)
        changes = (
            (before.walks, shown.walks, Code.WALK),
            (before.ped_clears, shown.ped_clears, Code.PED_CLEAR),
            (before.dont_walks, shown.dont_walks, Code.DONT_WALK),
            (before.overlap_greens, shown.overlap_greens, Code.OVERLAP_GREEN),
            (before.overlap_yellows, shown.overlap_yellows, Code.OVERLAP_YELLOW),
            (before.overlap_reds, shown.overlap_reds, Code.OVERLAP_RED_CLEAR),
            (before.overlap_reds, shown.overlap_reds, Code.OVERLAP_OFF),
        )
        for old, new, code in changes:
            for number in numbers_in(new & ~old):
                self._log.add(now, code, number)

    def calls(self, now: int, vehicles: int, pedestrians: int) -> None:
        """Calls that came and went."""
        self._each(now, vehicles & ~self._calls, Code.CALL_ON)
        self._each(now, self._calls & ~vehicles, Code.CALL_OFF)
        self._each(now, pedestrians & ~self._ped_calls, Code.PED_CALL)
        self._calls, self._ped_calls = vehicles, pedestrians

    def checks(self, now: int, opposed: int) -> None:
        """Green phases against which somebody waits: from then on their maximum is timed."""
        if opposed != self._opposed:
            self._each(now, opposed & ~self._opposed, Code.CHECK)
            self._opposed = opposed

    def control(self, now: int, controls: Controls, name: str, index: int, bits: int) -> None:
        """A control object that changed in these bits."""
        value = controls.get(name, index)
        if name == "specialFunctionOutputControl":
            self._log.add(now, Code.SPECIAL_FUNCTION_ON if value else Code.SPECIAL_FUNCTION_OFF, index)
        if name not in _BITS:
            return
        on, off = _BITS[name]
        for number in numbers_in(bits):
            self._log.add(now, on if value >> number - 1 & 1 else off, 8 * (index - 1) + number)

    def _vehicles(self, now: int, before: Shown, shown: Shown, minimum: dict[int, int]) -> None:
        for phase in numbers_in(before.greens & ~shown.greens):
            if (due := self._least.pop(phase, now + 1)) <= now:
                self._log.add(due, Code.MIN_COMPLETE, phase)
        self._each(now, before.greens & ~shown.greens, Code.GREEN_END)
        self._each(now, shown.yellows & ~before.yellows, Code.YELLOW)
        ended = before.yellows & ~shown.yellows & ~shown.greens
        self._each(now, ended, Code.YELLOW_END)
        self._each(now, (shown.clearing | ended) & ~before.clearing, Code.RED_CLEAR)
        over = (before.clearing & ~shown.clearing) | (ended & ~shown.clearing)
        self._each(now, over, Code.RED_CLEAR_END)
        self._each(now, before.ons & ~shown.ons, Code.INACTIVE)
        self._each(now, shown.ons & ~before.ons, Code.PHASE_ON)
        self._each(now, shown.greens & ~before.greens, Code.GREEN)
        for phase in numbers_in(shown.greens & ~before.greens):
            self._least[phase] = now + minimum[phase]

    def _each(self, now: int, phases: int, code: Code) -> None:
        for phase in numbers_in(phases):
            self._log.add(now, code, phase)
