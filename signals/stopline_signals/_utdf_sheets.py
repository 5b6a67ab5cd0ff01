"""The sections of a UTDF file, turned so that all records of one intersection lie together."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from stopline_signals.errors import PlanError
from stopline_signals.timing import tenths

Record = Mapping[str, str]
"""Column -> text, blanks left out."""

MPH, KMH = 0.44704, 1 / 3.6


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file says of one intersection: record name -> column -> text, by section."""

    where: str
    node: str
    metric: bool
    links: dict[str, Record] = field(default_factory=dict[str, Record])
    lanes: dict[str, Record] = field(default_factory=dict[str, Record])
    timeplans: dict[str, Record] = field(default_factory=dict[str, Record])
    phases: dict[str, Record] = field(default_factory=dict[str, Record])

    def numbers(self) -> list[int]:
        """The phases that are used: those with a minimum green."""
        return sorted(int(column[1:]) for column in self.phases.get("MinGreen", {}))

    def phase(self, record: str, number: int) -> str:
        """Text of one phase in a record, "" when blank."""
        return self.phases.get(record, {}).get(f"D{number}", "")

    def phase_time(self, record: str, number: int) -> int | None:
        """Tenths of one phase in a record, None when blank."""
        text = self.phase(record, number)
        return tenths(self.number(text, "Phases", record)) if text else None

    def plan_time(self, record: str) -> int:
        """Tenths of a time plan record, 0 when blank."""
        text = self.timeplans.get(record, {}).get("DATA", "")
        return tenths(self.number(text, "Timeplans", record)) if text else 0

    def lane(self, record: str, movement: str) -> str:
        """Text of one movement in a lane record, "" when blank."""
        return self.lanes.get(record, {}).get(movement, "")

    def speed(self, approach: str) -> float:
        """Approach speed in m/s, 0 when the file has none."""
        text = self.links.get("Speed", {}).get(approach) or self.lane("Speed", f"{approach}T")
        return self.number(text, "Links", "Speed") * (KMH if self.metric else MPH) if text else 0.0

    def grade(self, approach: str) -> float:
        """Grade as a fraction, uphill positive; the file has percent."""
        text = self.links.get("Grade", {}).get(approach) or self.lane("Grade", f"{approach}T")
        return self.number(text, "Links", "Grade") / 100 if text else 0.0

    def number(self, text: str, section: str, record: str) -> float:
        """A number; PlanError with its place when it is none."""
        try:
            return float(text.lstrip("*"))  # a star marks a value Synchro has not computed itself
        except ValueError:
            raise self.fail(section, record, f"{text!r} is not a number") from None

    def fail(self, section: str, record: str, message: str) -> PlanError:
        """A PlanError that names file, section, record and intersection."""
        return PlanError(f"{self.where}: [{section}] {record}, intersection {self.node}: {message}")


def sheets_of(text: str, where: str) -> list[Sheet]:
    """One sheet for every intersection in the Phases section, in file order.

    Raises:
        PlanError: no Phases section, or a row that does not fit under its header.
    """
    sections = _sections(text)
    if "Phases" not in sections:
        found = ", ".join(f"[{name}]" for name in sections) or "no section"
        raise PlanError(f"{where}: has {found}, but no [Phases]; export UTDF as one combined CSV file")
    settings = {row.get("RECORDNAME", ""): row.get("DATA", "") for row in sections.get("Network", [])}
    metric = settings.get("Metric", "0") not in ("", "0")
    sheets: dict[str, Sheet] = {}
    for row in sections["Phases"]:
        sheets.setdefault(row["INTID"], Sheet(where, row["INTID"], metric))
    for name in ("Links", "Lanes", "Timeplans", "Phases"):
        for row in sections.get(name, []):
            if row["INTID"] in sheets:
                records: dict[str, Record] = getattr(sheets[row["INTID"]], name.lower())
                records[row["RECORDNAME"]] = {
                    column: value for column, value in row.items() if value and column not in _KEYS
                }
    return [sheet for sheet in sheets.values() if sheet.numbers()]


_KEYS = ("RECORDNAME", "INTID")


def _sections(text: str) -> dict[str, list[dict[str, str]]]:
    """Section -> its rows by column; a title line between section and header is skipped."""
    sections: dict[str, list[dict[str, str]]] = {}
    rows: list[dict[str, str]] = []
    header: list[str] = []
    for cells in _cells(text):
        if len(cells) == 1 and cells[0].startswith("["):
            rows = sections.setdefault(cells[0].strip("[]"), [])
            header = []
        elif not header:
            header = cells if cells[0] in _KEYS else []
        else:
            rows.append({column: value for column, value in zip(header, cells, strict=False) if column})
    return {
        name: [row for row in rows if all(row.get(key) for key in _KEYS[: 2 if name != "Network" else 1])]
        for name, rows in sections.items()
        if name != "Nodes"
    }


def _cells(text: str) -> Iterator[list[str]]:
    for row in csv.reader(text.lstrip("\ufeff").splitlines()):
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield cells if not cells[0].startswith("[") else cells[:1]
