"""The high-resolution event log: Indiana codes at 0.1 s, as CSV or SQLite that `atspm` and others read."""

from __future__ import annotations

import csv
import sqlite3
from collections import deque
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

KEPT = 200_000
COLUMNS = ("TimeStamp", "DeviceId", "EventId", "Parameter")


class Code(IntEnum):
    """Event codes (doi 10.4231/K4RN35SH and its 2019 edition) this controller logs."""

    PHASE_ON = 0
    GREEN = 1
    CHECK = 2
    MIN_COMPLETE = 3
    GAP_OUT = 4
    MAX_OUT = 5
    FORCE_OFF = 6
    GREEN_END = 7
    YELLOW = 8
    YELLOW_END = 9
    RED_CLEAR = 10
    RED_CLEAR_END = 11
    INACTIVE = 12
    WALK = 21
    PED_CLEAR = 22
    DONT_WALK = 23
    BARRIER = 31
    HOLD_ON = 41
    HOLD_OFF = 42
    CALL_ON = 43
    CALL_OFF = 44
    PED_CALL = 45
    OMIT_ON = 46
    OMIT_OFF = 47
    PED_OMIT_ON = 48
    PED_OMIT_OFF = 49
    OVERLAP_GREEN = 61
    OVERLAP_YELLOW = 63
    OVERLAP_RED_CLEAR = 64
    OVERLAP_OFF = 65
    DETECTOR_OFF = 81
    DETECTOR_ON = 82
    DETECTOR_RESTORED = 83
    DETECTOR_OTHER_FAULT = 84
    DETECTOR_OPEN_LOOP = 86
    PED_DETECTOR_OFF = 89
    PED_DETECTOR_ON = 90
    PREEMPT_CALL_ON = 102
    PREEMPT_CALL_OFF = 104
    PREEMPT_ENTRY = 105
    PREEMPT_TRACK = 106
    PREEMPT_DWELL = 107
    PREEMPT_MAX_PRESENCE = 110
    PREEMPT_EXIT = 111
    PATTERN = 131
    CYCLE = 132
    OFFSET = 133
    SPLIT_1 = 134
    COORD_STATE = 150
    COORD_YIELD = 151
    CONTROL_STATUS = 155
    FLASH_STATUS = 173
    ALARM_STATUS_1 = 174
    SPECIAL_FUNCTION_ON = 176
    SPECIAL_FUNCTION_OFF = 177
    MANUAL_CONTROL = 178
    STOP_TIME = 180
    CLOCK_UPDATED = 181
    POWER_FAIL = 182
    POWER_RESTORE = 184


class Record(NamedTuple):
    """One event; `time` is in tenths on the cabinet's clock."""

    time: int
    code: int
    param: int


class HiResLog:
    """Keeps the latest events; `epoch` is the Unix time (s) at the cabinet clock's zero."""

    def __init__(self, epoch: float, kept: int = KEPT) -> None:
        self.epoch = epoch
        self.records: deque[Record] = deque(maxlen=kept)

    def add(self, time: int, code: int, param: int) -> None:
        """Log one event."""
        self.records.append(Record(time, code, param))

    def of(self, *codes: int) -> list[Record]:
        """The events of some codes, in order."""
        return [record for record in self.records if record.code in codes]

    def rows(self, device: int = 1) -> Iterable[tuple[str, int, int, int]]:
        """Events as the columns TimeStamp (UTC), DeviceId, EventId, Parameter."""
        for time, code, param in sorted(self.records, key=lambda record: record.time):
            yield self.stamp(time), device, code, param

    def stamp(self, time: int) -> str:
        """A time as it stands in the log."""
        # Whole tenths: a float epoch must not make two stamps of one tick.
        whole = round(self.epoch * 10) + time
        moment = datetime.fromtimestamp(whole // 10, UTC)
        return f"{moment:%Y-%m-%d %H:%M:%S}.{whole % 10}"

    def write_csv(self, path: Path, device: int = 1) -> None:
        """Write all events kept."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(self.rows(device))

    def write_sqlite(self, path: Path, device: int = 1) -> None:
        """Add all events kept to the table `events` of a database."""
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(
                "create table if not exists events "
                "(TimeStamp text, DeviceId integer, EventId integer, Parameter integer)"
            )
            connection.executemany("insert into events values (?, ?, ?, ?)", self.rows(device))
