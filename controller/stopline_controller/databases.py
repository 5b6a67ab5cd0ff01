"""How the controller opens its SQLite files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

CACHE_KIB = 256
"""Of pages kept in memory by each connection. What is only appended to needs the ends of its trees; the 2 MiB
that SQLite takes by default fill up over hours at a quiet junction, and look like a leak for as long."""


def connect(path: Path, timeout: float = 5.0) -> sqlite3.Connection:
    """A connection any thread may use, one at a time, that begins and ends transactions only when told to.

    Args:
        path: The file; made if absent.
        timeout: Seconds to wait for another connection's transaction.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=timeout)
    try:
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
