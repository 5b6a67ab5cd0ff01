"""Changes of the unit as a whole in the high-resolution log: who decides, flash, alarms, stop time."""

from __future__ import annotations

from stopline_hil.ntcip.alarms import Alarms
from stopline_hil.ntcip.hires import Code
from stopline_hil.ntcip.unit import Unit

ALARMS_EVERY = 10
"""Tenths between two looks at the alarms."""


class UnitEvents:
    """Compares one unit with what it was at the last look."""

    def __init__(self, unit: Unit, now: int) -> None:
        self._unit = unit
        self._alarms = Alarms(unit)
        self._alarms_due = now
        self._known = self._status()
        self._known_alarms = self._alarms.status_1()

    def look(self, now: int) -> None:
        """Log what changed."""
        status = self._status()
        if status != self._known:
            for (code, value), (_, before) in zip(status, self._known, strict=True):
                if value != before:
                    self._unit.log.add(now, code, value)
            self._known = status
        if now >= self._alarms_due:
            self._alarms_due = now + ALARMS_EVERY
            self._look_at_alarms(now)

    def _look_at_alarms(self, now: int) -> None:
        alarms = self._alarms.status_1()
        if alarms != self._known_alarms:
            self._known_alarms = alarms
            self._unit.log.add(now, Code.ALARM_STATUS_1, alarms)

    def _status(self) -> tuple[tuple[Code, int], ...]:
        unit = self._unit
        return (
            (Code.CONTROL_STATUS, int(unit.control_status)),
            (Code.FLASH_STATUS, int(unit.flash_status)),
            (Code.STOP_TIME, int(unit.stop_time)),
        )
