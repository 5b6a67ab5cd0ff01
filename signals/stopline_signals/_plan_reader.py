"""Reads the parts of a plan from the rows of its table."""

from __future__ import annotations

from typing import Any

from stopline_signals.plan import (
    NO_CONFLICT,
    ConflictPath,
    Detector,
    DetectorKind,
    FixedProgram,
    GroupKind,
    Preempt,
    ProgramStep,
    Recall,
    SignalGroup,
    Stage,
)
from stopline_signals.rows import Names, Row, RowReader

GROUP_TIMES = ("min_green", "max_green", "max_red", "yellow", "walk", "clearance")
GROUP_MEASURES = ("speed", "turn_speed", "grade", "crossing")
PREEMPT_TIMES = ("delay", "min_duration", "max_presence", "enter_yellow", "enter_red")
PATH_MEASURES = ("clearing_m", "vehicle_m", "clearing_mps", "entering_m", "entering_mps")


class PlanReader(RowReader):
    """Turns the rows of a plan table into parts."""

    def group(self, row: Row, number: int) -> SignalGroup:
        place = f"group {row.get('name', number)}"
        keys = {"name", "kind", *GROUP_TIMES, "approach", "lanes", "on_demand", "links", "oncoming"}
        self.known(row, keys | {"passage", "recall", "phase", *GROUP_MEASURES}, place)
        times = {
            key: self.field(row, key, int, place) for key in (*GROUP_TIMES, "passage", "phase") if key in row
        }
        measures: dict[str, Any] = {
            key: self.field(row, key, float, place) for key in GROUP_MEASURES if key in row
        }
        links = self.field(row, "links", list[int], place, [])
        if not all(type(link) is int for link in links):
            raise self.fail(place, "links must be whole numbers")
        return SignalGroup(
            name=self.field(row, "name", str, place),
            kind=self.choice(row, "kind", GroupKind, place, "vehicle"),
            approach=self.field(row, "approach", str, place, ""),
            lanes=self.field(row, "lanes", float, place, 1.0),
            on_demand=self.field(row, "on_demand", bool, place, False),
            links=tuple(links),
            oncoming=tuple(self.field(row, "oncoming", list[str], place, [])),
            recall=self.choice(row, "recall", Recall, place, "none"),
            **times,
            **measures,
        )

    def stage(self, row: Row, names: Names, number: int) -> Stage:
        place = f"stage {row.get('name', number)}"
        self.known(row, {"name", "protected", "permissive"}, place)
        protected = self.indices(row, "protected", names, place)
        return Stage(
            self.field(row, "name", str, place), protected, self.indices(row, "permissive", names, place)
        )

    def detector(self, row: Row, names: Names, number: int) -> Detector:
        place = f"detector {row.get('name', number)}"
        self.known(row, {"name", "kind", "group", "start_m", "end_m", "capacity"}, place)
        return Detector(
            name=self.field(row, "name", str, place),
            kind=self.choice(row, "kind", DetectorKind, place),
            group=self.index(row.get("group"), names, place),
            start_m=self.field(row, "start_m", float, place, 0.0),
            end_m=self.field(row, "end_m", float, place, 0.0),
            capacity=self.field(row, "capacity", float, place, 1.0),
        )

    def intergreen(self, rows: list[Row], names: Names) -> tuple[tuple[int, ...], ...]:
        matrix = [[NO_CONFLICT] * len(names) for _ in names]
        for number, row in enumerate(rows):
            place = f"intergreen {row.get('ending', number)}"
            self.known(row, {"ending", "starting"}, place)
            ending = self.index(row.get("ending"), names, place)
            starting = self.field(row, "starting", dict[str, Any], place)
            for name in starting:
                matrix[ending][self.index(name, names, place)] = self.field(starting, name, int, place)
        return tuple(map(tuple, matrix))

    def yields(self, rows: list[Row], names: Names) -> tuple[tuple[bool, ...], ...]:
        matrix = [[False] * len(names) for _ in names]
        for number, row in enumerate(rows):
            place = f"yields {row.get('group', number)}"
            self.known(row, {"group", "to"}, place)
            giving = self.index(row.get("group"), names, place)
            for other in self.indices(row, "to", names, place):
                matrix[giving][other] = True
        return tuple(map(tuple, matrix))

    def preempt(self, row: Row, stages: Names, number: int) -> Preempt:
        place = f"preempt {row.get('name', number)}"
        known = {"name", "dwell", "priority", "rail", "track_clear", "exit_stages", *PREEMPT_TIMES}
        self.known(row, known, place)
        times = {key: self.field(row, key, int, place) for key in PREEMPT_TIMES if key in row}
        exits = self.field(row, "exit_stages", list[str], place, [])
        track = row.get("track_clear")
        return Preempt(
            name=self.field(row, "name", str, place),
            dwell=self.index(row.get("dwell"), stages, place, "stage"),
            priority=self.field(row, "priority", int, place, 1),
            rail=self.field(row, "rail", bool, place, False),
            track_clear=None if track is None else self.index(track, stages, place, "stage"),
            exit_stages=tuple(self.index(name, stages, place, "stage") for name in exits),
            **times,
        )

    def path(self, row: Row, names: Names, number: int) -> ConflictPath:
        place = f"path {row.get('ending', number)}"
        self.known(row, {"ending", "starting", "crossing_time", *PATH_MEASURES}, place)
        measures = {key: self.field(row, key, float, place) for key in PATH_MEASURES if key in row}
        for key in ("clearing_m", "vehicle_m", "clearing_mps"):
            measures[key] = self.field(row, key, float, place)
        return ConflictPath(
            ending=self.index(row.get("ending"), names, place),
            starting=self.index(row.get("starting"), names, place),
            crossing_time=self.field(row, "crossing_time", int, place),
            **measures,
        )

    def rings(self, table: Row, names: Names) -> tuple[tuple[tuple[int, ...], ...], ...]:
        return tuple(
            tuple(
                tuple(self.index(name, names, f"rings {number}") for name in side)
                for side in self.lists(ring, f"rings {number}")
            )
            for number, ring in enumerate(self.lists(table.get("rings", []), "rings"))
        )

    def program(self, row: Row | None, stages: Names) -> FixedProgram | None:
        if row is None:
            return None
        self.known(row, {"cycle", "offset", "step"}, "program")
        steps = [
            ProgramStep(
                self.index(step.get("stage"), stages, f"program step {number}", "stage"),
                self.field(step, "green_at", int, f"program step {number}"),
            )
            for number, step in enumerate(self.rows(row, "step"))
        ]
        cycle = self.field(row, "cycle", int, "program")
        if cycle <= 0:
            raise self.fail("program", f"cycle must be over 0 tenths, found {cycle}")
        return FixedProgram(cycle, self.field(row, "offset", int, "program", 0), tuple(steps))
