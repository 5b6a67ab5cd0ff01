"""The checkout: one package a folder, typed, imported from here, and nothing with a common name."""

from __future__ import annotations

import ast
import importlib
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def packages(project: dict[str, Any]) -> list[Path]:
    """Return the package folders the wheel is made of."""
    listed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    return [Path(name) for name in listed if name not in ("sumo_networks", "proto/stopline")]


def test_every_package_folder_is_listed_in_the_build(root: Path, packages: list[Path]) -> None:
    found = {path.parent.relative_to(root) for path in root.glob("*/stopline_*/__init__.py")}
    assert found == set(packages)


def test_packages_are_typed_and_say_what_they_are(root: Path, packages: list[Path]) -> None:
    for package in packages:
        assert (root / package / "py.typed").exists(), package
        source = (root / package / "__init__.py").read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(source)), package


def test_packages_are_imported_from_this_checkout(root: Path, packages: list[Path]) -> None:
    for package in packages:
        module = importlib.import_module(package.name)
        assert Path(str(module.__file__)).parent == root / package


def test_the_namespace_belongs_to_nobody(root: Path) -> None:
    assert not (root / "proto/stopline/__init__.py").exists()
    assert (root / "proto/stopline/v1/py.typed").exists()


def test_tool_settings_name_the_same_folders(project: dict[str, Any]) -> None:
    tool = project["tool"]
    folders = set(tool["hatch"]["build"]["dev-mode-dirs"])
    assert set(tool["hatch"]["build"]["targets"]["wheel"]["sources"]) == folders | {"sumo_networks"}
    assert set(tool["pytest"]["ini_options"]["pythonpath"]) == folders | {"."}
    assert folders | {"."} == set(tool["mypy"]["mypy_path"]) == set(tool["pyright"]["extraPaths"])
    assert folders < set(tool["mypy"]["files"])
    assert folders < set(tool["pyright"]["include"])
    assert set(tool["importlinter"]["root_packages"]) == {
        Path(name).name
        for name in tool["hatch"]["build"]["targets"]["wheel"]["only-include"]
        if Path(name).name.startswith("stopline_")
    }


def test_an_editable_install_adds_only_the_folders(root: Path, project: dict[str, Any]) -> None:
    try:
        distribution = Distribution.from_name("stopline")
    except PackageNotFoundError:
        pytest.skip("a bare clone: nothing is installed")
    paths = [file for file in distribution.files or [] if file.suffix == ".pth"]
    if not paths:
        pytest.skip("not an editable install")
    lines = Path(str(distribution.locate_file(paths[0]))).read_text(encoding="utf-8").split()
    assert sorted(lines) == sorted(
        str(root / name) for name in project["tool"]["hatch"]["build"]["dev-mode-dirs"]
    )
    outside = [str(file) for file in distribution.files or [] if ".dist-info" not in str(file)]
    assert sorted(outside) == sorted([str(paths[0]), "../../../bin/stopline"])
