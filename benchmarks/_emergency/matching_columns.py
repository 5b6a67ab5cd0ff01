"""The columns of the table of matched positions, for the program that makes it and for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Column(NamedTuple):
    """One figure of a row, as shown."""

    name: str
    title: str
    factor: float = 1.0
    digits: int = 1

    def cell(self, row: Mapping[str, Any]) -> str:
        """The figure as text."""
        return f"{self.factor * row[self.name]:.{self.digits}f}"


COLUMNS = (
    Column("reports", "reports within 150 m of a stop line", digits=0),
    Column("right", "matched right, %", 100),
    Column("wrong", "wrong, %", 100),
    Column("unmatched", "not matched, %", 100),
    Column("error_median_m", "distance off, median, m"),
    Column("error_p95_m", "95th percentile, m"),
    Column("passages", "junctions passed with one to follow", digits=0),
    Column("next_right", "which was foretold, %", 100),
    Column("last_passages", "with none to follow", digits=0),
    Column("unfounded", "where one was foretold, %", 100),
)
