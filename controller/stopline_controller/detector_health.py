"""Which detectors can be believed: silence, presence without end and chatter are faults, as in NTCIP 1202.

A detector with a fault calls all the time and tells the policy nothing, until it behaves again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

import structlog

from stopline_cabinets.words import CabinetState
from stopline_signals.detectors import DetectorReading
from stopline_signals.plan import DetectorKind, SignalPlan

log = structlog.get_logger(__name__)

MINUTE = 600
"""Tenths."""
NEVER = 1 << 62


class Fault(StrEnum):
    """What is wrong with a detector."""

    REPORTED = "reported by the cabinet"
    NO_ACTIVITY = "no activity"
    MAX_PRESENCE = "max presence"
    ERRATIC = "erratic counts"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthLimits:
    """When a detector is no longer believed; 0 means never."""

    no_activity: int = 0
    """Tenths a zone may show nothing."""
    max_presence: int = 0
    """Tenths a detector may show the same vehicles without any change."""
    erratic: int = 0
    """Times a minute a detector may become occupied."""


@dataclass(slots=True)
class _Record:
    """One detector: its latest reading, since when it has been the same, and its counts in this minute."""

    reading: DetectorReading
    same_since: int
    rises: int = 0
    fault: Fault | None = None


class DetectorWatch:
    """Judges the detectors of one junction; times are the cabinet's own (tenths)."""

    def __init__(self, plan: SignalPlan, limits: HealthLimits | None = None) -> None:
        self._plan = plan
        self._limits = limits or HealthLimits()
        self._silence = tuple(
            0 if detector.kind is DetectorKind.BUTTON else self._limits.no_activity
            for detector in plan.detectors
        )
        self._records: list[_Record] = []
        self._time = NEVER
        self._minute_ends = NEVER
        self._look_at = NEVER
        self._last: tuple[DetectorReading, ...] = ()
        self._judged: tuple[DetectorReading, ...] | None = None
        """The readings as they count; None while they are the cabinet's."""
        self.alarm = ""
        """The detectors that are not believed, for people; empty when all are."""

    @property
    def faults(self) -> Counter[Fault]:
        """How many detectors have which fault."""
        return Counter(record.fault for record in self._records if record.fault is not None)

    @property
    def each(self) -> tuple[Fault | None, ...]:
        """What is wrong with each detector, in the plan's order; empty before the first look."""
        return tuple(record.fault for record in self._records)

    def judge(self, seen: CabinetState) -> CabinetState:
        """The read-back with every reading that is not to be believed marked as failed."""
        now, before = seen.time, self._time
        self._time = now
        if now < before:
            self._begin(seen)
        elif now >= self._look_at or seen.readings != self._last:
            self._take_in(seen)
        return seen if self._judged is None else seen._replace(readings=self._judged)

    def _begin(self, seen: CabinetState) -> None:
        """The first look, or the first after the cabinet was restarted."""
        self._records = [_Record(reading, seen.time) for reading in seen.readings]
        self._minute_ends = seen.time + MINUTE if self._limits.erratic else NEVER
        self._conclude(seen)

    def _take_in(self, seen: CabinetState) -> None:
        for record, reading in zip(self._records, seen.readings, strict=True):
            before = record.reading
            if reading != before:
                record.rises += reading.vehicles > 0 and before.vehicles == 0
                record.reading, record.same_since = reading, seen.time
        self._conclude(seen)

    def _conclude(self, seen: CabinetState) -> None:
        minute_over = seen.time >= self._minute_ends
        changed = not self._last
        for index, record in enumerate(self._records):
            fault = self._fault(index, record, seen.time, minute_over)
            if fault is not record.fault:
                self._tell(index, record.fault, fault)
                record.fault, changed = fault, True
            if minute_over:
                record.rises = 0
        if minute_over:
            self._minute_ends = seen.time + MINUTE
        self._last = seen.readings
        ours = any(record.fault not in (None, Fault.REPORTED) for record in self._records)
        self._judged = tuple(self._counted(record) for record in self._records) if ours else None
        self._look_at = min([self._minute_ends, *(self._due(i, r) for i, r in enumerate(self._records))])
        if changed:
            self.alarm = self._text()

    def _fault(self, index: int, record: _Record, now: int, minute_over: bool) -> Fault | None:
        limits, reading, same = self._limits, record.reading, now - record.same_since
        if not reading.healthy:
            return Fault.REPORTED
        if limits.erratic and record.rises > limits.erratic:
            return Fault.ERRATIC
        if record.fault is Fault.ERRATIC and not minute_over:
            # It takes a whole quiet minute to be believed again.
            return Fault.ERRATIC
        if reading.vehicles > 0:
            return Fault.MAX_PRESENCE if limits.max_presence and same >= limits.max_presence else None
        return Fault.NO_ACTIVITY if self._silence[index] and same >= self._silence[index] else None

    def _due(self, index: int, record: _Record) -> int:
        """When this detector's reading becomes a fault if it stays as it is."""
        limit = self._limits.max_presence if record.reading.vehicles > 0 else self._silence[index]
        return record.same_since + limit if limit and record.fault is None else NEVER

    def _counted(self, record: _Record) -> DetectorReading:
        return record.reading if record.fault is None else record.reading._replace(healthy=False)

    def _tell(self, index: int, before: Fault | None, now: Fault | None) -> None:
        names = {"junction": self._plan.junction, "detector": self._plan.detectors[index].name}
        if now is None:
            log.info("detector_restored", **names, fault=str(before))
        else:
            log.warning("detector_fault", **names, fault=str(now))

    def _text(self) -> str:
        named = [
            f"{detector.name} ({record.fault})"
            for detector, record in zip(self._plan.detectors, self._records, strict=True)
            if record.fault is not None
        ]
        return f"detectors not believed: {', '.join(named)}" if named else ""
