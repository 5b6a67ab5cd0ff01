"""`stopline finetune` on somebody's own network, to its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stopline_cli.main import app
from stopline_envs.scenario import load_scenario


@pytest.mark.timeout(150)
@pytest.mark.parametrize("confirm", [True, False])
def test_what_was_trained_is_compared_and_said(confirm: bool, tmp_path: Path) -> None:
    single = load_scenario("single")
    arguments = ["--net", str(single.net), "--routes", ",".join(map(str, single.routes)), "--end", "90"]
    options = ["--minutes", "0.1", "--jobs", "1", "--out", str(tmp_path), "--json"]
    done = CliRunner().invoke(
        app, ["finetune", *arguments, *options, "--confirm" if confirm else "--no-confirm"]
    )
    assert done.exit_code == 0, done.output
    row = json.loads(done.stdout)
    assert Path(row["network"]).is_file()
    assert row["delay_after_s"] <= row["delay_before_s"]
    assert ("kept" in row) is confirm
    if confirm:
        kept = json.loads((tmp_path / "best.json").read_text())["confirmation"]
        assert row["kept"] == ("trained" if kept["better"] else "start")
        assert kept["better"] or row["change_percent"] == 0
        assert len(kept["seeds"]) == 10
