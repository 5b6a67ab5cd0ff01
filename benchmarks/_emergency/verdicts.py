"""The bars that priority is held to, and the columns of its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Summary = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One line of the table: a figure of a summary, as shown."""

    name: str
    title: str
    factor: float = 1.0
    digits: int = 1

    def cell(self, row: Summary) -> str:
        """Mean and interval."""
        if self.name in ("violations", "crossings"):
            return str(row[self.name])
        if self.name == "worst_movement":
            worst = row[self.name]
            return (
                f"{_of(worst['added_s'], self.factor, self.digits)} ({worst['movement']})"
                if worst["movement"]
                else ""
            )
        return _of(row[self.name], self.factor, self.digits)


COLUMNS = (
    Column("travel_ratio", "travel time / free flow", digits=2),
    Column("near_free", "vehicles within 1.15 of free flow, %", 100),
    Column("loss_saved", "time loss saved, %", 100),
    Column("reached", "vehicles within 1.15 or 70 % of their loss saved, %", 100),
    Column("without_stop", "junctions without a stop, %", 100),
    Column("green_lead_s", "green before the crossing, s"),
    Column("side", "others at the crossed junctions, 1 min before to 5 after, %", 100),
    Column("added_per_crossing_s", "added delay per crossing, veh s"),
    Column("worst_movement", "added standing at the worst movement per crossing, veh s"),
    Column("network", "others in the network, %", 100),
    Column("served_cycles", "all who waited are served after, cycles", digits=2),
    Column("usual_cycles", "others lose no more than usual after, cycles", digits=2),
    Column("recovered", "both within two cycles, % of crossings", 100),
    Column("crossings", "crossings"),
    Column("violations", "lamp violations"),
)


def verdicts(arms: Mapping[str, Summary]) -> list[dict[str, Any]]:
    """What the bar asks of the arm with priority, and whether its mean keeps it."""
    row = arms["priority"]
    near, saved = row["near_free"]["mean"], row["loss_saved"]["mean"]
    rows: list[tuple[str, float, bool]] = [
        ("travel time within 1.15 of free flow, share of vehicles (bar 0.9)", near, near >= 0.9),
        ("or time loss saved (bar 0.7)", saved, saved >= 0.7),
        _at_least("junctions crossed without a stop (bar 0.9)", row["without_stop"]["mean"], 0.9),
        _at_most("others at the crossed junctions (bar +0.10)", row["side"]["mean"], 0.1),
        _at_most("others in the network (bar +0.03)", row["network"]["mean"], 0.03),
        _at_most("cycles until those who waited are served (bar 2)", row["served_cycles"]["mean"], 2),
        _at_most("cycles until others lose no more than usual (bar 2)", row["usual_cycles"]["mean"], 2),
        _at_most("lamp violations (bar 0)", row["violations"], 0),
    ]
    return [{"figure": figure, "value": value, "holds": holds} for figure, value, holds in rows]


def _at_least(figure: str, value: float, limit: float) -> tuple[str, float, bool]:
    return figure, value, value >= limit


def _at_most(figure: str, value: float, limit: float) -> tuple[str, float, bool]:
    return figure, value, value <= limit


def _of(found: Summary, factor: float, digits: int) -> str:
    low, high = found["ci95"]
    return f"{factor * found['mean']:.{digits}f} ({factor * low:.{digits}f} to {factor * high:.{digits}f})"
