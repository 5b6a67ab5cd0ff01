"""What an SNMP agent serves: objects in order, each with how it is read, judged and written."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from stopline_cabinets.snmp.codec import ErrorStatus, Oid, Tag, Value, VarBind

Read = Callable[[], Value]
Write = Callable[[Value], None]
Judge = Callable[[int, Value], ErrorStatus]
"""Says whether a value of that type (tag) may be written now; nothing is written yet."""


@dataclass(slots=True)
class Entry:
    """One instance of an object; without `write` it is read-only."""

    oid: Oid
    tag: int
    read: Read
    write: Write | None = None
    judge: Judge | None = None


class Mib:
    """All objects of one device; `add` everything before the first look-up."""

    def __init__(self) -> None:
        self.entries: dict[Oid, Entry] = {}
        self._order: list[Oid] = []

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, entries: Iterable[Entry]) -> None:
        """Take objects in; a second one with the same OID is a mistake."""
        for entry in entries:
            if entry.oid in self.entries:
                raise ValueError(f"object {entry.oid} twice")
            self.entries[entry.oid] = entry
        self._order = sorted(self.entries)

    def read(self, oid: Oid) -> VarBind | None:
        """The object now, None when there is none."""
        entry = self.entries.get(oid)
        return None if entry is None else VarBind(oid, entry.tag, entry.read())

    def following(self, oid: Oid) -> VarBind | None:
        """The first object after `oid`, None past the last."""
        at = bisect_right(self._order, oid)
        return self.read(self._order[at]) if at < len(self._order) else None

    def judge(self, binding: VarBind) -> ErrorStatus:
        """Whether a binding may be written, as the version 2 status; version 1 says less."""
        entry = self.entries.get(binding.oid)
        if entry is None:
            return ErrorStatus.NO_CREATION
        if entry.write is None:
            return ErrorStatus.NOT_WRITABLE
        if binding.tag != entry.tag:
            return ErrorStatus.WRONG_TYPE
        return ErrorStatus.NO_ERROR if entry.judge is None else entry.judge(binding.tag, binding.value)

    def write(self, bindings: Iterable[VarBind]) -> None:
        """Write what was judged good."""
        for binding in bindings:
            write = self.entries[binding.oid].write
            if write is not None:
                write(binding.value)


def in_range(low: int, high: int) -> Judge:
    """Takes integers of a range."""

    def judge(_tag: int, value: Value) -> ErrorStatus:
        good = isinstance(value, int) and low <= value <= high
        return ErrorStatus.NO_ERROR if good else ErrorStatus.WRONG_VALUE

    return judge


def octets(text: str) -> bytes:
    """A DisplayString."""
    return text.encode("ascii", "replace")[:255]


def fixed(oid: Oid, value: Value, tag: int = Tag.INTEGER) -> Entry:
    """An object that never changes."""
    return Entry(oid, tag, lambda: value)
