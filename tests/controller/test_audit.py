"""The audit log: committed, chained, and honest about what was done to it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stopline_controller import audit, audit_chain
from stopline_controller.audit import AuditLog, Entry
from stopline_controller.audit_chain import Base, read_base, verify_file
from tests.controller.bench import FOLDERS, ROOT


def _filled(path: Path, count: int = 20) -> AuditLog:
    log = AuditLog(path)
    for number in range(count):
        log.append([Entry("decision", number, f"J{number % 2}", "policy", {"stage": number})])
    return log


def test_records_are_numbered_without_gaps_and_read_back(tmp_path: Path) -> None:
    log = _filled(tmp_path / "audit.sqlite")
    assert log.append([Entry("lease", 5, "J1", "kim"), Entry("lease", 5, "J2", "kim")]) == [21, 22]
    assert [record.sequence for record in log.read()] == list(range(1, 23))
    assert [record.sequence for record in log.read(from_sequence=3, limit=2, junction="J1")] == [4, 6]
    assert [record.actor for record in log.read(kind="lease")] == ["kim", "kim"]
    assert log.verify() == (True, 22, 0, list(log.read())[-1].hash, 1)


def test_the_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    _filled(tmp_path / "audit.sqlite").close()
    log = AuditLog(tmp_path / "audit.sqlite")
    log.append([Entry("started", 0)])
    assert log.verify().intact and log.verify().records == 21


@pytest.mark.parametrize(
    ("tamper", "first_broken"),
    [
        ("UPDATE audit SET detail = '{\"stage\":3}' WHERE sequence = 7", 7),
        ("UPDATE audit SET actor = 'nobody' WHERE sequence = 1", 1),
        ("UPDATE audit SET wall_us = wall_us + 1 WHERE sequence = 12", 12),
        ("DELETE FROM audit WHERE sequence = 9", 9),
        ("DELETE FROM audit WHERE sequence > 15", 16),
        ("UPDATE audit SET hash = (SELECT hash FROM audit WHERE sequence = 4) WHERE sequence = 5", 5),
    ],
)
def test_tampering_is_found_at_its_record(tmp_path: Path, tamper: str, first_broken: int) -> None:
    log = _filled(tmp_path / "audit.sqlite")
    with sqlite3.connect(tmp_path / "audit.sqlite") as other:
        other.execute(tamper)
    other.close()
    verified = log.verify()
    assert not verified.intact and verified.first_broken == first_broken


def test_a_disk_that_refuses_holds_nothing_up_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "RETRY_S", 0.0)
    path = tmp_path / "audit.sqlite"
    log = _filled(path, 3)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    assert log.append([Entry("decision", 4)]) == [4]
    assert time.monotonic() - began < 0.5, "control waits for nobody"
    assert log.failing
    blocker.execute("ROLLBACK")
    blocker.close()
    log.flush()
    assert not log.failing
    assert log.append([Entry("decision", 5)]) == [5]
    assert log.verify() == (True, 5, 0, list(log.read())[-1].hash, 1)


def test_while_the_disk_refuses_it_is_tried_once_a_second(tmp_path: Path) -> None:
    log = _filled(tmp_path / "audit.sqlite", 3)
    _fill_the_disk(log)
    tried: list[str] = []
    log._connection.set_trace_callback(tried.append)
    for number in range(500):
        log.append([Entry("decision", number)])
    assert log.failing and tried.count("BEGIN") <= 2


def test_a_full_memory_counts_what_it_loses_and_the_chain_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "RETRY_S", 0.0)
    monkeypatch.setattr(audit, "HELD_BACK", 10)
    log = _filled(tmp_path / "audit.sqlite", 3)
    _fill_the_disk(log)
    first = log.last  # it waits in memory already
    numbers = [log.append([Entry("decision", number)])[0] for number in range(14)]
    assert numbers == [*range(first + 1, first + 10), 0, 0, 0, 0, 0]
    log._connection.execute("PRAGMA max_page_count = 100000")
    log.flush()
    assert not log.failing
    last = list(log.read())[-1]
    assert (last.kind, last.detail) == ("lost", '{"records":5}')
    assert log.verify().intact and log.last == first + 10


def test_old_records_go_and_the_rest_still_proves_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PRUNED_AT_ONCE", 10)
    path = tmp_path / "audit.sqlite"
    log = _filled(path, 45)
    removed = [log.prune(20, 0) for _ in range(5)]
    assert removed == [10, 10, 0, 0, 0]
    verified = log.verify()
    assert (verified.intact, verified.first, verified.records) == (True, 21, 27)
    assert [record.sequence for record in log.read(limit=1)] == [21]
    log.close()
    again = AuditLog(path)
    assert again.append([Entry("started", 0)]) == [48]
    assert again.verify().intact and verify_file(path).intact
    again.close()
    with sqlite3.connect(path) as thief:
        cut = thief.execute("SELECT hash FROM audit WHERE sequence = 40").fetchone()[0]
        thief.execute("DELETE FROM audit WHERE sequence <= 40")
        thief.execute("UPDATE audit_base SET sequence = 40, hash = ?", (cut,))
    thief.close()
    verified = verify_file(path)
    assert not verified.intact and verified.first_broken == 41, "nobody in the chain vouches for that removal"


def test_a_removal_that_the_disk_refuses_removes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PRUNED_AT_ONCE", 10)
    log = _filled(tmp_path / "audit.sqlite", 45)
    blocker = sqlite3.connect(log.path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    assert log.prune(20, 0) == 0
    blocker.execute("ROLLBACK")
    blocker.close()
    monkeypatch.setattr(audit, "RETRY_S", 0.0)
    time.sleep(1.0)
    log.flush()
    assert log.verify().intact and log.verify().first == 1


def _fill_the_disk(log: AuditLog) -> None:
    """SQLite refuses further pages, as it does on a full disk."""
    pages = log._connection.execute("PRAGMA page_count").fetchone()[0]
    log._connection.execute(f"PRAGMA max_page_count = {pages}")
    filler = json.dumps("x" * 3000)
    while not log.failing:
        log.append([Entry("filler", 0, detail={"text": filler})])


def test_kill_9_loses_no_record_that_was_appended(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from stopline_controller.audit import AuditLog, Entry\n"
        "log = AuditLog(Path(sys.argv[1]))\n"
        "while True: print(log.append([Entry('decision', 0)])[0], flush=True)\n"
    )
    path = os.pathsep.join(str(ROOT / folder) for folder in FOLDERS)
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "audit.sqlite")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    )
    assert process.stdout is not None
    for _ in range(200):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    last = [int(line) for line in process.stdout.read().split()]
    process.wait()
    process.stdout.close()
    log = AuditLog(tmp_path / "audit.sqlite")
    verified = log.verify()
    assert verified.intact
    assert verified.records >= (last[-1] if last else 200)


@pytest.mark.parametrize("whose", ["own", "file"])
def test_records_removed_while_the_chain_is_recomputed_are_no_theft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    monkeypatch.setattr(audit, "PRUNED_AT_ONCE", 10)
    log = _filled(tmp_path / "audit.sqlite", 45)
    removed: list[int] = []

    def base_and_then_a_removal(connection: sqlite3.Connection) -> Base:
        base = read_base(connection)
        removed.append(log.prune(20, 0))
        return base

    monkeypatch.setattr(audit_chain, "read_base", base_and_then_a_removal)
    verified = log.verify() if whose == "own" else verify_file(log.path)
    assert removed == [10] and verified.intact and verified.first == 1
    assert log.verify().first == 11, "the next look sees the removal"
