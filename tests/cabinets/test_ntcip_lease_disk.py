"""A lease file that cannot be written ends no control; nor does the controller's own death."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from stopline_cabinets.ntcip.lease import HostLease
from stopline_signals.errors import CabinetError
from tests.cabinets.ntcip_bench import Bench, held


class Disk:
    """Whether there is room; `left` is how many bytes of a write still find some."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.left = 0
        self._write: Callable[[int, bytes, int], int] = os.pwrite
        monkeypatch.setattr(os, "pwrite", self._pwrite)

    def _pwrite(self, file: int, content: bytes, offset: int) -> int:
        if not self.full:
            return self._write(file, content, offset)
        if not self.left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._write(file, content[: self.left], offset)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def _events(logs: list[Any]) -> list[str]:
    return [row["event"] for row in logs if row["event"].startswith("ntcip_lease")]


@pytest.mark.parametrize("left", [0, 20])
def test_a_full_disk_ends_no_lease_and_is_told_once(tmp_path: Path, disk: Disk, left: int) -> None:
    lease = HostLease("c", 1, "one", tmp_path)
    disk.full, disk.left = True, left
    with capture_logs() as logs:
        assert lease.claim(10).owner == 1
        for _ in range(3):
            beaten = lease.beat()
            assert beaten is not None and beaten.owner == 1
            assert lease.holder() == beaten and lease.was_ours_lately()
        assert _events(logs) == ["ntcip_lease_not_kept"]
        disk.full = False
        assert lease.beat() is not None and lease.beat() is not None
        assert _events(logs) == ["ntcip_lease_not_kept", "ntcip_lease_kept_again"]
    holder = HostLease("c", 2, "other", tmp_path).claim(10)
    assert (holder.owner, holder.label) == (1, "one"), "the file counts again"


def test_a_lease_kept_in_memory_runs_out_too(tmp_path: Path, disk: Disk) -> None:
    lease = HostLease("c", 1, "one", tmp_path)
    disk.full = True
    lease.claim(0)
    assert lease.holder() is None and lease.beat() is None


def test_a_lease_given_back_on_a_full_disk_is_not_ours(tmp_path: Path, disk: Disk) -> None:
    lease = HostLease("c", 1, "one", tmp_path)
    disk.full = True
    lease.claim(10)
    lease.give_back()
    assert lease.holder() is None and not lease.was_ours_lately()


def test_who_took_the_lease_while_our_file_failed_keeps_it(tmp_path: Path, disk: Disk) -> None:
    one, other = HostLease("c", 1, "one", tmp_path), HostLease("c", 2, "other", tmp_path)
    disk.full = True
    assert one.claim(10).owner == 1
    disk.full = False
    assert other.claim(10).owner == 2
    beaten = one.beat()
    assert beaten is not None and beaten.owner == 2


def test_a_folder_that_goes_away_ends_no_lease_that_is_ours(tmp_path: Path) -> None:
    """Mistakes of set-up refuse a new lease; one that is held goes on."""
    folder = tmp_path / "leases"
    lease = HostLease("c", 1, "one", folder)
    lease.claim(10)
    (folder / "ntcip-c.lease").unlink()
    folder.rmdir()
    folder.write_text("no folder")
    assert lease.beat() is not None and lease.claim(10).owner == 1
    with pytest.raises(CabinetError, match="lease_dir"):
        HostLease("c", 1, "one", folder / "x").claim(10)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    found = await Bench(tmp_path).open()
    yield found
    found.close()


async def test_a_full_disk_takes_no_control_away(bench: Bench, disk: Disk) -> None:
    disk.full = True
    cabinet = await held(bench, "4+8")
    for _ in range(30):
        await cabinet.heartbeat()
        await cabinet.read()
        await bench.pause(4)
    assert bench.masks() and not bench.cabinet.backup_mode, "longer than its backup time"
    await cabinet.release()
    assert bench.masks() == {}


async def test_what_a_dead_controller_left_behind_is_its_own_only_where_the_lease_outlives_it(
    bench: Bench, tmp_path: Path
) -> None:
    await held(bench, "4+8")
    with pytest.raises(CabinetError, match="another system"):
        await bench.driver(lease_dir=tmp_path / "new after a restart").connect()
    await bench.driver().connect()
