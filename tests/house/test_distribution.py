"""The wheel and what it becomes: complete, without foreign names, importable, polite to neighbours."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

OURS = ("stopline_", "stopline/", "stopline-")


@pytest.fixture(scope="module")
def wheel_names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_nothing_is_installed_under_a_common_name(wheel_names: set[str]) -> None:
    assert all(name.startswith(OURS) for name in wheel_names)


def test_the_wheel_holds_every_tracked_file_of_the_packages(
    wheel_names: set[str], tracked: list[Path], project: dict[str, Any]
) -> None:
    sources: dict[str, str] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["sources"]
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    expected = {
        str(Path(sources[path.parts[0]], *path.parts[1:]))
        for path in tracked
        if any(path.is_relative_to(package) for package in packages)
    }
    assert {name for name in wheel_names if ".dist-info/" not in name} == expected


def test_the_source_distribution_can_run_the_suite(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"tests/conftest.py", "tests/constraints.txt", "scripts/check", "Makefile", "LICENSE"} <= names
    assert not any(".venv" in name or name.startswith(("runs/", "dist/")) for name in names)


def test_metadata_states_licence_entry_point_and_extras(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        folder = next(name for name in archive.namelist() if name.endswith("/METADATA")).rpartition("/")[0]
        metadata = archive.read(f"{folder}/METADATA").decode()
        entry_points = archive.read(f"{folder}/entry_points.txt").decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert "stopline = stopline_cli.main:app" in entry_points
    base = [
        line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line
    ]
    heavy = ("torch", "eclipse-sumo", "libsumo", "gymnasium", "matplotlib", "ray")
    assert not [line for line in base if line.split()[1].startswith(heavy)]


def test_an_installed_wheel_imports_and_finds_its_data(installed: Path, tmp_path: Path) -> None:
    program = """
import importlib, importlib.util, pathlib, sys
names = ["signals", "mmu", "policy", "cabinets", "controller", "envs", "agents", "hil", "cli"]
modules = [importlib.import_module(f"stopline_{name}") for name in names]
modules.append(importlib.import_module("stopline.v1.junction_pb2"))
assert all(pathlib.Path(module.__file__).is_relative_to(sys.prefix) for module in modules), modules
data = pathlib.Path(importlib.util.find_spec("stopline_envs").origin).parent / "_data"
assert (data / "README.md").exists()
assert not importlib.util.find_spec("agents") and not importlib.util.find_spec("envs")
"""
    subprocess.run([installed, "-c", program], cwd=tmp_path, check=True)


def test_the_namespace_is_shared_with_a_neighbour(installed: Path, tmp_path: Path) -> None:
    neighbour = tmp_path / "neighbour" / "stopline" / "elsewhere"
    neighbour.mkdir(parents=True)
    (neighbour / "__init__.py").write_text("ANSWER = 42\n", encoding="utf-8")
    program = "import stopline.v1.junction_pb2; from stopline.elsewhere import ANSWER; assert ANSWER == 42"
    for order in ("insert(0, ", "append("):
        path = f"import sys; sys.path.{order}{str(neighbour.parent.parent)!r}); "
        subprocess.run([installed, "-c", path + program], cwd=tmp_path, check=True)


def test_the_installed_command_runs(installed: Path, tmp_path: Path) -> None:
    command = installed.with_name("stopline")
    done = subprocess.run([command, "--help"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "Usage: stopline" in done.stdout


@pytest.mark.slow
def test_a_bare_clone_collects_every_test(bare_clone: Path, dependencies_only: Path) -> None:
    command = [str(dependencies_only), "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=bare_clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
