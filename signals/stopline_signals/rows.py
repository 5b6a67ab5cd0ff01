"""Reads rows of plain data; every mistake becomes a PlanError that names file and entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, get_origin

from stopline_signals.errors import PlanError

_T = TypeVar("_T")
Row = Mapping[str, Any]
Names = Mapping[str, int]


class RowReader:
    """Typed access to the rows of one file; `where` names it in every message."""

    def __init__(self, where: str) -> None:
        self._where = where

    def fail(self, place: str, message: str) -> PlanError:
        """A PlanError that names the file and the place in it."""
        return PlanError(f"{self._where}: {place}: {message}")

    def known(self, row: Row, keys: set[str], place: str) -> None:
        """Refuse keys that are not known: a misspelt safety interval must not be dropped."""
        for key in row:
            if key not in keys:
                raise self.fail(place or "plan", f"unknown key {key!r}; known are {', '.join(sorted(keys))}")

    def rows(self, table: Row, key: str) -> list[Row]:
        """The rows of an array of tables; empty when the key is not there."""
        rows: list[Any] = self.field(table, key, list[Any], key, [])
        if not all(isinstance(row, Mapping) for row in rows):
            raise self.fail(key, f"must be a list of tables, [[{key}]]")
        return rows

    def field(self, row: Row, key: str, kind: type[_T], place: str, default: _T | None = None) -> _T:
        """One value of the given type, or the default; only a whole number may stand for a float."""
        value: Any = row.get(key, default)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not (get_origin(kind) or kind):
            raise self.fail(place, f"{key} must be {kind.__name__}, found {value!r}")
        return cast(_T, value)

    def index(self, name: object, names: Names, place: str, what: str = "group") -> int:
        """The index that a name stands for."""
        if not isinstance(name, str) or name not in names:
            raise self.fail(place, f"unknown {what} {name!r}; known are {', '.join(names)}")
        return names[name]

    def indices(self, row: Row, key: str, names: Names, place: str) -> tuple[int, ...]:
        """The indices that a list of names stands for."""
        return tuple(self.index(name, names, place) for name in self.field(row, key, list[str], place, []))

    def choice(
        self,
        row: Row,
        key: str,
        kind: Callable[[str], _T],
        place: str,
        default: str | None = None,
    ) -> _T:
        """One of the words of an enumeration."""
        value = self.field(row, key, str, place, default)
        try:
            return kind(value)
        except ValueError as error:
            raise self.fail(place, f"{key}: {error}") from None

    def lists(self, value: object, place: str) -> list[list[object]]:
        """A list of lists."""
        rows = cast(list[object], value) if isinstance(value, list) else [None]
        if not all(isinstance(row, list) for row in rows):
            raise self.fail(place, "must be a list of lists")
        return cast(list[list[object]], rows)
