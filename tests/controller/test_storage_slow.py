"""A slow disk: an append waits for nothing, and the write-ahead log is moved where nobody waits for it."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stopline_controller import audit
from stopline_controller.audit import AuditLog, Entry
from stopline_controller.audit_chain import read_records
from tests.controller.test_housekeeping import keeping

_CHECKPOINT = audit._checkpoint
_ENTRY = Entry("decision", 0, "A", "policy", {"text": "x" * 500})


def _wal(log: AuditLog) -> Path:
    return log.path.with_name("audit.sqlite-wal")


def _salt(log: AuditLog) -> bytes:
    """Differs with each beginning of the write-ahead log."""
    return _wal(log).read_bytes()[16:24]


def _waits(log: AuditLog) -> bool:
    """Whether SQLite may wait for the disk in an append."""
    return bool(log._connection.execute("PRAGMA synchronous").fetchone()[0])


def _fill(log: AuditLog, size: int) -> None:
    for _ in range(200):
        log.append([_ENTRY] * 50)
        if _wal(log).stat().st_size >= size:
            return
    raise AssertionError("somebody moves the write-ahead log")


class Moves:
    """The checkpoints of a log, each followed by something that happens meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
        self.modes: list[str] = []
        self._meanwhile = meanwhile
        monkeypatch.setattr(audit, "_checkpoint", self._checkpoint)

    def _checkpoint(self, connection: sqlite3.Connection, mode: str) -> bool:
        self.modes.append(mode)
        moved = _CHECKPOINT(connection, mode)
        if mode == "PASSIVE":
            self._meanwhile()
        return moved


def test_an_append_never_moves_the_write_ahead_log_nor_waits_for_the_disk(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.sqlite")
    assert not _waits(log)
    size = log.path.stat().st_size
    _fill(log, audit.WAL_LONG + 100_000)
    assert log.path.stat().st_size == size, "all is in the write-ahead log"
    log.checkpoint()
    assert log.path.stat().st_size > size and _wal(log).stat().st_size == 0
    assert not _waits(log) and log.verify().intact
    log.close()


def test_appends_are_committed_at_once_while_a_slow_disk_takes_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "WAL_LONG", 1)
    log, slow = AuditLog(tmp_path / "audit.sqlite"), threading.Event()

    def wait() -> None:
        slow.set()
        time.sleep(0.5)

    moves = Moves(monkeypatch, wait)
    log.append([_ENTRY])
    mover = threading.Thread(target=log.checkpoint)
    mover.start()
    assert slow.wait(5)
    began = time.monotonic()
    number = log.append([_ENTRY])[0]
    assert [record.sequence for record in read_records(log.path)][-1] == number
    assert time.monotonic() - began < 0.25 and mover.is_alive()
    mover.join()
    assert moves.modes == ["PASSIVE"] and not log.failing
    log.close()


def test_the_write_ahead_log_stays_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "WAL_LONG", 100_000)
    log, longest = AuditLog(tmp_path / "audit.sqlite"), 0
    for _ in range(300):
        log.append([_ENTRY])
        log.checkpoint()
        longest = max(longest, _wal(log).stat().st_size)
    assert 0 < longest < 150_000 and log.verify().records == 300
    log.close()


def test_an_append_during_a_move_does_not_begin_the_log_anew_and_the_next_move_cuts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "WAL_LONG", 1)
    log = AuditLog(tmp_path / "audit.sqlite")
    log.append([_ENTRY])
    salt = _salt(log)
    Moves(monkeypatch, lambda: log.append([_ENTRY]))
    log.checkpoint()
    assert _salt(log) == salt, "SQLite would have waited for the disk in the append"
    Moves(monkeypatch, lambda: None)
    log.checkpoint()
    assert _wal(log).stat().st_size == 0 and not _waits(log)
    assert log.verify() == (True, 2, 0, list(log.read())[-1].hash, 1)
    log.close()


def test_a_log_without_a_pause_is_cut_when_it_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "WAL_LONG", 1)
    monkeypatch.setattr(audit, "WAL_TOO_LONG", 100_000)
    log, longest = AuditLog(tmp_path / "audit.sqlite"), 0
    Moves(monkeypatch, lambda: log.append([_ENTRY]))
    for _ in range(100):
        log.append([_ENTRY])
        log.checkpoint()
        longest = max(longest, _wal(log).stat().st_size)
    assert longest < 120_000 and log.verify().records == 200
    log.close()


def test_with_a_reader_in_the_way_the_log_goes_on_and_sqlite_may_wait_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "WAL_LONG", 1)
    log = AuditLog(tmp_path / "audit.sqlite")
    log.append([_ENTRY])
    with contextlib.closing(sqlite3.connect(log.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM audit").fetchone()
        log.checkpoint()
        assert _wal(log).stat().st_size > 0 and _waits(log), "a power cut would spoil a log begun anew"
    log.append([_ENTRY])
    log.checkpoint()
    assert _wal(log).stat().st_size == 0 and not _waits(log) and log.verify().intact
    log.close()


def test_the_end_waits_for_the_disk(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.sqlite")
    log.append([_ENTRY])
    done: list[str] = []
    log._connection.set_trace_callback(done.append)
    log.close()
    assert done[-1] == "PRAGMA synchronous = NORMAL", "closing moves what is left"


async def test_housekeeping_moves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "WAL_LONG", 1)
    async with keeping(tmp_path) as house:
        assert _wal(house.audit).stat().st_size > 0
        await house.until(lambda: _wal(house.audit).stat().st_size == 0)
