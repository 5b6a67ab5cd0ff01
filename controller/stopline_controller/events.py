"""The event log: high-resolution events in SQLite, written behind control's back, and exported.

Control only hands events over; a thread commits them ten times a second, so that a death of the process may
cost the last tick and a slow disk costs nothing. The oldest are removed beyond a number to keep. A disk that
refuses, also at the start, holds nothing up: events wait in memory and an alarm stands.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from stopline_controller.alarms import Alarms
from stopline_controller.databases import connect
from stopline_controller.hires import HiResEvent, Observer
from stopline_controller.snapshots import Snapshot
from stopline_signals.errors import StoplineError
from stopline_signals.plan import DetectorKind, SignalPlan

log = structlog.get_logger(__name__)

FLUSH_S = 0.1
HELD_BACK = 500_000
"""Events kept in memory while the disk refuses them; then the oldest go."""
RETRY_S = 1.0
PRUNED_AT_ONCE = 5_000
ALARM = "events"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS device (number INTEGER PRIMARY KEY, junction TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, wall_us INTEGER NOT NULL, device INTEGER NOT NULL, code INTEGER NOT NULL,
    parameter INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS channel (
    device INTEGER NOT NULL, channel INTEGER NOT NULL, phase INTEGER NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY (device, channel)
) STRICT;
"""


_INSERT = "INSERT INTO event (wall_us, device, code, parameter) VALUES (?,?,?,?)"


class EventsError(StoplineError):
    """An event log that cannot be read, naming the file."""


class Channel(NamedTuple):
    """One detector of a junction: its channel and the group (phase) it serves, both counted from 1."""

    junction: str
    channel: int
    phase: int
    kind: DetectorKind


class EventLog:
    """Takes events in from the control thread and commits them in its own."""

    def __init__(self, path: Path, plans: Mapping[str, SignalPlan], keep: int, alarms: Alarms) -> None:
        """Open or create the log and note the junctions' detectors; keep about `keep` events."""
        self.path = path
        self._plans = plans
        self._keep = keep
        self._alarms = alarms
        self._observers = {junction: Observer(plan) for junction, plan in plans.items()}
        self._lock = threading.Lock()
        self._waiting: list[HiResEvent] = []
        self._lost = 0
        """Events that found no room in memory while the disk refused."""
        self._stop = threading.Event()
        self._connection: sqlite3.Connection | None = None
        self._devices: dict[str, int] = {}
        self._flush()
        self._thread = threading.Thread(target=self._work, name="events", daemon=True)
        self._thread.start()

    def note(self, snapshots: Iterable[Snapshot]) -> None:
        """Take in what is new in this tick's snapshots; called in the control thread."""
        new: list[HiResEvent] = []
        for snapshot in snapshots:
            new += self._observers[snapshot.junction].events(snapshot)
        if new:
            self.add(new)

    def add(self, events: Sequence[HiResEvent]) -> None:
        """Hand events over to be written."""
        with self._lock:
            self._waiting += events
            self._bound()

    def close(self) -> None:
        """Write what is left, say what is lost, and end."""
        self._stop.set()
        self._thread.join()
        if self._connection is not None:
            self._connection.close()
        if self._waiting:
            log.error("events_lost", path=str(self.path), events=len(self._waiting) + self._lost)

    def _bound(self) -> None:
        excess = max(len(self._waiting) - HELD_BACK, 0)
        del self._waiting[:excess]
        self._lost += excess

    def _work(self) -> None:
        last = False
        while not last:
            last = self._stop.wait(FLUSH_S)
            if not self._flush() and not last:
                self._stop.wait(RETRY_S)

    def _flush(self) -> bool:
        """Write what waits; False when the disk refused it, and it waits on."""
        with self._lock:
            batch, self._waiting = self._waiting, []
        try:
            self._write(batch)
        except (sqlite3.Error, OSError) as error:
            self._alarms.set(ALARM, f"events cannot be written: {error}; free disk space")
            with self._lock:
                self._waiting = [*batch, *self._waiting]
                self._bound()
            return False
        self._alarms.set(ALARM, "")
        with self._lock:
            lost, self._lost = self._lost, 0
        if lost:
            log.error("events_lost", path=str(self.path), events=lost)
        return True

    def _write(self, batch: Sequence[HiResEvent]) -> None:
        """Commit these events, or none. sqlite3.Error, OSError: the disk refuses."""
        if self._connection is None:
            self._connection, self._devices = _opened(self.path, self._plans)
        if not batch:
            return
        # One by one: a collection beside control would look through a list of thousands that is this young.
        rows = (
            (event.wall_us, self._devices[event.junction], event.code, event.parameter) for event in batch
        )
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany(_INSERT, rows)
            self._prune(self._connection)
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _prune(self, connection: sqlite3.Connection) -> None:
        first, last = connection.execute("SELECT min(id), max(id) FROM event").fetchone()
        if last - first + 1 >= self._keep + PRUNED_AT_ONCE:
            connection.execute("DELETE FROM event WHERE id < ?", (first + PRUNED_AT_ONCE,))


class Selection(NamedTuple):
    """Which events are wanted; an empty text or 0 means all, times are microseconds since 1970 UTC."""

    junction: str = ""
    from_us: int = 0
    to_us: int = 0


def read_events(path: Path, wanted: Selection = Selection()) -> Iterator[HiResEvent]:  # noqa: B008 (immutable)
    """Events in the order of their time. EventsError: there is no log, or not of this kind."""
    query = (
        "SELECT wall_us, junction, code, parameter FROM event JOIN device ON number = device"
        " WHERE (? = '' OR junction = ?) AND wall_us >= ? AND (? = 0 OR wall_us < ?) ORDER BY wall_us, id"
    )
    values = (wanted.junction, wanted.junction, wanted.from_us, wanted.to_us, wanted.to_us)
    with _reading(path) as connection:
        for row in connection.execute(query, values):
            yield HiResEvent(*row)


def read_channels(path: Path) -> list[Channel]:
    """The detectors of all junctions. EventsError: there is no log, or not of this kind."""
    query = "SELECT junction, channel, phase, kind FROM channel JOIN device ON number = device"
    with _reading(path) as connection:
        rows = connection.execute(f"{query} ORDER BY number, channel").fetchall()
    return [Channel(junction, channel, phase, DetectorKind(kind)) for junction, channel, phase, kind in rows]


def _opened(path: Path, plans: Mapping[str, SignalPlan]) -> tuple[sqlite3.Connection, dict[str, int]]:
    """The database and the junctions' numbers in it. sqlite3.Error, OSError: the disk refuses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Opened by who makes the log, then used by its thread alone.
    connection = connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN")
        devices = _register(connection, plans)
        connection.execute("COMMIT")
    except sqlite3.Error:
        connection.close()
        raise
    return connection, devices


def _register(connection: sqlite3.Connection, plans: Mapping[str, SignalPlan]) -> dict[str, int]:
    for junction, plan in plans.items():
        connection.execute("INSERT OR IGNORE INTO device (junction) VALUES (?)", (junction,))
        number = connection.execute("SELECT number FROM device WHERE junction = ?", (junction,)).fetchone()[0]
        connection.execute("DELETE FROM channel WHERE device = ?", (number,))
        rows = [
            (number, index, detector.group + 1, str(detector.kind))
            for index, detector in enumerate(plan.detectors, 1)
        ]
        connection.executemany("INSERT INTO channel VALUES (?,?,?,?)", rows)
    return dict(connection.execute("SELECT junction, number FROM device").fetchall())


@contextlib.contextmanager
def _reading(path: Path) -> Generator[sqlite3.Connection]:
    if not path.is_file():
        raise EventsError(f"{path}: no such file; the event log is events.sqlite in the state directory")
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            yield connection
    except sqlite3.DatabaseError as error:
        raise EventsError(f"{path}: not an event log ({error})") from error
