"""The lease of an NTCIP cabinet: a file on the gateway host, since the cabinet has no object for it.

All controllers that may reach a cabinet run on its one gateway host (the access list of the network says
so), so a file there keeps them apart. Whoever writes from another host shows in the cabinet's masks, which
the driver checks. The lease lives as long as the cabinet keeps what it was told: its backup time.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

from stopline_signals.errors import CabinetError

RECORD = 512
"""Bytes of the record: always as many, because to change a file's length takes milliseconds."""
LONGEST_LABEL = 64


class Holder(NamedTuple):
    """Who holds a lease; `beat` and `limit` in seconds of the host's own clock since it started."""

    owner: int
    label: str
    beat: float
    limit: float

    def alive(self, now: float) -> bool:
        """Whether it was heard within its limit; one from before the host restarted was not."""
        return 0 <= now - self.beat <= self.limit


def default_directory() -> Path:
    """Where the leases of this host lie: a directory only this user can write."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) if runtime else Path(tempfile.gettempdir())
    return base / f"stopline-{os.getuid()}"


class HostLease:
    """The lease of one cabinet, as one controller (owner, label) sees it."""

    def __init__(self, cabinet: str, owner: int, label: str, directory: Path | None = None) -> None:
        self._path = (
            directory or default_directory()
        ) / f"ntcip-{re.sub('[^0-9A-Za-z.]', '_', cabinet)}.lease"
        self._owner = owner
        self._label = label[:LONGEST_LABEL]

    def holder(self) -> Holder | None:
        """Who holds it now."""
        if not self._path.exists():
            return None
        with self._file() as file:
            return _alive(file)

    def was_ours_lately(self) -> bool:
        """Whether it was ours so lately that the cabinet may still keep what we told it before we died."""
        if not self._path.exists():
            return False
        with self._file() as file:
            holder = _read(file)
        return (
            holder is not None
            and holder.owner == self._owner
            and holder._replace(limit=2 * holder.limit).alive(_now())
        )

    def claim(self, limit: float) -> Holder:
        """Take it or renew it for `limit` seconds; returns who holds it then, which may be another one."""
        with self._file() as file:
            holder = _alive(file)
            if holder is None or holder.owner == self._owner:
                holder = Holder(self._owner, self._label, _now(), limit)
                _write(file, holder)
            return holder

    def beat(self) -> Holder | None:
        """Stay alive; returns who holds it: None when it ran out, and then it is not revived."""
        with self._file() as file:
            holder = _alive(file)
            if holder is not None and holder.owner == self._owner:
                _write(file, holder._replace(beat=_now()))
            return holder

    def give_back(self) -> None:
        """End it, if it is ours."""
        with self._file() as file:
            holder = _alive(file)
            if holder is not None and holder.owner == self._owner:
                os.pwrite(file, b" " * RECORD, 0)

    @contextmanager
    def _file(self) -> Generator[int, None, None]:
        """The lease file, locked."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CabinetError(f"{self._path}: the lease cannot be kept: {error}; set lease_dir") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _alive(file: int) -> Holder | None:
    holder = _read(file)
    return holder if holder is not None and holder.alive(_now()) else None


def _read(file: int) -> Holder | None:
    try:
        row = cast("dict[str, Any]", json.loads(os.pread(file, RECORD, 0)))
        return Holder(int(row["owner"]), str(row["label"]), float(row["beat"]), float(row["limit"]))
    except (ValueError, KeyError, TypeError):
        return None


def _write(file: int, holder: Holder) -> None:
    os.pwrite(file, json.dumps(holder._asdict()).encode().ljust(RECORD), 0)
