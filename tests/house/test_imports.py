"""Imports go down only, and the check that says so can say no."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDERS = {
    "stopline_signals": "signals",
    "stopline_mmu": "hil",
    "stopline_policy": "controller",
    "stopline_cabinets": "controller",
    "stopline_envs": "envs",
    "stopline_agents": "agents",
    "stopline_controller": "controller",
    "stopline_hil": "hil",
    "stopline_cli": "cli",
}

# Who may import whom, as the design has it.
ALLOWED = {
    "stopline_signals": set[str](),
    "stopline_mmu": set[str](),
    "stopline_policy": {"stopline_signals", "stopline_mmu"},
    "stopline_cabinets": {"stopline_signals", "stopline_mmu"},
    "stopline_envs": {"stopline_signals", "stopline_mmu"},
    "stopline_agents": {"stopline_signals", "stopline_envs", "stopline_policy", "stopline_mmu"},
    "stopline_controller": {
        "stopline_signals",
        "stopline_policy",
        "stopline_cabinets",
        "stopline_mmu",
        "stopline.v1.state_pb2",
    },
    "stopline_hil": {
        "stopline_signals",
        "stopline_envs",
        "stopline_mmu",
        "stopline_policy",
        "stopline_cabinets",
        "stopline.v1.state_pb2",
    },
    "stopline_cli": {*FOLDERS, "stopline.v1.state_pb2"} - {"stopline_cli"},
}
EVERYTHING = {*FOLDERS, "stopline.v1.state_pb2"}


def lint(root: Path, sources: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter with the project's contracts over the packages below a folder."""
    folders = sorted(set(FOLDERS.values()) | {"proto"})
    paths = os.pathsep.join(str(sources / folder) for folder in folders)
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--config", root / "pyproject.toml", "--no-cache"],
        cwd=sources,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def sketch(tmp_path: Path) -> Path:
    """Return empty packages in the folders of the house."""
    for package, folder in FOLDERS.items():
        (tmp_path / folder / package).mkdir(parents=True)
        (tmp_path / folder / package / "__init__.py").touch()
    (tmp_path / "proto/stopline/v1").mkdir(parents=True)
    (tmp_path / "proto/stopline/v1/state_pb2.py").touch()
    return tmp_path


def plant(sketch: Path, package: str, imported: str) -> Path:
    """Write a module of a package that imports one thing."""
    module = sketch / FOLDERS[package] / package / f"uses_{imported.replace('.', '_')}.py"
    module.write_text(f"import {imported}\n", encoding="utf-8")
    return module


def test_the_project_keeps_its_contracts(root: Path) -> None:
    done = lint(root, root)
    assert done.returncode == 0, done.stdout


def test_every_allowed_import_is_allowed(root: Path, sketch: Path) -> None:
    for package, allowed in ALLOWED.items():
        for imported in allowed:
            plant(sketch, package, imported)
    done = lint(root, sketch)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("package", [name for name in FOLDERS if name != "stopline_cli"])
def test_every_other_import_is_refused(root: Path, sketch: Path, package: str) -> None:
    refused = EVERYTHING - ALLOWED[package] - {package}
    for imported in refused:
        plant(sketch, package, imported)
    done = lint(root, sketch)
    assert done.returncode == 1
    missed = [imported for imported in refused if f"uses_{imported.replace('.', '_')}" not in done.stdout]
    assert not missed, done.stdout


@pytest.mark.parametrize("heavy", ["torch", "libsumo", "sumo"])
def test_the_kerb_may_not_import_what_it_does_not_install(root: Path, sketch: Path, heavy: str) -> None:
    plant(sketch, "stopline_controller", heavy)
    assert lint(root, sketch).returncode == 1
