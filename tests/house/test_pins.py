"""The pins cover what the extras ask for, agree with them, and work on any machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version


@pytest.fixture(scope="module")
def pins(root: Path) -> dict[str, Version]:
    lines = (root / "tests/constraints.txt").read_text(encoding="utf-8").splitlines()
    split = [line.partition("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, _, version in split}


@pytest.fixture(scope="module")
def wanted(project: dict[str, Any]) -> list[Requirement]:
    groups = [project["project"]["dependencies"], project["build-system"]["requires"]]
    groups += project["project"]["optional-dependencies"].values()
    found = [Requirement(line) for group in groups for line in group]
    return [requirement for requirement in found if requirement.name != "stopline"]


def test_every_requirement_has_a_pin_inside_its_range(
    wanted: list[Requirement], pins: dict[str, Version]
) -> None:
    bad = [
        str(r) for r in wanted if not r.specifier.contains(pins.get(canonicalize_name(r.name), Version("0")))
    ]
    assert not bad


def test_pins_are_exact_and_from_the_index(root: Path) -> None:
    text = (root / "tests/constraints.txt").read_text(encoding="utf-8")
    odd = [
        line
        for line in text.splitlines()
        if not re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)
    ]
    assert not odd


def test_the_generator_and_its_runtime_floor_agree(project: dict[str, Any]) -> None:
    generator = next(r for r in project["project"]["optional-dependencies"]["dev"] if "grpcio-tools" in r)
    runtime = next(r for r in project["project"]["dependencies"] if r.startswith("grpcio>"))
    assert Requirement(runtime).specifier.contains(generator.partition("==")[2])
    assert not Requirement(runtime).specifier.contains("1.80.0")


def test_make_installs_the_pinned_torch_first(root: Path, pins: dict[str, Version]) -> None:
    recipe = (root / "Makefile").read_text(encoding="utf-8")
    assert f"torch=={pins['torch']}" in recipe
    assert recipe.index("torch==") < recipe.index("[sim,train,dev,bench,otel,v2x]")
