"""The safety case names tests and code that exist, traces every invariant, and states committed results."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")
INVARIANTS = "abcdefghijklmno"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
SYMBOL = re.compile(r"`(stopline_\w+(?:\.\w+)+)`")


@pytest.mark.parametrize("letter", INVARIANTS)
def test_every_invariant_has_a_source_its_code_and_a_test(letter: str) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith(f"| ({letter}) |")]
    assert len(rows) == 1, f"({letter}) must have one row"
    _, _, claim, source, code, tests, _ = rows[0].split("|")
    assert claim.strip() and source.strip()
    assert SYMBOL.search(code), "names no code that keeps it"
    assert TEST.search(tests), "names no test"


def test_every_test_it_names_is_there() -> None:
    named = TEST.findall(PAGE)
    assert len(named) > 40
    missing = [f"{path}::{name}" for path, name in named if name not in functions(path)]
    assert not missing


def test_every_piece_of_code_it_names_is_there() -> None:
    named = set(SYMBOL.findall(PAGE))
    assert len(named) > 15
    missing = sorted(name for name in named if not resolves(name))
    assert not missing


def test_a_name_that_is_not_there_is_noticed() -> None:
    assert not resolves("stopline_signals.guard.Guard.forgive")
    assert not resolves("stopline_signals.no_such_module")
    assert "test_nothing" not in functions("tests/signals/test_guard.py")


def test_every_file_it_names_is_there() -> None:
    missing = [path for path, _ in TEST.findall(PAGE) if not (ROOT / path).is_file()]
    links = [link for link in re.findall(r"\]\((\w+\.md)\)", PAGE) if not (ROOT / "docs" / link).is_file()]
    assert not missing + links


def test_its_proof_results_are_the_committed_ones() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "proof_results"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run `scripts/proof_results`; the page still states:\n{done.stdout}"


@cache
def functions(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, something in it, or a field or method of a class there."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        return has(found, parts[count:])
    return False


def has(found: object, rest: list[str]) -> bool:
    for part in rest:
        annotated = part in getattr(found, "__annotations__", {})
        if not hasattr(found, part) and not annotated:
            return False
        found = getattr(found, part, None)
    return True
