"""What the controller saw a cabinet do, as Indiana high-resolution events (doi 10.4231/K4RN35SH).

Phase numbers are signal groups counted from 1, detector channels are the plan's detectors counted from 1; a
push button has the number of its group, as pedestrian detectors are numbered apart. Our own events begin at
512; manufacturers use 900 and up. Times are those of the tick that saw something.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from stopline_cabinets.words import DARK, CabinetState, Mode
from stopline_controller.snapshots import Snapshot
from stopline_controller.sources import CABINET_DECIDES, Source
from stopline_signals.detectors import DetectorReading
from stopline_signals.guard import Reason
from stopline_signals.plan import Aspect, DetectorKind, GroupKind, SignalPlan

MAX_PARAMETER = 32_767


class Code(IntEnum):
    """Events by their number."""

    GREEN = 1
    FORCE_OFF = 6
    GREEN_END = 7
    YELLOW = 8
    YELLOW_END = 9
    RED_CLEARANCE = 10
    RED_CLEARANCE_END = 11
    WALK = 21
    PED_CLEARANCE = 22
    DONT_WALK = 23
    CALL_ON = 43
    CALL_OFF = 44
    PED_CALL = 45
    DETECTOR_OFF = 81
    DETECTOR_ON = 82
    DETECTOR_RESTORED = 83
    DETECTOR_FAULT = 84
    BUTTON_OFF = 89
    BUTTON_ON = 90
    PREEMPT_ENTRY = 105
    PREEMPT_EXIT = 111
    PATTERN = 131
    FLASH_STATUS = 173
    SOURCE = 512
    """Source in force: its place in the default stack, counted from 1."""
    GUARD = 513
    """The guard changed a request: the reason, counted from 1."""
    LINK = 514
    """Cabinet answers (1) or does not (0)."""
    MODE = 515
    """Mode of the cabinet."""
    ASKED = 516
    """Stage asked for, counted from 1; one past the plan's last is all red."""
    CLOCK_STEP = 520
    """The wall clock was set: by so many seconds, at most 32767."""


NOT_FLASH, FLASH_AUTOMATIC, FLASH_LOCAL, FLASH_MONITOR = 2, 3, 4, 6
"""Parameters of FLASH_STATUS, as NTCIP's unitFlashStatus."""

_SOURCES = {source: place for place, source in enumerate(Source, 1)}
_REASONS = {reason: place for place, reason in enumerate(Reason, 1)}


class HiResEvent(NamedTuple):
    """One event of one junction; `wall_us` microseconds since 1970 UTC."""

    wall_us: int
    junction: str
    code: int
    parameter: int


class Observer:
    """Turns what is published of one junction, tick by tick, into events."""

    def __init__(self, plan: SignalPlan) -> None:
        self._plan = plan
        self._walks = tuple(group.kind is GroupKind.PEDESTRIAN for group in plan.groups)
        self._buttons = tuple(
            detector.group if detector.kind is DetectorKind.BUTTON else None for detector in plan.detectors
        )
        self._before: Snapshot | None = None
        self._seen: CabinetState | None = None
        self._clearing: set[int] = set()

    def events(self, now: Snapshot) -> list[HiResEvent]:
        """What is new in a snapshot against the one before."""
        before, self._before = self._before, now
        pairs = list(self._ours(before, now))
        if now.seen is not None:
            pairs += self._cabinets(self._seen, now.seen, now)
            self._seen = now.seen
        return [
            HiResEvent(now.wall_us, now.junction, code, min(number, MAX_PARAMETER)) for code, number in pairs
        ]

    def _ours(self, before: Snapshot | None, now: Snapshot) -> Iterator[tuple[int, int]]:
        if before is None or before.online != now.online:
            yield Code.LINK, int(now.online)
        source = now.ruling.winner.source
        if before is None or before.ruling.winner.source is not source:
            yield Code.SOURCE, _SOURCES[source]
        if now.commanded >= 0 and (before is None or before.commanded != now.commanded):
            yield Code.ASKED, now.commanded + 1
        reason = now.verdict.reason if now.verdict else None
        if reason is not None and (
            before is None or before.verdict is None or before.verdict.reason is not reason
        ):
            yield Code.GUARD, _REASONS[reason]

    def _cabinets(
        self, before: CabinetState | None, seen: CabinetState, now: Snapshot
    ) -> Iterator[tuple[int, int]]:
        if before is None or before.mode is not seen.mode or before.flags != seen.flags:
            yield from _modes(before, seen)
        if before is not None and before.pattern != seen.pattern:
            yield Code.PATTERN, seen.pattern
        shown = before.aspects if before else (DARK,) * len(seen.aspects)
        if shown != seen.aspects:
            asked = now.ruling.winner.source not in CABINET_DECIDES
            for group, (was, aspect) in enumerate(zip(shown, seen.aspects, strict=True)):
                if was != aspect:
                    yield from self._lamp(group, was, aspect, asked)
        if not seen.in_transition and self._clearing:
            yield from ((Code.RED_CLEARANCE_END, group + 1) for group in sorted(self._clearing))
            self._clearing.clear()
        calls = before.calls if before else 0
        if calls != seen.calls:
            yield from self._calls(calls, seen.calls)
        readings = before.readings if before else ()
        if readings != seen.readings:
            yield from self._detectors(readings, seen.readings)

    def _lamp(self, group: int, was: int, aspect: int, asked: bool) -> Iterator[tuple[int, int]]:
        codes = _walk(was, aspect) if self._walks[group] else self._vehicle(group, was, aspect, asked)
        for code in codes:
            yield code, group + 1

    def _vehicle(self, group: int, was: int, aspect: int, asked: bool) -> Iterator[Code]:
        if was >= Aspect.PERMISSIVE > aspect:
            if asked:
                yield Code.FORCE_OFF
            yield Code.GREEN_END
        if aspect == Aspect.YELLOW:
            yield Code.YELLOW
        elif aspect == Aspect.RED and was != DARK:
            if was == Aspect.YELLOW:
                yield Code.YELLOW_END
            yield Code.RED_CLEARANCE
            self._clearing.add(group)
        elif aspect >= Aspect.PERMISSIVE > was:
            if group in self._clearing:
                self._clearing.discard(group)
                yield Code.RED_CLEARANCE_END
            yield Code.GREEN

    def _calls(self, before: int, now: int) -> Iterator[tuple[int, int]]:
        for group, walks in enumerate(self._walks):
            if (before ^ now) >> group & 1:
                if now >> group & 1:
                    yield (Code.PED_CALL if walks else Code.CALL_ON), group + 1
                else:
                    yield Code.CALL_OFF, group + 1

    def _detectors(
        self, before: tuple[DetectorReading, ...], now: tuple[DetectorReading, ...]
    ) -> Iterator[tuple[int, int]]:
        for index, (button, reading) in enumerate(zip(self._buttons, now, strict=True)):
            was = before[index] if before else DetectorReading(0, 0)
            if was.healthy != reading.healthy:
                yield (Code.DETECTOR_RESTORED if reading.healthy else Code.DETECTOR_FAULT), index + 1
            on = reading.healthy and reading.vehicles > 0
            if on != (was.healthy and was.vehicles > 0):
                if button is not None:
                    yield (Code.BUTTON_ON if on else Code.BUTTON_OFF), button + 1
                else:
                    yield (Code.DETECTOR_ON if on else Code.DETECTOR_OFF), index + 1


def _walk(was: int, aspect: int) -> Iterator[Code]:
    if aspect == Aspect.YELLOW:
        yield Code.PED_CLEARANCE
    elif aspect >= Aspect.PERMISSIVE > was:
        yield Code.WALK
    elif aspect == Aspect.RED and was != DARK:
        yield Code.DONT_WALK


def _modes(before: CabinetState | None, seen: CabinetState) -> Iterator[tuple[int, int]]:
    if before is None or before.mode is not seen.mode:
        yield Code.MODE, int(seen.mode)
        if seen.mode is Mode.PREEMPT:
            yield Code.PREEMPT_ENTRY, 1
        elif before is not None and before.mode is Mode.PREEMPT:
            yield Code.PREEMPT_EXIT, 1
    was = NOT_FLASH if before is None else _flash_status(before)
    if _flash_status(seen) != was:
        yield Code.FLASH_STATUS, _flash_status(seen)


def _flash_status(seen: CabinetState) -> int:
    if not seen.flash:
        return NOT_FLASH
    if not seen.monitor_ok:
        return FLASH_MONITOR
    return FLASH_AUTOMATIC if seen.mode is Mode.REMOTE else FLASH_LOCAL
