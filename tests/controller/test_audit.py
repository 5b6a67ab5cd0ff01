"""The audit log: committed, chained, and honest about what was done to it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from stopline_controller.audit import AuditLog, Entry
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
    assert log.verify() == (True, 22, 0, list(log.read())[-1].hash)


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


def test_a_disk_that_refuses_holds_nothing_up_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    log = _filled(path, 3)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    log._connection.execute("PRAGMA busy_timeout = 0")  # do not wait for the blocker
    assert log.append([Entry("decision", 4)]) == [4]
    assert log.failing
    blocker.execute("ROLLBACK")
    blocker.close()
    log.append([Entry("decision", 5)])
    assert not log.failing
    assert log.verify() == (True, 5, 0, list(log.read())[-1].hash)


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
