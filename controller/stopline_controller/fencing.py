"""Fencing tokens over restarts: no life of the controller hands out one that an earlier life had passed.

The first token lies above three things, any of which may be missing or wrong: a limit that the life before
kept in a file, the last audit record, and the milliseconds since 1970. A token repeats only where all three
are lost at once: two files of the state directory, and a wall clock that was set back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import structlog

from stopline_controller.files import write_whole

log = structlog.get_logger(__name__)

SPAN = 1_000_000_000
"""Tokens of one life: more than it can ever grant, and the next one begins above them."""
LARGEST = 2**63 - 1 - SPAN
"""A limit above this one was not written here."""


class TokenFloor:
    """Where the tokens of this life begin; `keep` sees to it that the next one's begin above them."""

    def __init__(self, file: Path, last_record: int, wall: Callable[[], float] = time.time) -> None:
        """`last_record` is the number of the last audit record: every grant leaves one at least."""
        self._file = file
        self.first = max(_read(file), last_record, int(wall() * 1000)) + 1
        """The first token of this life."""
        self._kept = False
        self.keep()

    def keep(self) -> None:
        """Write the limit, unless it is written: tried again until the disk takes it."""
        if not self._kept:
            self._kept = write_whole(self._file, f"{self.first + SPAN}\n")


def _read(file: Path) -> int:
    """The limit kept in the file; 0 when there is none that can be read."""
    try:
        limit = int(file.read_text(encoding="utf-8")) if file.exists() else 0
    except (OSError, ValueError) as error:
        log.error("fencing_limit_damaged", path=str(file), error=repr(error), remedy="the clock stands in")
        return 0
    return limit if 0 <= limit <= LARGEST else 0
