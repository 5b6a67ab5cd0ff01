"""The audit log: what was decided, by whom, committed before it takes effect and chained by hash.

Every record carries the SHA-256 of its predecessor, so a record changed or taken out later is found. The
database is SQLite in WAL mode: a commit survives the death of the process at any point.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

log = structlog.get_logger(__name__)

GENESIS = "0" * 64
HELD_BACK = 100_000
"""Records kept in memory while the disk refuses them."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
    sequence INTEGER PRIMARY KEY, wall_us INTEGER NOT NULL, tenths INTEGER NOT NULL, kind TEXT NOT NULL,
    junction TEXT NOT NULL, actor TEXT NOT NULL, detail TEXT NOT NULL, hash TEXT NOT NULL
) STRICT
"""
_COLUMNS = "sequence, wall_us, tenths, kind, junction, actor, detail, hash"


class Entry(NamedTuple):
    """What is to be recorded."""

    kind: str
    tenths: int
    junction: str = ""
    actor: str = ""
    detail: Mapping[str, object] = {}


class Record(NamedTuple):
    """A record as stored; `detail` is canonical JSON, `wall_us` microseconds since 1970 UTC."""

    sequence: int
    wall_us: int
    tenths: int
    kind: str
    junction: str
    actor: str
    detail: str
    hash: str


class Verification(NamedTuple):
    """Result of recomputing the chain; `first_broken` is 0 when it is intact."""

    intact: bool
    records: int
    first_broken: int
    head: str


class AuditLog:
    """Appends records and reads them back; may be used from several threads."""

    def __init__(self, path: Path) -> None:
        """Open or create the log; its last record is the head new ones are chained to."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.failing = False
        """True while the disk refuses records: control goes on, an alarm stands."""
        self._lock = threading.Lock()
        self._held: list[Record] = []
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # NORMAL: a commit survives kill -9; only a power cut may take the latest ones.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(_SCHEMA)
        last = self._connection.execute(
            f"SELECT {_COLUMNS} FROM audit ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        self._last: int = last[0] if last else 0
        self._head: str = last[7] if last else GENESIS

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Commit the entries in one transaction; returns their sequence numbers."""
        if not entries:
            return []
        wall = time.time_ns() // 1000
        with self._lock:
            made: list[Record] = []
            for entry in entries:
                made.append(self._chain(entry, wall))
            self._commit([*self._held, *made])
            return [record.sequence for record in made]

    def read(
        self, from_sequence: int = 1, limit: int = 0, junction: str = "", kind: str = ""
    ) -> Iterator[Record]:
        """Records in order; 0 means no limit, an empty filter means all."""
        query = (
            f"SELECT {_COLUMNS} FROM audit WHERE sequence >= ? AND (? = '' OR junction = ?)"
            " AND (? = '' OR kind = ?) ORDER BY sequence LIMIT ?"
        )
        reader = sqlite3.connect(self.path, check_same_thread=False)
        try:
            rows = reader.execute(query, (from_sequence, junction, junction, kind, kind, limit or -1))
            for row in rows:
                yield Record(*row)
        finally:
            reader.close()

    def verify(self) -> Verification:
        """Recompute the chain from its first record, and compare its end with what this process wrote."""
        with self._lock:
            expected = self._last - len(self._held)
        result = verify_chain(self.read())
        if result.intact and result.records < expected:
            return Verification(False, result.records, result.records + 1, result.head)
        return result

    def close(self) -> None:
        """Close the database; what was appended is on disk already."""
        with self._lock:
            self._connection.close()

    def _chain(self, entry: Entry, wall: int) -> Record:
        detail = json.dumps(entry.detail, sort_keys=True, separators=(",", ":"))
        body = (self._last + 1, wall, entry.tenths, entry.kind, entry.junction, entry.actor, detail)
        self._last, self._head = self._last + 1, chain_hash(self._head, body)
        return Record(*body, self._head)

    def _commit(self, records: list[Record]) -> None:
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT INTO audit VALUES (?,?,?,?,?,?,?,?)", records)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._hold(records, error)
            return
        self._held = []
        if self.failing:
            self.failing = False
            log.info("audit_writes_again", path=str(self.path), caught_up=len(records))

    def _hold(self, records: list[Record], error: sqlite3.Error) -> None:
        self._held = records[-HELD_BACK:]
        if not self.failing:
            self.failing = True
            log.error("audit_cannot_write", path=str(self.path), error=str(error), remedy="free disk space")


def chain_hash(previous: str, body: tuple[object, ...]) -> str:
    """Hash of a record (all columns but the hash) after a record with hash `previous`."""
    text = json.dumps([previous, *body], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def verify_chain(records: Iterator[Record]) -> Verification:
    """Check that the records follow each other without gap and that each hash fits."""
    head, count = GENESIS, 0
    for record in records:
        fits = record.sequence == count + 1 and record.hash == chain_hash(head, record[:-1])
        if not fits:
            return Verification(False, count, count + 1, head)
        head, count = record.hash, count + 1
    return Verification(True, count, 0, head)
