from __future__ import annotations

import re
from pathlib import Path

import pytest

from stopline_envs.registry import data_root
from sumo_networks.build import BUILDERS, build


@pytest.mark.parametrize("name", BUILDERS)
def test_build_gives_the_committed_bytes(name: str, tmp_path: Path) -> None:
    build(name, tmp_path)
    built = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
    committed = data_root() / name
    by_hand = {f"{name}.toml"}
    assert set(built) | by_hand == {path.name for path in committed.iterdir()}
    for file, content in built.items():
        assert content == (committed / file).read_bytes(), (
            f"{file} differs: run python -m sumo_networks.build"
        )


@pytest.mark.parametrize("path", sorted(data_root().glob("*/*.xml")), ids=lambda path: path.name)
def test_file_is_small_and_tells_nothing_about_its_maker(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text) < 1_000_000
    assert not re.search(r"generated on|<!--|/tmp|/home|/root|[A-Z]:\\\\", text)
