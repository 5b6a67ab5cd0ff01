"""The project as others get it: its tracked files, a build of them, an environment they are installed in."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def project(root: Path) -> dict[str, Any]:
    """Return pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def tracked(root: Path) -> list[Path]:
    """Return the tracked files that exist, relative to the root."""
    if shutil.which("git") is None or not (root / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True, text=True)
    return [Path(name) for name in listed.stdout.split("\0") if name and (root / name).is_file()]


@pytest.fixture(scope="session")
def bare_clone(root: Path, tracked: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the tracked files and nothing else."""
    clone = tmp_path_factory.mktemp("clone")
    for path in tracked:
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, clone / path)
    return clone


@pytest.fixture(scope="session")
def sdist(bare_clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the source distribution; the wheel made from it lies beside it."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(bare_clone)],
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.tar.gz"))


@pytest.fixture(scope="session")
def wheel(sdist: Path) -> Path:
    """Return the wheel built from the source distribution."""
    return next(sdist.parent.glob("*.whl"))


@pytest.fixture(scope="session")
def dependencies_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a new environment that sees our dependencies but not our editable install."""
    return _environment(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a new environment in which only the wheel is installed."""
    python = _environment(tmp_path_factory.mktemp("installed"))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-index", "--no-deps", str(wheel)], check=True)
    return python


def _environment(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    # A folder named by a .pth file is searched, but its own .pth files, the editable install, are not read.
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    return folder / "bin" / "python"
