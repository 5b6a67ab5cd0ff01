"""The hash chain of the audit log, and reading a log without the process that writes it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from stopline_signals.errors import StoplineError

GENESIS = "0" * 64
COLUMNS = "sequence, wall_us, tenths, kind, junction, actor, detail, hash"
PRUNED = "pruned"
"""Kind of the record that says up to where older ones were removed, and their last hash."""
LOOKED_UP_EVERY = 100
"""Records after which it is looked whether anybody still waits for their chain: some milliseconds."""


# Made once: `json.dumps` makes an encoder of its own for every record.
_hashed = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class AuditError(StoplineError):
    """An audit log that cannot be read, naming the file."""


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


class Base(NamedTuple):
    """What the first record kept is chained to: the last one removed, or the beginning."""

    sequence: int = 0
    hash: str = GENESIS


class Verification(NamedTuple):
    """Result of recomputing the chain; `first_broken` 0: it is intact; `first` is the first record kept."""

    intact: bool
    records: int
    first_broken: int
    head: str
    first: int = 1


class Filter(NamedTuple):
    """Which records are wanted; an empty text means all, limit 0 no limit."""

    from_sequence: int = 1
    limit: int = 0
    junction: str = ""
    kind: str = ""


def read_records(path: Path, wanted: Filter = Filter()) -> Iterator[Record]:  # noqa: B008 (immutable)
    """Records in order. AuditError: there is no log, or not of this kind."""
    with _reading(path) as connection:
        yield from _records(connection, wanted)


def verify_file(path: Path, gone: Callable[[], bool] = lambda: False) -> Verification:
    """Recompute the chain of a log.

    AuditError: there is no log, or not of this kind, or nobody waits for the answer any more (`gone`).
    """
    with _reading(path) as connection:
        # One look at the file: a removal between the base and the records would look like a theft.
        connection.execute("BEGIN")
        base = read_base(connection)
        return verify_chain(_until(gone, _records(connection, Filter())), base)


def read_base(connection: sqlite3.Connection) -> Base:
    """What the chain begins with."""
    row = connection.execute("SELECT sequence, hash FROM audit_base").fetchone()
    return Base(*row) if row else Base()


def chain_hash(previous: str, body: Sequence[object]) -> str:
    """Hash of a record (all columns but the hash) after a record with hash `previous`."""
    return hashlib.sha256(_hashed([previous, *body]).encode()).hexdigest()


def verify_chain(records: Iterator[Record], base: Base = Base()) -> Verification:  # noqa: B008 (immutable)
    """Check that the records follow each other without gap and that each hash fits.

    Where older records were removed, a record in the chain has to say so.
    """
    head, last, vouched = base.hash, base.sequence, base.sequence == 0
    for record in records:
        fits = record.sequence == last + 1 and record.hash == chain_hash(head, record[:-1])
        if not fits:
            return Verification(False, last - base.sequence, last + 1, head, base.sequence + 1)
        head, last = record.hash, record.sequence
        vouched = vouched or (record.kind == PRUNED and json.loads(record.detail) == removal(base))
    if not vouched:
        return Verification(False, 0, base.sequence + 1, head, base.sequence + 1)
    return Verification(True, last - base.sequence, 0, head, base.sequence + 1)


def removal(base: Base) -> dict[str, object]:
    """What the record of a removal says."""
    return {"up_to": base.sequence, "hash": base.hash}


def _until(gone: Callable[[], bool], records: Iterator[Record]) -> Iterator[Record]:
    for number, record in enumerate(records):
        if number % LOOKED_UP_EVERY == 0 and gone():
            raise AuditError("nobody waits for the answer any more")
        yield record


def _records(connection: sqlite3.Connection, wanted: Filter) -> Iterator[Record]:
    query = (
        f"SELECT {COLUMNS} FROM audit WHERE sequence >= ? AND (? = '' OR junction = ?)"
        " AND (? = '' OR kind = ?) ORDER BY sequence LIMIT ?"
    )
    values = (
        wanted.from_sequence,
        wanted.junction,
        wanted.junction,
        wanted.kind,
        wanted.kind,
        wanted.limit or -1,
    )
    for row in connection.execute(query, values):
        yield Record(*row)


@contextlib.contextmanager
def _reading(path: Path) -> Generator[sqlite3.Connection]:
    try:
        if not path.is_file():
            raise AuditError(f"{path}: no such file; the audit log is audit.sqlite in the state directory")
        connection = sqlite3.connect(path, check_same_thread=False)
        try:
            yield connection
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise AuditError(f"{path}: not an audit log ({error})") from error
