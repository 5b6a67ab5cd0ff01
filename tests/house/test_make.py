"""The Makefile and the scripts it calls: every target exists, and they refuse what they do not know."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.mark.parametrize("target", ["demo", "test", "check", "bench", "prove"])
def test_every_target_can_be_planned_from_nothing(root: Path, tmp_path: Path, target: str) -> None:
    command = ["make", "--dry-run", f"VENV={tmp_path / 'venv'}", target]
    planned = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert "-m venv" in planned
    assert "constraints.txt" in planned


def test_the_demo_needs_no_torch(root: Path, tmp_path: Path) -> None:
    command = ["make", "--dry-run", f"VENV={tmp_path / 'venv'}", "demo"]
    assert (
        "torch==" not in subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    )


def test_an_installed_environment_is_not_installed_again(root: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("bin/python", ".installed-dev", ".installed-sim", ".system-packages", ".foreign"):
        (tmp_path / name).touch()
    command = ["make", "--dry-run", f"VENV={tmp_path}", "test"]
    planned = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert "pip" not in planned
    assert "-m pytest" in planned


def test_shell_scripts_parse(root: Path) -> None:
    for name in ("scripts/system-packages", "scripts/foreign-environments", ".ci/run"):
        subprocess.run(["sh", "-n", root / name], check=True)


def test_the_check_script_names_the_steps_it_has(root: Path) -> None:
    command = [sys.executable, str(root / "scripts/check"), "mypyy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pyright" in done.stderr
