"""Signal plans as plain tables, the form that TOML and JSON files hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast, get_origin

from stopline_signals.errors import PlanError
from stopline_signals.plan import (
    NO_CONFLICT,
    Detector,
    DetectorKind,
    FixedProgram,
    GroupKind,
    ProgramStep,
    SignalGroup,
    SignalPlan,
    Stage,
)

Table = dict[str, Any]
_T = TypeVar("_T")

_GROUP_FIELDS = ("min_green", "max_green", "max_red", "yellow", "walk", "clearance")


def plan_to_table(plan: SignalPlan) -> Table:
    """The plan as nested dicts and lists; times stay integer tenths, names replace indices."""
    names = [group.name for group in plan.groups]
    table: Table = {
        "junction": plan.junction,
        "source": plan.source,
        "benchmark_only": plan.benchmark_only,
        "red_revert": plan.red_revert,
        "startup_red": plan.startup_red,
        "group": [_group_row(group) for group in plan.groups],
        "stage": [_stage_row(stage, names) for stage in plan.stages],
        "intergreen": _intergreen_rows(plan, names),
        "yields": _yield_rows(plan, names),
        "detector": [_detector_row(detector, names) for detector in plan.detectors],
    }
    if plan.program is not None:
        table["program"] = _program_row(plan.program, plan)
    return table


def plan_from_table(table: Mapping[str, Any], where: str = "plan") -> SignalPlan:
    """Build the plan a table describes; PlanError names `where` and the entry at fault."""
    reader = _Reader(where)
    reader.known(table, _PLAN_KEYS, "")
    groups = tuple(reader.group(row, i) for i, row in enumerate(reader.rows(table, "group")))
    names = {group.name: index for index, group in enumerate(groups)}
    stages = tuple(reader.stage(row, names, i) for i, row in enumerate(reader.rows(table, "stage")))
    detectors = tuple(reader.detector(row, names, i) for i, row in enumerate(reader.rows(table, "detector")))
    try:
        return SignalPlan(
            junction=reader.field(table, "junction", str, "plan"),
            groups=groups,
            stages=stages,
            intergreen=reader.intergreen(reader.rows(table, "intergreen"), names),
            yields=reader.yields(reader.rows(table, "yields"), names),
            detectors=detectors,
            program=reader.program(table.get("program"), {stage.name: i for i, stage in enumerate(stages)}),
            red_revert=reader.field(table, "red_revert", int, "plan", 20),
            startup_red=reader.field(table, "startup_red", int, "plan", 30),
            benchmark_only=reader.field(table, "benchmark_only", bool, "plan", False),
            source=reader.field(table, "source", str, "plan", ""),
        )
    except PlanError as error:
        raise error if str(error).startswith(where) else PlanError(f"{where}: {error}") from None


_PLAN_KEYS = {
    *("junction", "source", "benchmark_only", "red_revert", "startup_red"),
    *("group", "stage", "intergreen", "yields", "detector", "program"),
}


def _group_row(group: SignalGroup) -> Table:
    row: Table = {"name": group.name, "kind": str(group.kind)}
    row.update({field: getattr(group, field) for field in _GROUP_FIELDS})
    row.update(
        approach=group.approach, lanes=float(group.lanes), on_demand=group.on_demand, links=list(group.links)
    )
    row["oncoming"] = list(group.oncoming)
    return row


def _stage_row(stage: Stage, names: Sequence[str]) -> Table:
    return {
        "name": stage.name,
        "protected": [names[group] for group in stage.protected],
        "permissive": [names[group] for group in stage.permissive],
    }


def _intergreen_rows(plan: SignalPlan, names: Sequence[str]) -> list[Table]:
    return [
        {
            "ending": names[i],
            "starting": {names[j]: value for j, value in enumerate(row) if value != NO_CONFLICT},
        }
        for i, row in enumerate(plan.intergreen)
        if any(value != NO_CONFLICT for value in row)
    ]


def _yield_rows(plan: SignalPlan, names: Sequence[str]) -> list[Table]:
    return [
        {"group": names[i], "to": [names[j] for j, given in enumerate(row) if given]}
        for i, row in enumerate(plan.yields)
        if any(row)
    ]


def _detector_row(detector: Detector, names: Sequence[str]) -> Table:
    return {
        "name": detector.name,
        "kind": str(detector.kind),
        "group": names[detector.group],
        "start_m": detector.start_m,
        "end_m": detector.end_m,
        "capacity": detector.capacity,
    }


def _program_row(program: FixedProgram, plan: SignalPlan) -> Table:
    steps = [{"stage": plan.stages[step.stage].name, "green_at": step.green_at} for step in program.steps]
    return {"cycle": program.cycle, "offset": program.offset, "step": steps}


class _Reader:
    """Turns rows into parts; every mistake becomes a PlanError that names file and entry."""

    def __init__(self, where: str) -> None:
        self._where = where

    def fail(self, place: str, message: str) -> PlanError:
        return PlanError(f"{self._where}: {place}: {message}")

    def known(self, row: Mapping[str, Any], keys: set[str], place: str) -> None:
        for key in row:
            if key not in keys:
                raise self.fail(place or "plan", f"unknown key {key!r}; known are {', '.join(sorted(keys))}")

    def rows(self, table: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        rows: list[Any] = self.field(table, key, list[Any], key, [])
        if not all(isinstance(row, Mapping) for row in rows):
            raise self.fail(key, f"must be a list of tables, [[{key}]]")
        return rows

    def field(
        self, row: Mapping[str, Any], key: str, kind: type[_T], place: str, default: _T | None = None
    ) -> _T:
        value: Any = row.get(key, default)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not (get_origin(kind) or kind):
            raise self.fail(place, f"{key} must be {kind.__name__}, found {value!r}")
        return cast(_T, value)

    def index(self, name: object, names: Mapping[str, int], place: str, what: str = "group") -> int:
        if not isinstance(name, str) or name not in names:
            raise self.fail(place, f"unknown {what} {name!r}; known are {', '.join(names)}")
        return names[name]

    def indices(
        self, row: Mapping[str, Any], key: str, names: Mapping[str, int], place: str
    ) -> tuple[int, ...]:
        return tuple(self.index(name, names, place) for name in self.field(row, key, list[str], place, []))

    def group(self, row: Mapping[str, Any], number: int) -> SignalGroup:
        place = f"group {row.get('name', number)}"
        keys = {"name", "kind", *_GROUP_FIELDS, "approach", "lanes", "on_demand", "links", "oncoming"}
        self.known(row, keys, place)
        times = {key: self.field(row, key, int, place) for key in _GROUP_FIELDS if key in row}
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
            **times,
        )

    def choice(
        self,
        row: Mapping[str, Any],
        key: str,
        kind: Callable[[str], _T],
        place: str,
        default: str | None = None,
    ) -> _T:
        value = self.field(row, key, str, place, default)
        try:
            return kind(value)
        except ValueError as error:
            raise self.fail(place, f"{key}: {error}") from None

    def stage(self, row: Mapping[str, Any], names: Mapping[str, int], number: int) -> Stage:
        place = f"stage {row.get('name', number)}"
        self.known(row, {"name", "protected", "permissive"}, place)
        protected = self.indices(row, "protected", names, place)
        return Stage(
            self.field(row, "name", str, place), protected, self.indices(row, "permissive", names, place)
        )

    def detector(self, row: Mapping[str, Any], names: Mapping[str, int], number: int) -> Detector:
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

    def intergreen(
        self, rows: list[Mapping[str, Any]], names: Mapping[str, int]
    ) -> tuple[tuple[int, ...], ...]:
        matrix = [[NO_CONFLICT] * len(names) for _ in names]
        for number, row in enumerate(rows):
            place = f"intergreen {row.get('ending', number)}"
            self.known(row, {"ending", "starting"}, place)
            ending = self.index(row.get("ending"), names, place)
            starting = self.field(row, "starting", dict[str, Any], place)
            for name in starting:
                matrix[ending][self.index(name, names, place)] = self.field(starting, name, int, place)
        return tuple(map(tuple, matrix))

    def yields(self, rows: list[Mapping[str, Any]], names: Mapping[str, int]) -> tuple[tuple[bool, ...], ...]:
        matrix = [[False] * len(names) for _ in names]
        for number, row in enumerate(rows):
            place = f"yields {row.get('group', number)}"
            self.known(row, {"group", "to"}, place)
            giving = self.index(row.get("group"), names, place)
            for other in self.indices(row, "to", names, place):
                matrix[giving][other] = True
        return tuple(map(tuple, matrix))

    def program(self, row: Mapping[str, Any] | None, stages: Mapping[str, int]) -> FixedProgram | None:
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
