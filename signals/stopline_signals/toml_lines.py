"""Where in a TOML text each entry stands; `tomllib` does not say."""

from __future__ import annotations

import re
from collections.abc import Sequence

Path = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(
    r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_QUOTED = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\])*"|\'[^\']*\'|#.*|[\[\]{}]')


class LineMap:
    """Line numbers of the tables and keys of one TOML text that `tomllib` accepts.

    Entries inside inline tables and arrays count as standing where their key stands.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {(): 1}
        self._counts: dict[Path, int] = {}
        self._scan(text)

    def line(self, location: Sequence[str | int]) -> int:
        """The line of an entry, or of the nearest table around it; unknown parts are skipped."""
        path: Path = ()
        for part in location:
            if (*path, part) in self._lines:
                path = (*path, part)
        return self._lines[path]

    def _scan(self, text: str) -> None:
        table: Path = ()
        depth, quote = 0, ""
        for number, line in enumerate(text.splitlines(), 1):
            if depth == 0 and not quote:
                header = _HEADER.match(line)
                if header:
                    table = self._enter(_parts(header[2]), header[1] == "[[", number)
                    continue
                key = _KEY.match(line)
                if key:
                    self._note((*table, *_parts(key[1])), len(table), number)
                    line = line[key.end() :]
            depth, quote = _balance(line, depth, quote)

    def _enter(self, names: list[str], is_array: bool, number: int) -> Path:
        path: Path = ()
        for name in names[:-1]:
            path = self._latest((*path, name))
        path = (*path, names[-1])
        if not is_array:
            path = self._latest(path)
            self._note(path, 0, number)
            return path
        self._lines.setdefault(path, number)
        index = self._counts[path] = self._counts.get(path, -1) + 1
        self._lines[(*path, index)] = number
        return (*path, index)

    def _latest(self, path: Path) -> Path:
        """An array of tables is entered at its last element."""
        return (*path, self._counts[path]) if path in self._counts else path

    def _note(self, path: Path, known: int, number: int) -> None:
        for length in range(known + 1, len(path)):
            self._lines.setdefault(path[:length], number)
        self._lines[path] = number


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(dotted)]


def _balance(line: str, depth: int, quote: str) -> tuple[int, str]:
    """Bracket depth and open triple quote after a line, so that a value over many lines holds no keys."""
    position = 0
    while position < len(line):
        if quote:
            end = line.find(quote, position)
            if end < 0:
                return depth, quote
            position, quote = end + 3, ""
            continue
        token = _QUOTED.search(line, position)
        if token is None:
            break
        position = token.end()
        if token[0] in ('"""', "'''"):
            quote = token[0]
        elif token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
    return depth, quote
