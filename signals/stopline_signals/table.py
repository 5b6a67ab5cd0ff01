"""Signal plans as plain tables, the form that TOML and JSON files hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stopline_signals._plan_reader import (
    GROUP_MEASURES,
    GROUP_TIMES,
    PATH_MEASURES,
    PREEMPT_TIMES,
    PlanReader,
)
from stopline_signals.errors import PlanError
from stopline_signals.plan import (
    NO_CONFLICT,
    ConflictPath,
    Detector,
    FixedProgram,
    Preempt,
    SignalGroup,
    SignalPlan,
    Stage,
)

Table = dict[str, Any]


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
    # Parts a plan may lack are left out, so that its digest does not depend on what it has not.
    if plan.preempts:
        table["preempt"] = [_preempt_row(preempt, plan) for preempt in plan.preempts]
    if plan.paths:
        table["path"] = [_path_row(path, names) for path in plan.paths]
    if plan.rings:
        table["rings"] = [[[names[group] for group in side] for side in ring] for ring in plan.rings]
    return table


def plan_from_table(table: Mapping[str, Any], where: str = "plan") -> SignalPlan:
    """Build the plan a table describes; PlanError names `where` and the entry at fault.

    A table with a `[ring_barrier]` section holds that in place of groups, stages, intergreens and yields.
    """
    if "ring_barrier" in table:
        table = _expanded(table, where)
    reader = PlanReader(where)
    reader.known(table, _PLAN_KEYS, "")
    groups = tuple(reader.group(row, i) for i, row in enumerate(reader.rows(table, "group")))
    names = {group.name: index for index, group in enumerate(groups)}
    stages = tuple(reader.stage(row, names, i) for i, row in enumerate(reader.rows(table, "stage")))
    detectors = tuple(reader.detector(row, names, i) for i, row in enumerate(reader.rows(table, "detector")))
    stage_names = {stage.name: index for index, stage in enumerate(stages)}
    try:
        return SignalPlan(
            junction=reader.field(table, "junction", str, "plan"),
            groups=groups,
            stages=stages,
            intergreen=reader.intergreen(reader.rows(table, "intergreen"), names),
            yields=reader.yields(reader.rows(table, "yields"), names),
            detectors=detectors,
            program=reader.program(table.get("program"), stage_names),
            preempts=tuple(
                reader.preempt(row, stage_names, i) for i, row in enumerate(reader.rows(table, "preempt"))
            ),
            paths=tuple(reader.path(row, names, i) for i, row in enumerate(reader.rows(table, "path"))),
            rings=reader.rings(table, names),
            red_revert=reader.field(table, "red_revert", int, "plan", 20),
            startup_red=reader.field(table, "startup_red", int, "plan", 30),
            benchmark_only=reader.field(table, "benchmark_only", bool, "plan", False),
            source=reader.field(table, "source", str, "plan", ""),
        )
    except PlanError as error:
        raise error if str(error).startswith(where) else PlanError(f"{where}: {error}") from None


_PLAN_KEYS = {
    *("junction", "source", "benchmark_only", "red_revert", "startup_red"),
    *("group", "stage", "intergreen", "yields", "detector", "program", "preempt", "path", "rings"),
}


def _expanded(table: Mapping[str, Any], where: str) -> Table:
    """The table with its ring-barrier section written out; its other parts keep their own rows."""
    from stopline_signals.ring_table import ring_barrier_from_table  # reads rows of the parts read here

    written_out = {"group", "stage", "intergreen", "yields", "program", "rings"}
    if both := sorted(written_out & set(table)):
        raise PlanError(
            f"{where}: {both[0]} stands beside [ring_barrier], which defines it; keep one of them"
        )
    try:
        made = plan_to_table(ring_barrier_from_table(table, where).plan())
    except PlanError as error:
        raise error if str(error).startswith(where) else PlanError(f"{where}: {error}") from None
    rest = {key: value for key, value in table.items() if key != "ring_barrier"}
    return {**{key: made[key] for key in written_out if key in made}, **rest}


def _group_row(group: SignalGroup) -> Table:
    row: Table = {"name": group.name, "kind": str(group.kind)}
    row.update({field: getattr(group, field) for field in GROUP_TIMES})
    row.update(
        approach=group.approach,
        lanes=_measure(group.lanes),
        on_demand=group.on_demand,
        links=list(group.links),
    )
    row["oncoming"] = list(group.oncoming)
    rest: Table = {"passage": group.passage, "recall": str(group.recall), "phase": group.phase}
    rest.update({field: _measure(getattr(group, field)) for field in GROUP_MEASURES})
    row.update({key: value for key, value in rest.items() if value != getattr(_BLANK, key)})
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
        "start_m": _measure(detector.start_m),
        "end_m": _measure(detector.end_m),
        "capacity": _measure(detector.capacity),
    }


def _program_row(program: FixedProgram, plan: SignalPlan) -> Table:
    steps = [{"stage": plan.stages[step.stage].name, "green_at": step.green_at} for step in program.steps]
    return {"cycle": program.cycle, "offset": program.offset, "step": steps}


def _preempt_row(preempt: Preempt, plan: SignalPlan) -> Table:
    row: Table = {
        "name": preempt.name,
        "dwell": plan.stages[preempt.dwell].name,
        "priority": preempt.priority,
        "rail": preempt.rail,
        "exit_stages": [plan.stages[stage].name for stage in preempt.exit_stages],
    }
    row.update({field: getattr(preempt, field) for field in PREEMPT_TIMES})
    if preempt.track_clear is not None:
        row["track_clear"] = plan.stages[preempt.track_clear].name
    return row


def _path_row(path: ConflictPath, names: Sequence[str]) -> Table:
    row: Table = {"ending": names[path.ending], "starting": names[path.starting]}
    row["crossing_time"] = path.crossing_time
    row.update({field: _measure(getattr(path, field)) for field in PATH_MEASURES})
    return row


def _measure(value: float) -> float:
    """As a float that equal plans write the same: 0, 0.0 and -0.0 are one."""
    return float(value) + 0.0


_BLANK = SignalGroup(name="")
