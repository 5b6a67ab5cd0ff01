"""Nothing in the repository knows the machine it was written on, and files stay readable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

# Folders of one machine. Written in pieces, so that this file does not hold what it looks for.
MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home|tmp|Users|opt/(?:wheels|pypi))" + r"/[\w.-]")
GENERATED = re.compile(r"_pb2(_grpc)?\.pyi?$")
EXCEPTION = re.compile(
    r"#\s*(type: ignore|pyright: ignore|noqa)(\[[\w, -]+\]|: ?[A-Z]+\d+(, ?[A-Z]+\d+)*)?(.*)"
)


@pytest.fixture(scope="module")
def texts(root: Path, tracked: list[Path]) -> dict[Path, str]:
    found = {}
    for path in tracked:
        try:
            found[path] = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


@pytest.fixture(scope="module")
def sources(texts: dict[Path, str]) -> dict[Path, str]:
    return {
        path: text for path, text in texts.items() if path.suffix == ".py" and not GENERATED.search(path.name)
    }


def test_no_path_of_a_machine(texts: dict[Path, str]) -> None:
    found = [f"{path}: {hit[0]}" for path, text in texts.items() for hit in MACHINE.finditer(text)]
    assert not found


def test_no_leftovers(tracked: list[Path]) -> None:
    leftovers = (".pyc", ".log", ".tmp", ".orig", ".rej", ".DS_Store", ".swp")
    assert not [path for path in tracked if path.name.endswith(leftovers) or "__pycache__" in path.parts]


def test_no_source_file_is_too_long_to_read(sources: dict[Path, str]) -> None:
    assert not {str(path): n for path, text in sources.items() if (n := text.count("\n")) > 500}


def test_every_lint_exception_names_its_rule_and_its_reason(sources: dict[Path, str]) -> None:
    bad = []
    for path, text in sources.items():
        if path == Path("tests/house/test_tracked_files.py"):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            hit = EXCEPTION.search(line)
            if hit and not (hit[2] and len(hit[4].strip(" #-:")) > 8):
                bad.append(f"{path}:{number}: {line.strip()}")
    assert not bad


def test_scripts_can_be_executed(root: Path) -> None:
    for name in ("scripts/check", "scripts/system-packages", "scripts/foreign-environments", ".ci/run"):
        assert (root / name).stat().st_mode & 0o111, name
