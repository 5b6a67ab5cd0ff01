"""Every `>>>` example in a docstring or a page runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from typing import Any

import pytest

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def with_examples(root: Path, folders: list[str]) -> tuple[list[str], list[Path]]:
    """Return the modules of the packages, and the pages, that hold an example."""
    modules = [
        ".".join(path.relative_to(root / folder).with_suffix("").parts).removesuffix(".__init__")
        for folder in folders
        for path in sorted((root / folder).rglob("*.py"))
        if "_pb2" not in path.name and ">>> " in path.read_text(encoding="utf-8")
    ]
    pages = [*root.glob("*.md"), *(root / "docs").rglob("*.md")]
    return modules, [page for page in pages if ">>> " in page.read_text(encoding="utf-8")]


def test_examples(root: Path, project: dict[str, Any], subtests: pytest.Subtests) -> None:
    modules, pages = with_examples(root, project["tool"]["hatch"]["build"]["dev-mode-dirs"])
    assert "stopline_signals" in modules
    for name in modules:
        with subtests.test(name):
            done = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
            assert done.attempted
            assert not done.failed
    for page in pages:
        with subtests.test(page.name):
            assert not doctest.testfile(str(page), module_relative=False, optionflags=OPTIONS).failed


def test_a_wrong_example_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(">>> 1 + 1\n3\n", encoding="utf-8")
    assert doctest.testfile(str(tmp_path / "page.md"), module_relative=False, verbose=False).failed == 1
