"""The audit log: what was decided, by whom, committed before it takes effect and chained by hash.

Every record carries the SHA-256 of its predecessor, so a record changed or taken out later is found. The
database is SQLite in WAL mode: a commit survives the death of the process at any point. A disk that refuses
holds control up for nothing, not even at the start: records wait in memory and an alarm stands. A slow one
neither: to append is to write into the page cache, and what waits for the disk is done by `checkpoint`.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from stopline_controller.audit_chain import (
    GENESIS,
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
from stopline_controller.databases import connect

log = structlog.get_logger(__name__)

HELD_BACK = 100_000
"""Records kept in memory while the disk refuses them; later ones are lost, and their number is recorded."""
RETRY_S = 1.0
"""Real seconds between two attempts while the disk refuses."""
BUSY_S = 0.05
"""Real seconds to wait for another program that locks the database."""
WAL_LONG = 4 * 2**20
"""Bytes of the write-ahead log from which on it is moved into the database."""
WAL_TOO_LONG = 64 * 2**20
"""Bytes from which on that may not wait for a pause of control: records are held in memory meanwhile."""
PRUNED_AT_ONCE = 2_000
"""Old records removed in one go: few enough that control does not notice."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
    sequence INTEGER PRIMARY KEY, wall_us INTEGER NOT NULL, tenths INTEGER NOT NULL, kind TEXT NOT NULL,
    junction TEXT NOT NULL, actor TEXT NOT NULL, detail TEXT NOT NULL, hash TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS audit_base (sequence INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;
"""


# Made once: `json.dumps` makes an encoder of its own for every record.
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


class Entry(NamedTuple):
    """What is to be recorded."""

    kind: str
    tenths: int
    junction: str = ""
    actor: str = ""
    detail: Mapping[str, object] = {}


class End(NamedTuple):
    """Where a chain ends: what it begins with, and the number and hash of its last record."""

    base: Base = Base()
    last: int = 0
    hash: str = GENESIS


class AuditLog:
    """Appends records and reads them back; may be used from several threads."""

    def __init__(self, path: Path) -> None:
        """Open or create the log; its last record is the head new ones are chained to."""
        self.path = path
        self.failing = False
        """True while the disk refuses records: control goes on, an alarm stands."""
        self.lost = 0
        """Records that found no room in memory while the disk refused."""
        self._lock = threading.Lock()
        self._held: list[Record] = []
        self._retry_at = 0.0
        self._opened = False
        """False until the file could be opened; until then everything is held."""
        self._connection = connect(Path(":memory:"))
        self._begin = End()
        """The end of the file that the first record of this process was chained to."""
        self._base, self._last, self._head = self._begin
        self._open()
        if not self._opened:
            self._begin = _last_look(path)
            self._base, self._last, self._head = self._begin

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
            room = max(HELD_BACK - len(self._held), 0)
            self.lost += max(len(entries) - room, 0)
            made = [self._chain(entry, wall) for entry in entries[:room]]
            self._held += made
            # Opening takes as long as the disk does: that is left to `flush`, where nobody waits for it.
            if self._opened and (not self.failing or time.monotonic() >= self._retry_at):
                self._commit(wall)
            return [record.sequence for record in made] + [0] * (len(entries) - len(made))

    def flush(self) -> None:
        """Try to open the file, and to write what waits in memory, if the last attempt was a while ago."""
        if time.monotonic() < self._retry_at:
            return
        if not self._opened:
            self._open()
        with self._lock:
            if self._opened and (self._held or self.failing):
                self._commit(time.time_ns() // 1000)

    def read(
        self, from_sequence: int = 1, limit: int = 0, junction: str = "", kind: str = ""
    ) -> Iterator[Record]:
        """Records in order; 0 means no limit, an empty filter means all."""
        return read_records(self.path, Filter(from_sequence, limit, junction, kind))

    def verify(self, gone: Callable[[], bool] = lambda: False) -> Verification:
        """Recompute the chain from its first record, and compare its end with what this process wrote.

        AuditError once `gone` says that nobody waits for it any more.
        """
        with self._lock:
            expected = self._written
        result = verify_file(self.path, gone)
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

    def checkpoint(self) -> None:
        """Move a long write-ahead log into the database; takes as long as the disk does, control goes on."""
        if not self._opened or self._wal_bytes() < WAL_LONG:
            return
        try:
            with (
                contextlib.closing(connect(self.path, timeout=0.0)) as mover,
                contextlib.closing(connect(self.path, BUSY_S)) as reader,
            ):
                self._move(mover, reader)
        except sqlite3.Error as error:
            # Nothing is lost: the records are in the write-ahead log. A full disk has its own alarm.
            log.debug("audit_checkpoint_failed", path=str(self.path), error=str(error))

    def close(self) -> None:
        """Try a last time to write what waits in memory, say what is lost, and close the database."""
        self._retry_at = 0.0
        if self.failing:
            self.flush()
        with self._lock:
            if self._held:
                log.error("audit_records_lost", path=str(self.path), records=len(self._held) + self.lost)
            # The last one to close moves the write-ahead log, and that has to wait for the disk.
            _sync(self._connection, True)
            self._connection.close()

    def _move(self, mover: sqlite3.Connection, reader: sqlite3.Connection) -> None:
        with self._lock:
            _sync(self._connection, True)
            before = self._written
        # While somebody reads its end, a log that was moved is not begun anew by the next append, which would
        # have to wait until the new beginning is on disk.
        reader.execute("BEGIN")
        reader.execute("SELECT max(sequence) FROM audit").fetchone()
        moved = _checkpoint(mover, "PASSIVE")
        with self._lock:
            reader.execute("ROLLBACK")
            # Without a record since there is nothing to wait for: the file is cut, no more.
            if moved and self._written == before:
                _begin_anew(mover, self._connection)
                return
        if self._wal_bytes() >= WAL_TOO_LONG:
            _checkpoint(mover, "TRUNCATE")

    def _wal_bytes(self) -> int:
        try:
            return self.path.with_name(f"{self.path.name}-wal").stat().st_size
        except OSError:
            return 0

    def _open(self) -> None:
        """Go on in the file, as soon as the disk lets it be opened."""
        try:
            connection, end = _opened(self.path)
        except (sqlite3.Error, OSError) as error:
            self._hold(error)
            return
        with self._lock:
            self._connection.close()
            self._connection, self._opened, self._base = connection, True, end.base
            if end != self._begin:
                self._chain_again(end)

    def _chain_again(self, end: End) -> None:
        """Chain what waits to the end of the file, which could not be read when it was numbered."""
        waiting, moved = self._held, end.last - self._begin.last
        self._last, self._head = end.last, end.hash
        self._held = [self._link(record[1:-1]) for record in waiting]
        if waiting:
            log.warning("audit_renumbered", path=str(self.path), records=len(waiting), by=moved)
            detail = {"from": waiting[0].sequence, "to": waiting[-1].sequence, "by": moved}
            self._held.append(self._chain(Entry("renumbered", 0, detail=detail), time.time_ns() // 1000))

    def _chain(self, entry: Entry, wall: int) -> Record:
        detail = _canonical(entry.detail)
        return self._link((wall, entry.tenths, entry.kind, entry.junction, entry.actor, detail))

    def _link(self, content: tuple[int, int, str, str, str, str]) -> Record:
        body = (self._last + 1, *content)
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

    def _hold(self, error: sqlite3.Error | OSError) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        if not self.failing:
            self.failing = True
            log.error("audit_cannot_write", path=str(self.path), error=str(error), remedy="free disk space")


def _opened(path: Path) -> tuple[sqlite3.Connection, End]:
    """The database and the end of its chain. sqlite3.Error, OSError: the disk refuses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = connect(path, BUSY_S)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # By default every thousandth page makes an append wait for the disk.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        _sync(connection, True)
        connection.executescript(_SCHEMA)
        _begin_anew(connection, connection)
        return connection, _end(connection)
    except sqlite3.Error:
        connection.close()
        raise


def _sync(connection: sqlite3.Connection, needed: bool) -> None:
    """Whether the connection waits for the disk where SQLite in WAL mode must; a commit never does.

    A commit survives kill -9; only a power cut may take those since the last checkpoint.
    """
    connection.execute(f"PRAGMA synchronous = {'NORMAL' if needed else 'OFF'}")


def _checkpoint(connection: sqlite3.Connection, mode: str) -> bool:
    """Move the write-ahead log into the database; True when all of it was."""
    busy, pages, moved = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return not busy and pages == moved


def _begin_anew(mover: sqlite3.Connection, writer: sqlite3.Connection) -> None:
    """Cut the write-ahead log; the writer then need not wait for the disk.

    Where a new log overwrites an old one, a power cut could leave the old one's beginning, older than the
    database: SQLite waits until the new beginning is on disk. After the cut there is no old one.
    """
    if _checkpoint(mover, "TRUNCATE"):
        _sync(writer, False)


def _last_look(path: Path) -> End:
    """The end of the chain in a file that may not be writable; the beginning when it cannot be read."""
    try:
        if path.is_file() and path.stat().st_size:
            with contextlib.closing(sqlite3.connect(path, BUSY_S)) as connection:
                # Not `databases.connect`, which looks into the file before this is said.
                # Nobody else: then SQLite wants no file of shared memory, for which a full disk has no room.
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                return _end(connection)
    except (sqlite3.Error, OSError) as error:
        log.warning("audit_cannot_read", path=str(path), error=str(error))
    return End()


def _end(connection: sqlite3.Connection) -> End:
    base = read_base(connection)
    last = connection.execute("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1").fetchone()
    return End(base, last[0], last[1]) if last else End(base, base.sequence, base.hash)
