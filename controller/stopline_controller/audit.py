"""The audit log: what was decided, by whom, committed before it takes effect and chained by hash.

Every record carries the SHA-256 of its predecessor, so a record changed or taken out later is found. The
database is SQLite in WAL mode: a commit survives the death of the process at any point. A disk that refuses
holds control up for nothing: records wait in memory and an alarm stands.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from stopline_controller.audit_chain import (
    COLUMNS,
    PRUNED,
    Base,
    Filter,
    Record,
    Verification,
    chain_hash,
    read_base,
    read_records,
    removal,
    verify_file,
)

log = structlog.get_logger(__name__)

HELD_BACK = 100_000
"""Records kept in memory while the disk refuses them; later ones are lost, and their number is recorded."""
RETRY_S = 1.0
"""Real seconds between two attempts while the disk refuses."""
BUSY_S = 0.05
"""Real seconds to wait for another program that locks the database."""
PRUNED_AT_ONCE = 2_000
"""Old records removed in one go: few enough that control does not notice."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
    sequence INTEGER PRIMARY KEY, wall_us INTEGER NOT NULL, tenths INTEGER NOT NULL, kind TEXT NOT NULL,
    junction TEXT NOT NULL, actor TEXT NOT NULL, detail TEXT NOT NULL, hash TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS audit_base (sequence INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;
"""


class Entry(NamedTuple):
    """What is to be recorded."""

    kind: str
    tenths: int
    junction: str = ""
    actor: str = ""
    detail: Mapping[str, object] = {}


class AuditLog:
    """Appends records and reads them back; may be used from several threads."""

    def __init__(self, path: Path) -> None:
        """Open or create the log; its last record is the head new ones are chained to."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.failing = False
        """True while the disk refuses records: control goes on, an alarm stands."""
        self.lost = 0
        """Records that found no room in memory while the disk refused."""
        self._lock = threading.Lock()
        self._held: list[Record] = []
        self._retry_at = 0.0
        self._connection = sqlite3.connect(
            path, check_same_thread=False, isolation_level=None, timeout=BUSY_S
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        # NORMAL: a commit survives kill -9; only a power cut may take the latest ones.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        self._base = read_base(self._connection)
        last = self._connection.execute(
            f"SELECT {COLUMNS} FROM audit ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        self._last: int = last[0] if last else self._base.sequence
        self._head: str = last[7] if last else self._base.hash

    @property
    def last(self) -> int:
        """Sequence number of the last record; it never falls, also not over a restart."""
        return self._last

    @property
    def _written(self) -> int:
        """Sequence number of the last record in the file."""
        return self._last - len(self._held)

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Commit the entries in one transaction; returns their sequence numbers (0: lost)."""
        if not entries:
            return []
        wall = time.time_ns() // 1000
        with self._lock:
            room = HELD_BACK - len(self._held)
            self.lost += max(len(entries) - room, 0)
            made = [self._chain(entry, wall) for entry in entries[:room]]
            self._held += made
            if not self.failing or time.monotonic() >= self._retry_at:
                self._commit(wall)
            return [record.sequence for record in made] + [0] * (len(entries) - len(made))

    def flush(self) -> None:
        """Try to write what waits in memory, if the last attempt was a while ago."""
        with self._lock:
            if self._held and time.monotonic() >= self._retry_at:
                self._commit(time.time_ns() // 1000)

    def read(
        self, from_sequence: int = 1, limit: int = 0, junction: str = "", kind: str = ""
    ) -> Iterator[Record]:
        """Records in order; 0 means no limit, an empty filter means all."""
        return read_records(self.path, Filter(from_sequence, limit, junction, kind))

    def verify(self) -> Verification:
        """Recompute the chain from its first record, and compare its end with what this process wrote."""
        with self._lock:
            expected = self._written
        result = verify_file(self.path)
        last = result.first - 1 + result.records
        if result.intact and last < expected:
            return result._replace(intact=False, first_broken=last + 1)
        return result

    def prune(self, keep: int, tenths: int) -> int:
        """Remove some of the oldest records when more than `keep` are there; returns how many.

        Counted, not dated: a clock that jumps must not empty the log.
        """
        with self._lock:
            if self.failing or self._last - self._base.sequence < keep + PRUNED_AT_ONCE:
                return 0
            up_to = self._base.sequence + PRUNED_AT_ONCE
            found = self._connection.execute("SELECT hash FROM audit WHERE sequence = ?", (up_to,)).fetchone()
            if found is None:
                return 0
            base = Base(up_to, found[0])
            self._held.append(
                self._chain(Entry(PRUNED, tenths, detail=removal(base)), time.time_ns() // 1000)
            )
            self._commit(0, base)
            return 0 if self.failing else PRUNED_AT_ONCE

    def close(self) -> None:
        """Close the database; what was appended is on disk already."""
        with self._lock:
            self._connection.close()

    def _chain(self, entry: Entry, wall: int) -> Record:
        detail = json.dumps(entry.detail, sort_keys=True, separators=(",", ":"))
        body = (self._last + 1, wall, entry.tenths, entry.kind, entry.junction, entry.actor, detail)
        self._last, self._head = self._last + 1, chain_hash(self._head, body)
        return Record(*body, self._head)

    def _commit(self, wall: int, base: Base | None = None) -> None:
        """Write what is held; with a `base`, remove everything up to it in the same transaction."""
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT INTO audit VALUES (?,?,?,?,?,?,?,?)", self._held)
            if base is not None:
                self._connection.execute("DELETE FROM audit WHERE sequence <= ?", (base.sequence,))
                self._connection.execute("DELETE FROM audit_base")
                self._connection.execute("INSERT INTO audit_base VALUES (?,?)", base)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._hold(error)
            return
        self._base = base or self._base
        if self.failing:
            self.failing = False
            log.info("audit_writes_again", path=str(self.path), caught_up=len(self._held), lost=self.lost)
        self._held = []
        if self.lost:
            self._held = [self._chain(Entry("lost", 0, detail={"records": self.lost}), wall)]
            self.lost = 0
            self._commit(wall)

    def _hold(self, error: sqlite3.Error) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        if not self.failing:
            self.failing = True
            log.error("audit_cannot_write", path=str(self.path), error=str(error), remedy="free disk space")
