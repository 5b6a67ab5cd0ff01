"""Fencing tokens over restarts: above every one handed out before, whichever of their sources is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stopline_controller import fencing
from stopline_controller.assembly import assemble
from stopline_controller.desk import Grant
from stopline_controller.fencing import SPAN, TokenFloor
from stopline_controller.site import read_site
from tests.controller.sites import write_site

NOW_S = 1_800_000_000.0
HOUR_S = 3600.0


def granted(site: Path, leases: int = 3) -> int:
    """The last token of a life of the controller that grants some leases and is killed."""
    controller = assemble(read_site(site))
    for _ in range(leases):
        lease = controller.desk.acquire(Grant("A", "kim", 10.0, "accident"))
    controller.close()
    return lease.token


def _keep(state: Path) -> None:
    """Nothing is lost."""


def _audit_unreadable(state: Path) -> None:
    for beside in ("-wal", "-shm", ""):
        (state / f"audit.sqlite{beside}").unlink(missing_ok=True)
    (state / "audit.sqlite").write_bytes(b"no database" * 500)


def _audit_lost(state: Path) -> None:
    for beside in ("-wal", "-shm", ""):
        (state / f"audit.sqlite{beside}").unlink(missing_ok=True)


def _limit_lost(state: Path) -> None:
    (state / "fencing.txt").unlink()


def _limit_damaged(state: Path) -> None:
    (state / "fencing.txt").write_text("\x00\x00")


def _both_lost(state: Path) -> None:
    _audit_lost(state)
    _limit_lost(state)


@pytest.mark.parametrize(
    "lose", [_keep, _audit_unreadable, _audit_lost, _limit_lost, _limit_damaged, _both_lost]
)
def test_no_later_life_hands_out_a_lower_token(tmp_path: Path, lose: Callable[[Path], None]) -> None:
    site = write_site(tmp_path)
    before = granted(site)
    for _ in range(2):
        lose(tmp_path / "state")
        after = granted(site)
        assert after > before
        before = after


def test_a_wall_clock_set_back_lowers_no_token(tmp_path: Path) -> None:
    file = tmp_path / "fencing.txt"
    first = TokenFloor(file, 10, lambda: NOW_S + HOUR_S).first
    assert first > NOW_S * 1000
    second = TokenFloor(file, 10, lambda: NOW_S).first
    assert second > first + SPAN - 1, "however many the first life handed out"
    assert TokenFloor(file, 10, lambda: 0.0).first > second, "no clock at all"


def test_without_file_and_clock_the_last_record_stands_in(tmp_path: Path) -> None:
    assert TokenFloor(tmp_path / "fencing.txt", 4711, lambda: 0.0).first == 4712


def test_a_disk_that_refuses_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "fencing.txt"
    with monkeypatch.context() as patch:
        patch.setattr(fencing, "write_whole", lambda *_: False)
        floor = TokenFloor(file, 0, lambda: NOW_S)
        assert not file.exists()
    floor.keep()
    assert TokenFloor(file, 0, lambda: 0.0).first > floor.first


@pytest.mark.parametrize("content", ["-5", str(2**70), "later", ""])
def test_a_limit_that_was_not_written_here_counts_for_nothing(tmp_path: Path, content: str) -> None:
    file = tmp_path / "fencing.txt"
    file.write_text(content)
    with capture_logs():
        assert TokenFloor(file, 0, lambda: 1.0).first == 1001
