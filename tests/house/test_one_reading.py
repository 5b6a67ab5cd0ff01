"""The walkthrough of one reading names files and functions that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "one_reading.md"
FOLDERS = ("signals", "controller", "envs")
ROW = re.compile(r"\| \d+ \| `(?P<file>[^`]+)`, `(?P<name>[^`]+)` \|")


def test_every_step_of_the_walkthrough_exists() -> None:
    rows = list(ROW.finditer(PAGE.read_text(encoding="utf-8")))
    assert len(rows) == 13
    for row in rows:
        found = [path for folder in FOLDERS if (path := ROOT / folder / row["file"]).is_file()]
        assert found, f"{row['file']} is gone"
        name = row["name"].rpartition(".")[2]
        text = found[0].read_text(encoding="utf-8")
        assert re.search(rf"(def|class) {name}\b", text), f"{row['name']} is gone"
