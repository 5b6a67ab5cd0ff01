"""What SQLite keeps of the controller's files in memory."""

from __future__ import annotations

import contextlib
from pathlib import Path

from stopline_controller.databases import CACHE_KIB, connect


def test_a_long_file_does_not_fill_the_memory(tmp_path: Path) -> None:
    with contextlib.closing(connect(tmp_path / "log.sqlite")) as connection:
        assert connection.execute("PRAGMA cache_size").fetchone() == (-CACHE_KIB,)
        connection.execute("CREATE TABLE log (number INTEGER PRIMARY KEY, text TEXT)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO log (text) VALUES (?)", [("a" * 1000,)] * 10)
        assert connection.in_transaction, "it ends when it is told to"
        connection.execute("ROLLBACK")
        assert connection.execute("SELECT count(*) FROM log").fetchone() == (0,)
