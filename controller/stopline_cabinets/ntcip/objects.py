"""The NTCIP 1202 and 1201 objects as data: `objects.csv` holds the rows, this module finds them by name.

    scalar("unitBackupTime")                 # its instance, .0
    cell("phaseControlGroupHold", 1)         # one cell of a table

Derived from NTCIP 1202 and NTCIP 1201. Copyright by AASHTO / ITE / NEMA. Used by permission.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from stopline_cabinets.snmp.codec import Oid, parse_oid

SYS_DESCR: Oid = (1, 3, 6, 1, 2, 1, 1, 1, 0)
SYS_UP_TIME: Oid = (1, 3, 6, 1, 2, 1, 1, 3, 0)
"""From MIB-II: who the device is, and 0.01 s since it started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """One row: `oid` is a scalar's instance, or a table's column, whose cells add `index`."""

    name: str
    oid: Oid
    index: tuple[str, ...]
    type: str
    low: int | None
    high: int | None
    choices: dict[str, int]
    writable: bool
    unit: str
    kind: str
    since: str
    sources: str

    @property
    def controls(self) -> bool:
        """Whether a SET of it acts at once and restarts the backup timer."""
        return self.kind == "C"

    def takes(self, value: int) -> bool:
        """Whether the value is in its range or among its choices."""
        if self.choices:
            return value in self.choices.values()
        return (self.low is None or self.low <= value) and (self.high is None or value <= self.high)


@cache
def objects() -> dict[str, Object]:
    """All objects by name."""
    text = files("stopline_cabinets.ntcip").joinpath("objects.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {row["name"]: _object(row) for row in rows}


def scalar(name: str) -> Oid:
    """The instance of a scalar; KeyError for a name that is none."""
    entry = objects()[name]
    if entry.index:
        raise KeyError(f"{name} is a column of a table")
    return entry.oid


def cell(name: str, *index: int) -> Oid:
    """One cell of a table; KeyError for a name or an index that does not fit."""
    entry = objects()[name]
    if len(index) != len(entry.index):
        raise KeyError(f"{name} has {len(entry.index)} indices, {len(index)} given")
    return entry.oid + index


def choice(name: str, value: str) -> int:
    """The number of a named choice of an object."""
    return objects()[name].choices[value]


def _object(row: dict[str, str]) -> Object:
    pairs: list[tuple[str, str]] = re.findall(r"([A-Za-z0-9]+)\((\d+)\)", row["enum"])
    return Object(
        name=row["name"],
        oid=parse_oid(row["oid"]),
        index=tuple(row["index"].split()),
        type=row["type"],
        low=int(row["low"]) if row["low"] else None,
        high=int(row["high"]) if row["high"] else None,
        choices={name: int(number) for name, number in pairs},
        writable=row["access"] == "read-write",
        unit=row["unit"],
        kind=row["class"],
        since=row["since"],
        sources=row["sources"],
    )
