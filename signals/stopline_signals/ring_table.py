"""The table form of a ring-barrier plan, the `[ring_barrier]` section of a plan file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, cast

from stopline_signals.plan import GroupKind, Recall
from stopline_signals.ring_barrier import Overlap, Pattern, Phase, RingBarrier
from stopline_signals.rows import Row, RowReader

Table = dict[str, Any]

SECTION_KEYS = {"rings", "concurrency", "ped_buffer", "phase", "overlap", "pattern"}


def ring_barrier_to_table(rings: RingBarrier) -> Table:
    """A plan table with a `[ring_barrier]` section; what has its default is left out."""
    section: Table = {
        "rings": [[list(side) for side in ring] for ring in rings.rings],
        "phase": [_row(phase) for phase in rings.phases],
    }
    if rings.concurrency:
        section["concurrency"] = [list(pair) for pair in rings.concurrency]
    if rings.ped_buffer != 30:
        section["ped_buffer"] = rings.ped_buffer
    if rings.overlaps:
        section["overlap"] = [_row(overlap) for overlap in rings.overlaps]
    if rings.pattern is not None:
        section["pattern"] = {
            "cycle": rings.pattern.cycle,
            "offset": rings.pattern.offset,
            "splits": {str(phase): length for phase, length in rings.pattern.splits},
        }
    return {"junction": rings.junction, "source": rings.source, "ring_barrier": section}


def ring_barrier_from_table(table: Row, where: str = "plan") -> RingBarrier:
    """Read the `[ring_barrier]` section of a plan table; PlanError names `where` and the entry at fault."""
    reader = _RingReader(where)
    section = reader.field(table, "ring_barrier", dict[str, Any], "plan")
    reader.known(section, SECTION_KEYS, "ring_barrier")
    return RingBarrier(
        junction=reader.field(table, "junction", str, "plan"),
        source=reader.field(table, "source", str, "plan", ""),
        rings=tuple(
            tuple(
                reader.numbers(side, f"ring {number + 1}")
                for side in reader.lists(ring, f"ring {number + 1}")
            )
            for number, ring in enumerate(reader.lists(section.get("rings"), "rings"))
        ),
        phases=tuple(reader.phase(row, i) for i, row in enumerate(reader.rows(section, "phase"))),
        overlaps=tuple(reader.overlap(row, i) for i, row in enumerate(reader.rows(section, "overlap"))),
        concurrency=tuple(
            reader.pair(pair) for pair in reader.lists(section.get("concurrency", []), "concurrency")
        ),
        pattern=reader.pattern(section),
        ped_buffer=reader.field(section, "ped_buffer", int, "ring_barrier", 30),
    )


def _row(movement: Phase | Overlap) -> Table:
    row: Table = {}
    for entry in fields(movement):
        value: Any = getattr(movement, entry.name)
        if entry.default is MISSING or value != entry.default:
            row[entry.name] = _plain(value)
    return {"number": row.pop("number"), **row} if "number" in row else row


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(cast(tuple[object, ...], value))
    return str(value) if isinstance(value, GroupKind | Recall) else value


class _RingReader(RowReader):
    """Reads phases and overlaps by the fields of their dataclasses."""

    def phase(self, row: Row, number: int) -> Phase:
        return Phase(**self.entries(row, Phase, f"phase {row.get('number', number)}"))

    def overlap(self, row: Row, number: int) -> Overlap:
        return Overlap(**self.entries(row, Overlap, f"overlap {row.get('name', number)}"))

    def entries(self, row: Row, kind: type[Phase | Overlap], place: str) -> Table:
        known = {entry.name: entry.default for entry in fields(kind)}
        self.known(row, set(known), place)
        if known.get("number", 0) is MISSING:
            self.field(row, "number", int, place)
        return {key: self.entry(row, key, known[key], place) for key in row}

    def entry(self, row: Row, key: str, default: object, place: str) -> Any:
        if isinstance(default, GroupKind | Recall):
            return self.choice(row, key, type(default), place)
        if isinstance(default, tuple):
            return self.numbers(row[key], f"{place}: {key}")
        if isinstance(default, str):
            return self.field(row, key, str, place)
        if isinstance(default, float):
            return self.field(row, key, float, place)
        value = self.field(row, key, int, place)
        if not 0 <= value <= 36000:
            raise self.fail(place, f"{key} must be 0..36000, found {value}")
        return value

    def numbers(self, value: object, place: str) -> tuple[int, ...]:
        if not isinstance(value, list):
            raise self.fail(place, f"must be a list of whole numbers, found {value!r}")
        entries = cast(list[object], value)
        found = tuple(entry for entry in entries if type(entry) is int)
        if len(found) < len(entries):
            raise self.fail(place, f"must be a list of whole numbers, found {value!r}")
        return found

    def pair(self, value: object) -> tuple[int, int]:
        found = self.numbers(value, "concurrency")
        if len(found) != 2:
            raise self.fail("concurrency", f"{value!r} must be two phase numbers")
        return found[0], found[1]

    def pattern(self, section: Row) -> Pattern | None:
        if "pattern" not in section:
            return None
        row: Mapping[str, Any] = self.field(section, "pattern", dict[str, Any], "pattern")
        self.known(row, {"cycle", "offset", "splits"}, "pattern")
        splits = self.field(row, "splits", dict[str, Any], "pattern")
        for key in splits:
            if not str(key).isdecimal():
                raise self.fail("pattern", f"splits: {key!r} is no phase number")
        lengths = ((int(key), self.field(splits, key, int, "pattern: split")) for key in splits)
        return Pattern(
            cycle=self.field(row, "cycle", int, "pattern"),
            offset=self.field(row, "offset", int, "pattern", 0),
            splits=tuple(lengths),
        )
