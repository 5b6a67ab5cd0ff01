"""Ring-barrier tables as a UTDF file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator

from stopline_signals._utdf_groups import APPROACHES, MOVEMENT, RECALLS, movement_order
from stopline_signals._utdf_sheets import MPH
from stopline_signals.plan import Recall
from stopline_signals.ring_barrier import Overlap, Phase, RingBarrier

PHASES = range(1, 17)
RECALL_NUMBERS = {recall: number for number, recall in reversed(RECALLS.items())}


def utdf_from_ring_barriers(tables: Iterable[RingBarrier]) -> str:
    """The tables as one combined UTDF file.

    A group's movements are read from its name (EBT+EBR); a group named otherwise has phases but no lanes.
    UTDF has no whitelist, no crossing lengths and no times of overlaps, which come back with a phase's.
    Phases over 16, soft recalls and barriers or rings over 9 have no place in UTDF and raise a PlanError.
    """
    stream = io.StringIO()
    write = csv.writer(stream, lineterminator="\n").writerows
    tables = list(tables)
    write(
        [["[Network]"], ["Network Settings"], ["RECORDNAME", "DATA"], ["UTDFVERSION", 8], ["Metric", 0], []]
    )
    write([["[Links]"], ["Link Data"], ["RECORDNAME", "INTID", *APPROACHES]])
    for table in tables:
        write(_links(table))
    used = {name for table in tables for group in _groups(table) for name in _movements(group)}
    columns = sorted(used, key=movement_order)
    write([[], ["[Lanes]"], ["Lane Group Data"], ["RECORDNAME", "INTID", *columns]])
    for table in tables:
        write(_lanes(table, columns))
    write([[], ["[Timeplans]"], ["Timing Plan Settings"], ["RECORDNAME", "INTID", "DATA"]])
    for table in tables:
        write(_timeplan(table))
    write([[], ["[Phases]"], ["Phasing Data"], ["RECORDNAME", "INTID", *(f"D{n}" for n in PHASES)]])
    for table in tables:
        write(_phases(table))
    return stream.getvalue()


def _links(table: RingBarrier) -> Iterator[list[object]]:
    straight = {
        movement[:2]: group
        for group in _groups(table)
        for movement in _movements(group)
        if movement[2:] == "T"
    }
    speeds = {approach: f"{group.speed / MPH:.3f}" for approach, group in straight.items() if group.speed}
    grades = {approach: f"{group.grade * 100:g}" for approach, group in straight.items() if group.grade}
    for record, values in (("Speed", speeds), ("Grade", grades)):
        yield [record, table.junction, *(values.get(approach, "") for approach in APPROACHES)]


def _groups(table: RingBarrier) -> list[Phase | Overlap]:
    return [*table.phases, *table.overlaps]


def _movements(group: Phase | Overlap) -> list[str]:
    return [name for name in group.name.split("+") if MOVEMENT.fullmatch(name)]


def _lanes(table: RingBarrier, movements: list[str]) -> Iterator[list[object]]:
    columns: dict[str, dict[str, str]] = {}
    for group in _groups(table):
        own = (group.number,) if isinstance(group, Phase) else group.parents
        for position, name in enumerate(_movements(group)):
            # UTDF has lanes for each movement; the whole of the group's stands at its first one.
            columns.setdefault("Lanes", {})[name] = f"{group.lanes:g}" if position == 0 else "0"
            for number, phase in enumerate(own, 1):
                columns.setdefault(f"Phase{number}", {})[name] = str(phase)
            for number, phase in enumerate(group.permissive_with, 1):
                columns.setdefault(f"PermPhase{number}", {})[name] = str(phase)
    for record, values in columns.items():
        yield [record, table.junction, *(values.get(name, "") for name in movements)]


def _timeplan(table: RingBarrier) -> Iterator[list[object]]:
    if table.pattern is not None:
        yield ["Control Type", table.junction, 3]
        yield ["Cycle Length", table.junction, _seconds(table.pattern.cycle)]
        yield ["Offset", table.junction, _seconds(table.pattern.offset)]


def _phases(table: RingBarrier) -> Iterator[list[object]]:
    places = {
        phase: f"{barrier}{ring}{position}"
        for ring, sides in enumerate(table.rings, 1)
        for barrier, side in enumerate(sides, 1)
        for position, phase in enumerate(side, 1)
    }
    if wrong := [phase.number for phase in table.phases if phase.number not in PHASES]:
        raise table.fail(f"has phase {wrong[0]}, UTDF only 1 to 16")
    if wrong := [phase.number for phase in table.phases if phase.recall is Recall.SOFT]:
        raise table.fail(f"has a soft recall at phase {wrong[0]}, UTDF knows none")
    if any(len(place) != 3 for place in places.values()):
        raise table.fail("has more rings, barriers or positions than UTDF, which has 9")
    records: dict[str, Callable[[Phase], object]] = {
        "BRP": lambda phase: places[phase.number],
        "MinGreen": lambda phase: _seconds(phase.min_green),
        "MaxGreen": lambda phase: _seconds(phase.max_green),
        "VehExt": lambda phase: _seconds(phase.passage),
        "Yellow": lambda phase: _seconds(phase.yellow),
        "AllRed": lambda phase: _seconds(phase.red),
        "Recall": lambda phase: RECALL_NUMBERS[phase.recall],
        "Walk": lambda phase: _seconds(phase.walk) if phase.walk else "",
        "DontWalk": lambda phase: _seconds(phase.ped_clear) if phase.walk else "",
    }
    starts, ends = _starts(table)
    if starts:
        records["Start"] = lambda phase: _seconds(starts[phase.number])
        records["End"] = lambda phase: _seconds(ends[phase.number])
    for record, text in records.items():
        cells = {phase.number: text(phase) for phase in table.phases}
        yield [record, table.junction, *(cells.get(number, "") for number in PHASES)]


def _starts(table: RingBarrier) -> tuple[dict[int, int], dict[int, int]]:
    """When each split starts and ends on the master clock."""
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    if table.pattern is None:
        return starts, ends
    lengths = dict(table.pattern.splits)
    at = 0
    for side in table.sides():
        for ring in side:
            begin = at
            for phase in ring:
                starts[phase] = (table.pattern.offset + begin) % table.pattern.cycle
                begin += lengths[phase]
                ends[phase] = (table.pattern.offset + begin) % table.pattern.cycle
        at += max(sum(lengths[phase] for phase in ring) for ring in side)
    return starts, ends


def _seconds(tenths: int) -> str:
    return f"{tenths / 10:g}"
