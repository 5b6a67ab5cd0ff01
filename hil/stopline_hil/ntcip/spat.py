"""The signal state pushed ten times a second: the 241 or 245 bytes of TSCBM, from the unit as it stands."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from enum import IntEnum

from stopline_hil.ntcip.defaults import FREE
from stopline_hil.ntcip.unit import FlashStatus, Unit

PORT = 6053
UNKNOWN = 0xFFFF
MESSAGE, PHASES = 0xCD, 16
_ALL = 0xFFFF


class Push(IntEnum):
    """What is sent: nothing, the 241 bytes, or those and the pedestrian calls."""

    OFF = 0
    SPAT = 2
    SPAT_AND_CALLS = 6


def tscbm(unit: Unit, now: int, sequence: int, push: Push = Push.SPAT) -> bytes:
    """One message; `now` is in tenths."""
    shown = unit.lamps.shown
    flashing = unit.flash_status is not FlashStatus.NOT_FLASH
    rows = b"".join(_row(unit, number, now) for number in range(1, PHASES + 1))
    masks = (
        shown.reds,
        shown.yellows,
        shown.greens,
        shown.dont_walks,
        shown.ped_clears,
        shown.walks,
        shown.overlap_reds,
        shown.overlap_yellows,
        shown.overlap_greens,
    )
    lamps = [0 if flashing else mask & _ALL for mask in masks]
    all_flash = [unit.phases.all if flashing else 0, shown.overlap_reds if flashing else 0]
    body = bytes((MESSAGE, PHASES)) + rows + struct.pack(">11H", *lamps, *(f & _ALL for f in all_flash))
    moment = datetime.fromtimestamp(unit.log.epoch + now / 10, UTC)
    second = moment.hour * 3600 + moment.minute * 60 + moment.second
    body += bytes((_intersection(unit), unit.coordinator.number & 0xFF, 0, sequence & 0xFF))
    body += second.to_bytes(3, "big") + (moment.microsecond // 1000).to_bytes(2, "big")
    if push is Push.SPAT_AND_CALLS:
        body += struct.pack(">2H", unit.actuation.ped_calls & _ALL, unit.sensors.latched & _ALL)
    return body


def _row(unit: Unit, number: int, now: int) -> bytes:
    times = [UNKNOWN] * 6
    if number in unit.phases.numbers:
        times[0:2] = _vehicles(unit, number, now)
        times[2:4] = _change(unit, unit.phases.pedestrians[number], now)
    if number in unit.phases.overlaps:
        times[4:6] = _change(unit, (unit.phases.overlaps[number],), now)
    return struct.pack(">B6H", number, *times)


def _vehicles(unit: Unit, number: int, now: int) -> tuple[int, int]:
    """Least and greatest time to the next change; a green that nobody opposes has no greatest."""
    least, most = _change(unit, unit.phases.vehicles[number], now)
    if least == UNKNOWN and unit.lamps.shown.greens >> number - 1 & 1:
        left = unit.actuation.minimum[number] - (now - unit.lamps.since[number])
        return _short(max(0, left)), UNKNOWN
    return least, most


def _change(unit: Unit, groups: tuple[int, ...], now: int) -> tuple[int, int]:
    """The groups' next change where the engine has already planned it."""
    time = unit.engine_time(now)
    due = [at for at, group, _ in unit.state.pending if group in groups]
    if not due:
        return UNKNOWN, UNKNOWN
    left = _short(max(0, min(due) - time))
    return left, left


def _short(tenths: int) -> int:
    return min(tenths, UNKNOWN - 1)


def _intersection(unit: Unit) -> int:
    """Bit 0 manual, 1 stop time, 2 fault flash, 3 preempt, 5 in step, 6 in transition, 7 programmed flash."""
    flash = unit.flash_status
    coordinated = unit.coordinator.number < FREE
    faults = (FlashStatus.MMU, FlashStatus.FAULT_MONITOR)
    bits = (
        unit.manual is not None,
        unit.stop_time,
        flash in faults,
        unit.preempts.active is not None,
        False,
        coordinated and unit.coordinator.in_step,
        coordinated and not unit.coordinator.in_step,
        flash not in (*faults, FlashStatus.NOT_FLASH),
    )
    return sum(1 << position for position, on in enumerate(bits) if on)
