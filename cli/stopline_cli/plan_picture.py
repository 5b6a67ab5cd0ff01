"""A signal plan as a picture: rings or stages, the fixed program, the matrix and the findings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stopline_signals.errors import PlanError
from stopline_signals.findings import Finding, Severity
from stopline_signals.fixed_cycle import cycle_of
from stopline_signals.plan import NO_CONFLICT, Aspect, SignalPlan

Axes = Any
"""matplotlib.axes.Axes, whose methods take keyword arguments without types."""

COLOURS = {
    Aspect.GREEN: "#2e8b57",
    Aspect.PERMISSIVE: "#9fd8b4",
    Aspect.YELLOW: "#f2c14e",
    Aspect.RED: "#eeeeee",
}
SEVERITY_COLOURS = {Severity.ERROR: "#b00020", Severity.WARNING: "#a06000", Severity.NOTE: "#555555"}
FINDINGS_SHOWN = 14


def draw_plan(plan: SignalPlan, findings: Sequence[Finding], path: Path) -> None:
    """Write the picture; the suffix of the path (.png, .svg, .pdf) says in which form."""
    shown = min(len(findings), FINDINGS_SHOWN)
    figure: Any = Figure(figsize=(15, 4 + 0.5 * len(plan.groups) + 0.3 * shown), layout="constrained")
    axes = figure.subplot_mosaic(
        [["diagram", "matrix"], ["program", "matrix"], ["findings", "findings"]],
        height_ratios=[1, 1, 0.1 + 0.08 * shown],
    )
    figure.suptitle(f"{plan.junction}   {plan.source}", fontsize=11)
    if plan.rings:
        _rings(axes["diagram"], plan)
    else:
        _stages(axes["diagram"], plan)
    _program(axes["program"], plan)
    _matrix(axes["matrix"], plan)
    _findings(axes["findings"], findings)
    figure.savefig(path, dpi=110)


def _rings(axes: Axes, plan: SignalPlan) -> None:
    """Phases as boxes in the order in which they run, barriers as thick lines through all rings."""
    axes.set_title("rings and barriers", loc="left", fontsize=9)
    widths = [max(len(ring[side]) for ring in plan.rings) or 1 for side in range(len(plan.rings[0]))]
    for row, ring in enumerate(plan.rings):
        left = 0.0
        for side, groups in enumerate(ring):
            for place, group in enumerate(groups):
                width = widths[side] / len(groups)
                box = (left + place * width, -row - 1.0)
                turns = any(stage.aspect(group) is Aspect.PERMISSIVE for stage in plan.stages)
                colour, ink = (
                    COLOURS[Aspect.PERMISSIVE if turns else Aspect.GREEN],
                    "black" if turns else "white",
                )
                axes.add_patch(Rectangle(box, width, 0.9, facecolor=colour, edgecolor="white"))
                name = plan.groups[group].name
                phase = plan.groups[group].phase
                label = name if not phase or name == str(phase) else f"{phase}\n{name}"
                axes.text(
                    box[0] + width / 2, box[1] + 0.45, label, ha="center", va="center", fontsize=8, color=ink
                )
            left += widths[side]
            axes.plot([left, left], [-len(plan.rings), -0.1], color="black", linewidth=3)
    axes.set_xlim(0, sum(widths) + 0.1)
    axes.set_ylim(-len(plan.rings) - 0.1, 0)
    axes.set_yticks([-row - 0.55 for row in range(len(plan.rings))])
    axes.set_yticklabels([f"ring {row + 1}" for row in range(len(plan.rings))], fontsize=8)
    axes.set_xticks([])


def _stages(axes: Axes, plan: SignalPlan) -> None:
    axes.set_title("stages (light: gives way)", loc="left", fontsize=9)
    for column, stage in enumerate(plan.stages):
        for row in range(len(plan.groups)):
            colour = COLOURS[stage.aspect(row)]
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="white"))
    _group_rows(axes, plan)
    axes.set_xlim(0, len(plan.stages))
    axes.set_xticks([column + 0.5 for column in range(len(plan.stages))])
    axes.set_xticklabels([stage.name for stage in plan.stages], fontsize=8)


def _program(axes: Axes, plan: SignalPlan) -> None:
    axes.set_title("fixed program (s)", loc="left", fontsize=9)
    if plan.program is None:
        axes.set_axis_off()
        return
    at = 0.0
    try:
        pictures = cycle_of(plan)
    except PlanError as error:
        axes.text(0, 0, str(error), fontsize=8, wrap=True)
        axes.set_axis_off()
        return
    for picture in pictures:
        for row, aspect in enumerate(picture.aspects):
            colour = COLOURS[Aspect(aspect)]
            axes.add_patch(Rectangle((at, row + 0.1), picture.duration / 10, 0.8, facecolor=colour))
        at += picture.duration / 10
    _group_rows(axes, plan)
    axes.set_xlim(0, at)


def _matrix(axes: Axes, plan: SignalPlan) -> None:
    axes.set_title("intergreen (s), row ends, column starts; y: may give way instead", loc="left", fontsize=9)
    longest = max((value for row in plan.intergreen for value in row), default=0)
    for i, row in enumerate(plan.intergreen):
        for j, value in enumerate(row):
            if value != NO_CONFLICT:
                depth = 0.15 + 0.6 * value / max(longest, 1)
                axes.add_patch(Rectangle((j, i), 1, 1, facecolor=(0.9, 0.45, 0.3, depth), edgecolor="white"))
                text = f"{value / 10:g}" + "y" * plan.yields[i][j]
                axes.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=7)
    _group_rows(axes, plan)
    axes.set_xlim(0, len(plan.groups))
    axes.set_xticks([column + 0.5 for column in range(len(plan.groups))])
    axes.set_xticklabels([group.name for group in plan.groups], fontsize=7, rotation=60, ha="right")


def _findings(axes: Axes, findings: Sequence[Finding]) -> None:
    axes.set_axis_off()
    axes.set_title(f"findings: {len(findings)}", loc="left", fontsize=9)
    for row, finding in enumerate(findings[:FINDINGS_SHOWN]):
        text = f"{finding.severity.name.lower()}: {finding.place}: {finding.message}"
        colour = SEVERITY_COLOURS[finding.severity]
        axes.text(0, 1 - (row + 0.5) / FINDINGS_SHOWN * 1.2, text[:200], fontsize=7, color=colour, va="top")
    if len(findings) > FINDINGS_SHOWN:
        axes.text(0, -0.25, f"and {len(findings) - FINDINGS_SHOWN} more", fontsize=7, va="top")


def _group_rows(axes: Axes, plan: SignalPlan) -> None:
    axes.set_ylim(len(plan.groups), 0)
    axes.set_yticks([row + 0.5 for row in range(len(plan.groups))])
    axes.set_yticklabels([group.name for group in plan.groups], fontsize=7)
