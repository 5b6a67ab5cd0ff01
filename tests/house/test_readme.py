"""What README.md and CONTRIBUTING.md tell people to type exists, and their links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stopline_cli.main import COMMANDS, app

PAGES = ("README.md", "CONTRIBUTING.md")


@pytest.fixture(scope="module")
def pages(root: Path) -> dict[str, str]:
    names = [*PAGES, *(str(path.relative_to(root)) for path in (root / "docs").glob("*.md"))]
    return {name: (root / name).read_text(encoding="utf-8") for name in names}


@pytest.fixture(scope="module")
def commands(pages: dict[str, str]) -> list[str]:
    """Return every line of every shell block, continuation lines joined, comments dropped."""
    blocks = [block for text in pages.values() for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in (re.sub(r"\s+#.*", "", line).strip() for line in lines) if line]


def test_stopline_commands_and_their_options_exist(commands: list[str]) -> None:
    names = sorted((row.name for row in COMMANDS), key=len, reverse=True)
    for line in (line for line in commands if line.startswith("stopline ")):
        words = shlex.split(line)[1:]
        name = next((name for name in names if words[: len(name.split())] == name.split()), None)
        assert name is not None, line
        shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "200"})
        assert shown.exit_code == 0, shown.output
        for option in (word.partition("=")[0] for word in words if word.startswith("--")):
            assert option in shown.output, f"{line}: {option}"


def test_make_targets_exist(commands: list[str], root: Path) -> None:
    used = {shlex.split(line)[1] for line in commands if line.startswith("make ")}
    assert {"demo", "test", "check"} <= used
    for target in used:
        subprocess.run(["make", "--dry-run", "--silent", target], cwd=root, check=True, capture_output=True)


def test_modules_exist(commands: list[str], root: Path) -> None:
    for line in commands:
        for module in re.findall(r"python -m (benchmarks[\w.]*)", line):
            place = root / module.replace(".", "/")
            assert place.is_dir() or place.with_suffix(".py").exists(), line


def test_links_lead_somewhere(pages: dict[str, str], root: Path) -> None:
    for name, text in pages.items():
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if "://" not in target:
                assert ((root / name).parent / target).exists(), f"{name}: {target}"


def test_folders_of_the_tree_exist(pages: dict[str, str], root: Path) -> None:
    tree = re.search(r"```text\n(.*?)```", pages["README.md"], re.DOTALL)
    assert tree
    folders = re.findall(r"^(\w[\w-]*)/", tree[1], re.MULTILINE)
    assert len(folders) >= 8
    assert not [folder for folder in folders if not (root / folder).is_dir()]
