"""What is read of a cabinet again and again: lamps and detectors often, the unit itself once a second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import NamedTuple

from stopline_cabinets.ntcip.configuration import SET_ID, WATCHED_PREEMPTS, Configuration
from stopline_cabinets.ntcip.desired import COLUMNS, PATTERN_CONTROL, Masks
from stopline_cabinets.ntcip.feeds import Detections, Feeds, Volume
from stopline_cabinets.ntcip.groups import GroupMap, Lamps
from stopline_cabinets.ntcip.masks import cells, groups_for, read_mask
from stopline_cabinets.ntcip.objects import SYS_UP_TIME, cell, scalar
from stopline_cabinets.snmp.codec import Oid, Value
from stopline_cabinets.snmp.errors import UnexpectedAnswer

Values = Mapping[Oid, Value]


class ControlStatus(IntEnum):
    """unitControlStatus: who decides which pattern runs."""

    OTHER = 1
    SYSTEM = 2
    STANDBY = 3
    BACKUP = 4
    MANUAL = 5
    TIMEBASE = 6
    INTERCONNECT = 7
    INTERCONNECT_BACKUP = 8


class FlashStatus(IntEnum):
    """unitFlashStatus: whether, and why, the lamps flash."""

    OTHER = 1
    NOT_FLASH = 2
    AUTOMATIC = 3
    LOCAL_MANUAL = 4
    FAULT_MONITOR = 5
    MMU = 6
    STARTUP = 7
    PREEMPT = 8


class PreemptState(IntEnum):
    """preemptState: what a preempt does."""

    OTHER = 1
    NOT_ACTIVE = 2
    CALLED = 3
    ENTRY = 4
    TRACK = 5
    DWELL = 6
    LINKED = 7
    EXIT = 8
    MAX_PRESENCE = 9


RUNNING_PREEMPT = range(PreemptState.ENTRY, PreemptState.MAX_PRESENCE + 1)
"""States in which a preempt has the signals."""


class Unit(NamedTuple):
    """The cabinet's own state; `uptime` 0.01 s, `masks` and `pattern` what it has been told."""

    control: int = ControlStatus.TIMEBASE
    flash: int = FlashStatus.NOT_FLASH
    alarm1: int = 0
    alarm2: int = 0
    coord_mode: int = 0
    backup_time: int = 0
    pattern: int = 0
    pattern_running: int = 0
    free: int = 0
    set_id: int | None = None
    uptime: int | None = None
    preempts: tuple[int, ...] = ()
    masks: Masks = Masks()

    @property
    def preempting(self) -> int:
        """Preempts that have the signals (mask, preempt 1 in bit 0)."""
        return sum(1 << at for at, state in enumerate(self.preempts) if state in RUNNING_PREEMPT)


class Board:
    """Which objects make up the state of one cabinet, and how they are put together again."""

    def __init__(self, groups: GroupMap, feeds: Feeds, found: Configuration) -> None:
        self._phase_groups = max(found.phase_groups, groups_for(groups.highest_phase))
        self._overlap_groups = groups_for(groups.highest_overlap)
        self._detector_groups = groups_for(min(feeds.highest, found.max_detectors))
        self._preempts = range(1, min(found.max_preempts, WATCHED_PREEMPTS) + 1)
        self._loops = feeds.loops if found.volume_period else ()
        self.lamps = tuple(_flat(_PHASE_COLUMNS, self._phase_groups)) + tuple(
            _flat(_OVERLAP_COLUMNS, self._overlap_groups)
        )
        self.detectors = tuple(_flat(_DETECTOR_COLUMNS, self._detector_groups)) + cells(
            _PED_CALLS, self._phase_groups
        )
        self.unit = (
            *_UNIT.values(),
            *(cell("preemptState", number) for number in self._preempts),
            *_flat(COLUMNS, self._phase_groups),
        )
        self.masks = (PATTERN_CONTROL, *_flat(COLUMNS, self._phase_groups))
        self.volumes: tuple[Oid, ...] = ()
        if self._loops:
            self.volumes = (SEQUENCE, *(cell(c, n) for n in self._loops for c in _VOLUME_COLUMNS))

    def read_lamps(self, values: Values) -> Lamps:
        """The lamps from values of `lamps`."""
        phases = [read_mask(values, column, self._phase_groups) for column in _PHASE_COLUMNS]
        overlaps = [read_mask(values, column, self._overlap_groups) for column in _OVERLAP_COLUMNS]
        return Lamps._make((*phases, *overlaps))

    def read_detections(self, values: Values, volumes: Mapping[int, Volume]) -> Detections:
        """Detectors and pedestrian calls from values of `detectors`."""
        active, alarms = (read_mask(values, c, self._detector_groups) for c in _DETECTOR_COLUMNS)
        return Detections(active, alarms, read_mask(values, _PED_CALLS, self._phase_groups), volumes)

    def read_unit(self, values: Values) -> Unit:
        """The unit's state from values of `unit`."""
        numbers = {name: _number(values, oid) for name, oid in _UNIT.items() if oid in values}
        return Unit(
            **numbers,
            preempts=tuple(_number(values, cell("preemptState", number)) for number in self._preempts),
            masks=self.read_masks(values),
        )

    def read_masks(self, values: Values) -> Masks:
        """The control masks from values of `masks` or `unit`."""
        return Masks._make(read_mask(values, column, self._phase_groups) for column in COLUMNS)

    def read_volumes(self, values: Values) -> dict[int, Volume]:
        """Volume and occupancy by detector from values of `volumes`."""
        return {
            number: Volume(*(_number(values, cell(column, number)) for column in _VOLUME_COLUMNS))
            for number in self._loops
            if all(cell(column, number) in values for column in _VOLUME_COLUMNS)
        }


SEQUENCE = scalar("volumeOccupancySequence")

_PHASE_COLUMNS = tuple(
    f"phaseStatusGroup{name}"
    for name in (
        "Reds",
        "Yellows",
        "Greens",
        "DontWalks",
        "PedClears",
        "Walks",
        "PhaseOns",
        "PhaseNexts",
    )
)
_OVERLAP_COLUMNS = tuple(f"overlapStatusGroup{name}" for name in ("Reds", "Yellows", "Greens"))
_DETECTOR_COLUMNS = tuple(f"vehicleDetectorStatusGroup{name}" for name in ("Active", "Alarms"))
_VOLUME_COLUMNS = ("detectorVolume", "detectorOccupancy")
_PED_CALLS = "phaseStatusGroupPedCalls"
_UNIT: Mapping[str, Oid] = {
    # shortAlarmStatus is left alone: reading it clears a latch others may be waiting for.
    "control": scalar("unitControlStatus"),
    "flash": scalar("unitFlashStatus"),
    "alarm1": scalar("unitAlarmStatus1"),
    "alarm2": scalar("unitAlarmStatus2"),
    "coord_mode": scalar("coordOperationalMode"),
    "backup_time": scalar("unitBackupTime"),
    "pattern": PATTERN_CONTROL,
    "pattern_running": scalar("coordPatternStatus"),
    "free": scalar("localFreeStatus"),
    "set_id": SET_ID,
    "uptime": SYS_UP_TIME,
}


def _flat(columns: Iterable[str], groups: int) -> Iterable[Oid]:
    return (oid for column in columns for oid in cells(column, groups))


def _number(values: Values, oid: Oid) -> int:
    value = values.get(oid)
    if not isinstance(value, int):
        raise UnexpectedAnswer(f"object {oid} is {value!r}, not a number")
    return value
