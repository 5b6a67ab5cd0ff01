"""Whether a cabinet may be controlled now, and who decides there: from what it says of itself."""

from __future__ import annotations

from typing import NamedTuple

from stopline_cabinets.ntcip import spat
from stopline_cabinets.ntcip.status import ControlStatus, FlashStatus, Unit
from stopline_cabinets.words import Flag, Mode


class Asked(NamedTuple):
    """What a cabinet does because this controller asked: flash, and preempts (mask)."""

    flash: bool = False
    preempts: int = 0


NOTHING_ASKED = Asked()

BACKUP_TIMES = range(5, 61)
"""unitBackupTime with which control is safe, seconds: 0 is off, and long ones keep old commands alive."""

STOP_TIME_ALARM = 1 << 4
"""unitAlarmStatus2."""
MMU_FLASH_ALARM = 1 << 4
"""unitAlarmStatus1."""

FAULT_MONITOR, FAULT_DETECTOR, FAULT_BACKUP, FAULT_EXPIRED, FAULT_DATABASE, FAULT_PUSH = (
    1 << bit for bit in range(6)
)
"""Bits of `CabinetState.faults`: the first four as at every cabinet; database changed since connecting; the
push of signal states that was asked for is missing."""

_ASKED_FLASH = frozenset((FlashStatus.OTHER, FlashStatus.NOT_FLASH, FlashStatus.AUTOMATIC))
"""What flash on command shows as."""
_MAY_BE_CONTROLLED = frozenset(
    (
        ControlStatus.SYSTEM,
        ControlStatus.STANDBY,
        ControlStatus.BACKUP,
        ControlStatus.TIMEBASE,
        ControlStatus.INTERCONNECT,
    )
)


def mode_of(unit: Unit, pushed: int = 0, asked: Asked = NOTHING_ASKED) -> Mode:
    """Who decides; `pushed` is the status byte of the latest push. REMOTE is any system, not only ours.

    Flash and preempts that were asked for are not the cabinet's own.
    """
    if unit.flash == FlashStatus.STARTUP:
        return Mode.STARTUP
    if flashes(unit, pushed):
        ours = asked.flash and unit.flash in _ASKED_FLASH and not pushed & spat.FAULT_FLASH
        return Mode.REMOTE if ours else Mode.FLASH
    own = unit.preempting & ~asked.preempts
    if own or (pushed & spat.PREEMPT and not asked.preempts):
        return Mode.PREEMPT
    if unit.control == ControlStatus.MANUAL or unit.coord_mode or _stands(unit, pushed):
        return Mode.MANUAL
    if pushed & spat.MANUAL:
        return Mode.MANUAL
    return Mode.REMOTE if unit.control == ControlStatus.SYSTEM else Mode.LOCAL


def flashes(unit: Unit, pushed: int = 0) -> bool:
    """Whether the lamps flash, or start up."""
    return unit.flash != FlashStatus.NOT_FLASH or bool(pushed & (spat.FAULT_FLASH | spat.FLASH))


def objection(unit: Unit, pushed: int = 0, asked: Asked = NOTHING_ASKED) -> str:
    """Why the cabinet must not be controlled now; empty when it may."""
    mode = mode_of(unit, pushed, asked)
    if mode in (Mode.STARTUP, Mode.FLASH, Mode.PREEMPT):
        return f"it is in {mode.name.lower()}"
    if unit.coord_mode:
        return f"coordOperationalMode is {unit.coord_mode}: it must be 0 (automatic) for system control"
    if mode is Mode.MANUAL:
        return "it is on manual control or its time is stopped"
    if unit.control not in _MAY_BE_CONTROLLED:
        return f"unitControlStatus is {unit.control}"
    return backup_objection(unit)


def backup_objection(unit: Unit) -> str:
    """Why the backup time forbids control; empty when it does not."""
    if unit.backup_time in BACKUP_TIMES:
        return ""
    return (
        f"unitBackupTime is {unit.backup_time} s: set it to {BACKUP_TIMES[0]}..{BACKUP_TIMES[-1]} s, "
        "else what was commanded would outlive a controller that died"
    )


def flags_of(unit: Unit, pushed: int = 0) -> Flag:
    """The cabinet's inputs; that it answers shows that it has power."""
    tripped = unit.flash in (FlashStatus.FAULT_MONITOR, FlashStatus.MMU) or unit.alarm1 & MMU_FLASH_ALARM
    flags = Flag.POWER_OK
    for flag, on in (
        (Flag.MONITOR_OK, not tripped),
        (Flag.FLASH, flashes(unit, pushed)),
        (Flag.MANUAL, unit.control == ControlStatus.MANUAL),
        (Flag.PREEMPT, bool(unit.preempting or pushed & spat.PREEMPT)),
        (Flag.STOP_TIME, _stands(unit, pushed)),
    ):
        if on:
            flags |= flag
    return flags


def _stands(unit: Unit, pushed: int) -> bool:
    return bool(unit.alarm2 & STOP_TIME_ALARM or pushed & spat.STOP_TIME)
