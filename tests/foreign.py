"""The environments of foreign programs, as `scripts/foreign-environments` builds them."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / ".venv-foreign"


def foreign_python(name: str) -> Path:
    """The interpreter of a Python environment; skips the test where it was not built."""
    return _built(name) / "bin" / "python"


def foreign_modules(name: str = "node") -> Path:
    """The node_modules of a Node environment; skips the test where it was not built."""
    return _built(name) / "node_modules"


def _built(name: str) -> Path:
    if not (FOLDER / name / ".pins").exists():
        pytest.skip(f"run scripts/foreign-environments {name}")
    return FOLDER / name
