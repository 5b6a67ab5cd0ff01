"""A signal plan as text: rings or stages, the fixed program, the matrix, the findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from stopline_signals.errors import PlanError
from stopline_signals.findings import Finding, Severity
from stopline_signals.fixed_cycle import cycle_of
from stopline_signals.plan import NO_CONFLICT, Aspect, GroupKind, SignalPlan

MARKS = {Aspect.GREEN: "█", Aspect.PERMISSIVE: "▒", Aspect.YELLOW: "▬", Aspect.RED: "·"}
STYLES = {Aspect.GREEN: "green", Aspect.PERMISSIVE: "green", Aspect.YELLOW: "yellow", Aspect.RED: "dim"}
WEIGHTS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}
TIMELINE_WIDTH = 60


def print_plan(plan: SignalPlan, console: Console) -> None:
    """Everything about one plan but its findings."""
    console.print(f"[bold]{escape(plan.junction)}[/bold]  {escape(plan.source)}")
    if plan.rings:
        console.print(ring_table(plan))
    console.print(stage_table(plan))
    console.print(group_table(plan))
    console.print(matrix_table(plan))
    if plan.program is not None:
        console.print(timeline(plan))


def ring_table(plan: SignalPlan) -> Table:
    """The ring-barrier diagram: one row a ring, double lines where all rings cross a barrier together."""
    table = Table(title="rings and barriers", title_justify="left", show_header=False)
    table.add_column("ring")
    splits = _splits(plan)
    widest = [max(len(ring[side]) for ring in plan.rings) for side in range(len(plan.rings[0]))]
    for side in widest:
        for _ in range(side):
            table.add_column()
        table.add_column(justify="center")
    for number, ring in enumerate(plan.rings, 1):
        cells: list[str] = [f"ring {number}"]
        for side, groups in enumerate(ring):
            names = [_phase(plan, group, splits) for group in groups]
            cells += [*names, *[""] * (widest[side] - len(names)), "║"]
        table.add_row(*map(escape, cells))
    return table


def stage_table(plan: SignalPlan) -> Table:
    """Groups by stages: full blocks are protected, shaded ones give way."""
    table = Table(title=f"stages ({MARKS[Aspect.GREEN]} protected, {MARKS[Aspect.PERMISSIVE]} gives way)")
    table.title_justify = "left"
    table.add_column("group")
    for stage in plan.stages:
        table.add_column(escape(stage.name), justify="center")
    for index, group in enumerate(plan.groups):
        shown = [stage.aspect(index) for stage in plan.stages]
        cells = [Text(MARKS[a] * (1 if a is Aspect.RED else 3), style=STYLES[a]) for a in shown]
        table.add_row(escape(group.name), *cells)
    return table


def group_table(plan: SignalPlan) -> Table:
    """The groups with their times in seconds."""
    table = Table(title="groups (s)", title_justify="left")
    for column in ("group", "kind", "phase", "approach", "min", "max", "yellow", "walk", "clearance"):
        table.add_column(column, justify="left" if column in ("group", "kind", "approach") else "right")
    for column in ("max red", "passage", "recall", "links"):
        table.add_column(column, justify="left" if column in ("recall", "links") else "right")
    for group in plan.groups:
        walks = group.kind is GroupKind.PEDESTRIAN
        times = [
            "" if walks else _s(group.min_green),
            "" if walks else _s(group.max_green),
            "" if walks else _s(group.yellow),
            _s(group.walk) if walks else "",
            _s(group.clearance) if walks else "",
            _s(group.max_red),
            "" if walks else _s(group.passage),
        ]
        table.add_row(
            escape(group.name),
            str(group.kind),
            str(group.phase or ""),
            escape(group.approach),
            *times,
            str(group.recall),
            " ".join(map(str, group.links)),
        )
    return table


def matrix_table(plan: SignalPlan) -> Table:
    """Intergreens in seconds, ending group by row; a y marks a row's group that may give way instead."""
    table = Table(
        title="intergreen (s), from the row's end of green to the column's start", title_justify="left"
    )
    table.add_column("ending")
    for number in range(1, len(plan.groups) + 1):
        table.add_column(str(number), justify="right")
    for i, group in enumerate(plan.groups):
        cells = [
            Text("·", style="dim") if value == NO_CONFLICT else Text(_s(value) + "y" * plan.yields[i][j])
            for j, value in enumerate(plan.intergreen[i])
        ]
        table.add_row(escape(f"{i + 1} {group.name}"), *cells)
    return table


def timeline(plan: SignalPlan) -> Table:
    """One cycle of the fixed program with every crossing walked, as bars."""
    assert plan.program is not None
    cycle, offset = _s(plan.program.cycle), _s(plan.program.offset)
    table = Table(title=f"fixed program, cycle {cycle} s, offset {offset} s", title_justify="left")
    table.add_column("group")
    table.add_column("")
    try:
        pictures = cycle_of(plan)
    except PlanError as error:
        table.add_row("", escape(str(error)))
        return table
    ends: list[tuple[int, tuple[int, ...]]] = []
    for picture in pictures:
        ends.append(((ends[-1][0] if ends else 0) + picture.duration, picture.aspects))
    for index, group in enumerate(plan.groups):
        bar = Text()
        for cell in range(TIMELINE_WIDTH):
            at = plan.program.cycle * (2 * cell + 1) // (2 * TIMELINE_WIDTH)
            aspect = Aspect(next(aspects for end, aspects in ends if end > at)[index])
            bar.append(MARKS[aspect], style=STYLES[aspect])
        table.add_row(escape(group.name), bar)
    return table


def findings_table(findings: Sequence[tuple[str, Finding]]) -> Table:
    """Findings with their junction, the worst first."""
    table = Table(title=f"findings: {len(findings)}", title_justify="left")
    for column in ("severity", "junction", "rule", "place", "message", "source"):
        table.add_column(column)
    for junction, finding in sorted(findings, key=lambda entry: -entry[1].severity):
        table.add_row(
            Text(finding.severity.name.lower(), style=WEIGHTS[finding.severity]),
            escape(junction),
            str(finding.rule),
            escape(finding.place),
            escape(finding.message),
            escape(finding.source.partition(":")[0]),
        )
    return table


def count(findings: Iterable[Finding], severity: Severity) -> int:
    """How many findings are of a severity."""
    return sum(finding.severity is severity for finding in findings)


def _phase(plan: SignalPlan, index: int, splits: dict[int, int]) -> str:
    group = plan.groups[index]
    number = "" if not group.phase or group.name == str(group.phase) else f"{group.phase} "
    turn = " gives way" if any(stage.aspect(index) is Aspect.PERMISSIVE for stage in plan.stages) else ""
    walk = " +walk" if any(g.phase == group.phase and g.walk for g in plan.groups) and group.phase else ""
    length = f" {_s(splits[index])} s" if index in splits else ""
    return f"{number}{group.name}{length}{walk}{turn}"


def _splits(plan: SignalPlan) -> dict[int, int]:
    """Group -> tenths from its start in the fixed program to the start of what follows it."""
    if plan.program is None:
        return {}
    steps, cycle = plan.program.steps, plan.program.cycle
    found: dict[int, int] = {}
    for index in range(len(plan.groups)):
        for position, step in enumerate(steps):
            following = steps[(position + 1) % len(steps)].green_at
            if plan.stages[step.stage].aspect(index) is Aspect.GREEN:
                found[index] = found.get(index, 0) + ((following - step.green_at) % cycle or cycle)
    return found


def _s(tenths: int) -> str:
    return f"{tenths / 10:.1f}"
