"""The lease of an NTCIP cabinet: a file on the gateway host, since the cabinet has no object for it.

All controllers that may reach a cabinet run on its one gateway host (the access list of the network says
so), so a file there keeps them apart. Whoever writes from another host shows in the cabinet's masks, which
the driver checks. The lease lives as long as the cabinet keeps what it was told: its backup time.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import structlog

from stopline_signals.errors import CabinetError

_log = structlog.get_logger(__name__)

RECORD = 512
"""Bytes of the record: always as many, because to change a file's length takes milliseconds."""
LONGEST_LABEL = 64
MISTAKES = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR})
"""What a person set up wrongly (a link, another user's file): unlike a full disk it does not pass."""


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
    """Where leases lie when nobody says where: a directory only this user can write, for tools.

    A controller says where: under a service manager this one may be new after every start.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) if runtime else Path(tempfile.gettempdir())
    return base / f"stopline-{os.getuid()}"


class HostLease:
    """The lease of one cabinet, as one controller (owner, label) sees it.

    While the file cannot be read or written (a full or broken disk), control goes on with what this object
    remembers. What is lost until the file works again: controllers on this host do not see each other's
    lease, only what the other one wrote into the cabinet; and whoever starts anew finds its own masks there
    and takes them for another system's until the backup time has ended. Then the file counts again, and a
    lease that somebody else took in it meanwhile ends this one.
    """

    def __init__(self, cabinet: str, owner: int, label: str, directory: Path | None = None) -> None:
        self._path = (
            directory or default_directory()
        ) / f"ntcip-{re.sub('[^0-9A-Za-z.]', '_', cabinet)}.lease"
        self._owner = owner
        self._label = label[:LONGEST_LABEL]
        self._kept: Holder | None = None
        """Our own lease as we last left it, which stands in for a file that fails."""
        self._failing = False

    def holder(self) -> Holder | None:
        """Who holds it now."""
        return _alive(self._look())

    def was_ours_lately(self) -> bool:
        """Whether it was ours so lately that the cabinet may still keep what we told it before we died."""
        holder = self._look()
        return (
            holder is not None
            and holder.owner == self._owner
            and holder._replace(limit=2 * holder.limit).alive(_now())
        )

    def claim(self, limit: float) -> Holder:
        """Take it or renew it for `limit` seconds; returns who holds it then, which may be another one.

        Raises:
            CabinetError: the file is not ours to write (see `MISTAKES`), so who else holds it is unknown.
        """
        ours = Holder(self._owner, self._label, _now(), limit)

        def taken(found: Holder | None) -> Holder:
            holder = _alive(found)
            return ours if holder is None or holder.owner == self._owner else holder

        return self._change(taken, strict=True) or ours

    def beat(self) -> Holder | None:
        """Stay alive; returns who holds it: None when it ran out, and then it is not revived."""

        def beaten(found: Holder | None) -> Holder | None:
            return found._replace(beat=_now()) if found is not None and self._ours(found) else found

        return _alive(self._change(beaten))

    def give_back(self) -> None:
        """End it, if it is ours."""
        self._change(lambda found: None if self._ours(found) else found)

    def _ours(self, found: Holder | None) -> bool:
        """Whether it is ours and has not run out."""
        holder = _alive(found)
        return holder is not None and holder.owner == self._owner

    def _look(self) -> Holder | None:
        """The record, which may have run out; a file that is not there is not made for that."""
        if not self._failing and not os.path.exists(self._path):
            return None
        return self._change(lambda found: found)

    def _change(
        self, change: Callable[[Holder | None], Holder | None], *, strict: bool = False
    ) -> Holder | None:
        """Put what `change` makes of the record in its place, in the file or else in memory; returns it.

        With `strict` a mistake of whoever set up the file is a CabinetError, unless the lease is ours anyway.
        """
        try:
            with self._file() as file:
                found = _read(file)
                after = change(self._newest(found))
                if after != found:
                    _write(file, after)
        except OSError as error:
            if strict and error.errno in MISTAKES and not self._ours(self._kept):
                raise CabinetError(
                    f"{self._path}: the lease cannot be kept: {error}; set lease_dir"
                ) from error
            self._failed(error)
            after = change(self._kept)
        else:
            self._works()
        self._kept = after if after is not None and after.owner == self._owner else None
        return after

    def _newest(self, found: Holder | None) -> Holder | None:
        """The record, or what we held while it could not be written; another one's lease goes first."""
        return self._kept if self._failing and self._kept and not _foreign(found, self._owner) else found

    def _failed(self, error: OSError) -> None:
        if not self._failing:
            _log.error("ntcip_lease_not_kept", file=str(self._path), error=str(error))
        self._failing = True

    def _works(self) -> None:
        if self._failing:
            _log.info("ntcip_lease_kept_again", file=str(self._path))
        self._failing = False

    @contextmanager
    def _file(self) -> Generator[int, None, None]:
        """The lease file, locked."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _alive(holder: Holder | None) -> Holder | None:
    return holder if holder is not None and holder.alive(_now()) else None


def _foreign(found: Holder | None, owner: int) -> bool:
    holder = _alive(found)
    return holder is not None and holder.owner != owner


def _read(file: int) -> Holder | None:
    content = os.pread(file, RECORD, 0)
    try:
        row = cast("dict[str, Any]", json.loads(content))
        return Holder(int(row["owner"]), str(row["label"]), float(row["beat"]), float(row["limit"]))
    except (ValueError, KeyError, TypeError):
        return None


def _write(file: int, holder: Holder | None) -> None:
    """Write a record, or blanks; OSError when not all of it found room."""
    text = json.dumps(holder._asdict()).encode() if holder is not None else b""
    if os.pwrite(file, text.ljust(RECORD), 0) < RECORD:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
