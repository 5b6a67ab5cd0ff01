"""A full disk, also at the start: control goes on under an alarm, and what waited is written afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NoReturn

import pytest
from structlog.testing import capture_logs

from stopline_cabinets.words import Mode
from stopline_controller import audit, events
from stopline_controller.alarms import Alarms
from stopline_controller.audit import AuditLog, End, Entry
from stopline_controller.audit_chain import read_records, verify_file
from stopline_controller.events import EventLog, read_events
from stopline_controller.hires import Code, HiResEvent
from tests.controller.bench import FOLDERS, ROOT, START_S, PlcBench, until
from tests.controller.sites import write_site
from tests.controller.town import PLAN

_SERVE = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
from stopline_cli.main import app
app()
"""
"""Not a byte goes into any file, as on a full disk; another process may end that."""

_NO_LIMIT = resource.RLIM_INFINITY


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "RETRY_S", 0.0)
    monkeypatch.setattr(events, "RETRY_S", 0.01)
    monkeypatch.setattr(events, "FLUSH_S", 0.01)


@contextlib.contextmanager
def _full_disk() -> Generator[list[str]]:
    """No file may grow; yields the names of what is logged meanwhile, which would go to a file as well."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    names: list[str] = []
    with capture_logs() as logged:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield names
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            names += [entry["event"] for entry in logged]


def _never_there(folder: Path) -> int:
    folder.mkdir()
    return 0


def _left_cleanly(folder: Path) -> int:
    log = AuditLog(folder / "audit.sqlite")
    last = log.append([Entry("decision", number) for number in range(100)])[-1]
    log.close()
    return last


def _left_by_kill(folder: Path) -> int:
    """The latest records are in the write-ahead log alone, and the shared memory is gone."""
    log = AuditLog(folder.parent / "alive" / "audit.sqlite")
    last = log.append([Entry("decision", number) for number in range(100)])[-1]
    shutil.copytree(folder.parent / "alive", folder, ignore=shutil.ignore_patterns("*-shm"))
    log.close()
    return last


@pytest.mark.parametrize("left", [_never_there, _left_cleanly, _left_by_kill])
def test_an_audit_log_that_cannot_be_opened_goes_on_in_memory_and_then_in_the_file(
    tmp_path: Path, left: Callable[[Path], int]
) -> None:
    last = left(tmp_path / "state")
    with _full_disk() as logged:
        log = AuditLog(tmp_path / "state" / "audit.sqlite")
        assert log.failing and log.last == last
        assert log.append([Entry("started", 0), Entry("decision", 1)]) == [last + 1, last + 2]
        log.flush()
        assert log.failing
    assert logged == ["audit_cannot_write"], "said once"
    with capture_logs() as after:
        log.flush()
    assert not log.failing and [entry["event"] for entry in after] == ["audit_writes_again"]
    assert log.append([Entry("decision", 2)]) == [last + 3]
    assert log.verify().intact and log.verify().records == last + 3
    log.close()


def _no_end(_: Path) -> End:
    return End()


def test_records_numbered_without_the_file_are_numbered_again_and_the_chain_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _left_cleanly(tmp_path) == 100
    monkeypatch.setattr(audit, "_last_look", _no_end)
    with _full_disk():
        log = AuditLog(tmp_path / "audit.sqlite")
        assert log.append([Entry("started", 0), Entry("decision", 1)]) == [1, 2]
    log.flush()
    assert [(record.sequence, record.kind) for record in log.read(from_sequence=101)] == [
        (101, "started"),
        (102, "decision"),
        (103, "renumbered"),
    ]
    assert json.loads(list(log.read())[-1].detail) == {"by": 100, "from": 1, "to": 2}
    assert log.verify().intact and log.last == 103
    log.close()


def test_what_found_no_room_in_memory_is_counted_in_the_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "HELD_BACK", 10)
    with _full_disk():
        log = AuditLog(tmp_path / "audit.sqlite")
        numbers = [log.append([Entry("decision", number)])[0] for number in range(14)]
    assert numbers == [*range(1, 11), 0, 0, 0, 0]
    log.flush()
    last = list(log.read())[-1]
    assert (last.sequence, last.kind, last.detail) == (11, "lost", '{"records":4}')
    assert log.verify().intact
    log.close()


def test_control_does_not_wait_for_a_file_to_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Path] = []

    def refuse(path: Path) -> NoReturn:
        tried.append(path)
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(audit, "_opened", refuse)
    log = AuditLog(tmp_path / "audit.sqlite")
    log.append([Entry("decision", 1)])
    assert len(tried) == 1, "at the start"
    log.flush()
    assert len(tried) == 2, "and by who may wait"
    log.close()


def test_what_is_lost_at_the_end_is_said(tmp_path: Path) -> None:
    with _full_disk() as logged:
        log = AuditLog(tmp_path / "audit.sqlite")
        log.append([Entry("decision", 1)])
        log.close()
    assert logged == ["audit_cannot_write", "audit_records_lost"]


def _event(number: int) -> HiResEvent:
    return HiResEvent(1_700_000_000_000_000 + number, "A", Code.DETECTOR_ON, 1)


def test_an_event_log_that_cannot_be_opened_is_an_alarm_and_is_written_when_there_is_room(
    tmp_path: Path,
) -> None:
    alarms = Alarms()
    with _full_disk() as logged:
        log = EventLog(tmp_path / "state" / "events.sqlite", {"A": PLAN}, 1000, alarms)
        log.add([_event(1), _event(2)])
        time.sleep(0.2)
        assert any("events cannot be written" in text for text in alarms.texts)
    assert logged == ["alarm"], "said once"
    until(lambda: not alarms.texts, 10, "cleared")
    log.close()
    assert list(read_events(log.path)) == [_event(1), _event(2)]


@pytest.mark.parametrize("error", [sqlite3.OperationalError("unable to open"), OSError("read-only")])
def test_the_thread_of_the_events_outlives_what_it_cannot_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    connect, refused = sqlite3.connect, threading.Event()

    def refuse(*_: object, **__: object) -> NoReturn:
        if threading.current_thread().name == "events":
            refused.set()
        raise error

    monkeypatch.setattr(sqlite3, "connect", refuse)
    alarms = Alarms()
    log = EventLog(tmp_path / "events.sqlite", {"A": PLAN}, 1000, alarms)
    log.add([_event(1)])
    assert refused.wait(5) and any("events cannot be written" in text for text in alarms.texts)
    monkeypatch.setattr(sqlite3, "connect", connect)
    until(lambda: not alarms.texts, 10, "cleared")
    log.close()
    assert list(read_events(log.path)) == [_event(1)]


def test_events_that_found_no_room_in_memory_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HELD_BACK", 10)
    with capture_logs() as logged:
        with _full_disk():
            log = EventLog(tmp_path / "events.sqlite", {"A": PLAN}, 1000, Alarms())
            log.add([_event(number) for number in range(14)])
        log.close()
    assert [entry["events"] for entry in logged if entry["event"] == "events_lost"] == [4]
    assert list(read_events(log.path)) == [_event(number) for number in range(4, 14)]


def test_a_controller_starts_on_a_full_disk_and_writes_when_there_is_room(tmp_path: Path) -> None:
    with PlcBench("A") as bench, _serving_without_room(write_site(tmp_path, bench.tables())) as process:
        assert process.stderr is not None
        told = (json.loads(line) for line in process.stderr if line.startswith("{"))
        names: list[str] = []
        while "serving" not in names:
            names.append(next(told)["event"])
        assert names.count("audit_cannot_write") == 1
        until(lambda: bench.cabinets["A"].core.mode is Mode.REMOTE, 10, "control goes on")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (_NO_LIMIT, _NO_LIMIT))
        while "audit_writes_again" not in names:
            names.append(next(told)["event"])
        process.terminate()
        names += [line["event"] for line in told]
        assert process.wait(10) == 0 and "stopped" in names, names
    path = tmp_path / "state" / "audit.sqlite"
    assert verify_file(path).intact
    kinds = [record.kind for record in read_records(path)]
    assert {"policy-activated", "started", "decision"} <= set(kinds) and kinds[-1] == "stopped"
    assert not bench.violations()


@contextlib.contextmanager
def _serving_without_room(site: Path) -> Generator[subprocess.Popen[str]]:
    path = os.pathsep.join(str(ROOT / folder) for folder in FOLDERS)
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, "serve", str(site)],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    ) as process:
        late = threading.Timer(START_S, process.kill)
        late.start()
        try:
            yield process
        finally:
            late.cancel()
            process.kill()
