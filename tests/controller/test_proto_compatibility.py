"""The interface as buf sees it: clean, and readable by every client of the interface as it was released."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.foreign import foreign_modules

IMAGE = "released.binpb"


@pytest.fixture
def proto(root: Path, tmp_path: Path) -> Path:
    """A copy of the .proto files that a test may change."""
    copy = tmp_path / "proto"
    shutil.copytree(root / "proto", copy, ignore=shutil.ignore_patterns("*.py*", "__pycache__"))
    return copy


def buf(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(foreign_modules() / ".bin" / "buf"), *words]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=50)


def test_buf_finds_nothing_to_say(proto: Path) -> None:
    done = buf(proto, "lint")
    assert done.returncode == 0, done.stdout
    path = proto / "stopline/v1/policy.proto"
    path.write_text(path.read_text().replace("  // Name in the bundle.\n", ""))
    assert 'Field "name"' in buf(proto, "lint").stdout, "a field without its comment is found"


def test_clients_of_the_released_interface_are_still_understood(proto: Path) -> None:
    done = buf(proto, "breaking", "--against", IMAGE)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}; see proto/README.md"


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("policy.proto", "string name = 1;", "string title = 1;"),
        ("state.proto", "uint64 sequence = 2;", "uint64 sequence = 27;"),
        ("state.proto", "bool cabinet_online = 5;", "string cabinet_online = 5;"),
        ("override.proto", "rpc RenewLease(RenewLeaseRequest)", "rpc ProlongLease(RenewLeaseRequest)"),
    ],
)
def test_a_change_that_breaks_clients_is_found(proto: Path, file: str, before: str, after: str) -> None:
    path = proto / "stopline/v1" / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    assert buf(proto, "breaking", "--against", IMAGE).returncode != 0
