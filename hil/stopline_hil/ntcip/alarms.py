"""The alarm objects of the unit."""

from __future__ import annotations

from stopline_hil.ntcip.coordination import FreeStatus
from stopline_hil.ntcip.defaults import FREE
from stopline_hil.ntcip.unit import FlashStatus, Unit

COORD_ACTIVE, LOCAL_FREE, LOCAL_FLASH, MMU_FLASH, CYCLE_FAIL, COORD_FAIL, COORD_FAULT, CYCLE_FAULT = (
    1 << bit for bit in range(7, -1, -1)
)
"""unitAlarmStatus1."""
OFFSET_TRANSITION, STOP_TIME, EXTERNAL_START, RESPONSE_FAULT, LOW_BATTERY, POWER_RESTART = (
    1 << bit for bit in range(5, -1, -1)
)
"""unitAlarmStatus2."""
CRITICAL, NON_CRITICAL, DETECTOR_FAULT, COORD_ALARM, LOCAL_OVERRIDE, CYCLE_ZERO, FLASH, PREEMPT = (
    1 << bit for bit in range(7, -1, -1)
)
"""shortAlarmStatus."""

RESTART_SHOWN = 600
STARVED_FREE = 3_000
"""Tenths: a call this old while free is a cycle failure; in a pattern two cycles are."""


class Alarms:
    """Reads the alarms of one unit; the short status latches cycle zero until it is read."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._seen_cycles = 0

    def status_1(self) -> int:
        """unitAlarmStatus1."""
        unit = self._unit
        starved = self._starved()
        bits = COORD_ACTIVE if unit.coordinator.number < FREE else LOCAL_FREE
        bits |= LOCAL_FLASH if unit.panel_flash else 0
        bits |= MMU_FLASH if unit.tripped else 0
        if starved:
            bits |= CYCLE_FAULT if unit.coordinator.number < FREE else CYCLE_FAIL
        bits |= COORD_FAULT if unit.coordinator.free >= FreeStatus.BAD_PLAN else 0
        return bits

    def status_2(self) -> int:
        """unitAlarmStatus2."""
        unit = self._unit
        pattern = unit.coordinator.number < FREE and not unit.coordinator.in_step
        bits = OFFSET_TRANSITION if pattern else 0
        bits |= STOP_TIME if unit.stop_time else 0
        recent = unit.restarted_at is not None and unit.now - unit.restarted_at < RESTART_SHOWN
        return bits | (POWER_RESTART if recent else 0)

    def short(self) -> int:
        """shortAlarmStatus; reading it takes the cycle zero off."""
        unit = self._unit
        flashing = unit.flash_status is not FlashStatus.NOT_FLASH
        bits = CRITICAL if unit.stop_time or unit.tripped else 0
        bits |= DETECTOR_FAULT | NON_CRITICAL if unit.sensors.alarms else 0
        bits |= COORD_ALARM if unit.coordinator.free >= FreeStatus.BAD_PLAN else 0
        bits |= LOCAL_OVERRIDE if unit.manual is not None else 0
        bits |= FLASH if flashing else 0
        bits |= PREEMPT if unit.preempts.active is not None else 0
        cycle, within = unit.coordinator.cycle(unit.now)
        started = (unit.now - within) // cycle if cycle else 0
        if started != self._seen_cycles:
            self._seen_cycles = started
            bits |= CYCLE_ZERO
        return bits

    def _starved(self) -> bool:
        unit = self._unit
        cycle, _ = unit.coordinator.cycle(unit.now)
        limit = 2 * cycle or STARVED_FREE
        waits = [unit.state.now - since for since in unit.state.waiting_since if since >= 0]
        return max(waits, default=0) > limit
