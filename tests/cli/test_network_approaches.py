"""`stopline network approaches` from outside: the file it writes, and what it refuses."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stopline_cli.main import app
from stopline_signals.approach_map import map_from_table


def run(*words: object) -> Result:
    return CliRunner().invoke(
        app, ["network", "approaches", *map(str, words)], env={"COLUMNS": "180", "NO_COLOR": "1"}
    )


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "maps" / "approaches.toml"


def test_writes_a_map_that_controllers_read(out: Path) -> None:
    done = run("arterial", "--origin", "52.26,10.52", "--out", out)
    assert done.exit_code == 0, done.output
    assert "33 approaches of 9 junctions" in done.stdout
    text = out.read_text(encoding="utf-8")
    approaches = map_from_table(tomllib.loads(text), str(out))
    assert len(approaches.approaches) == 33
    assert approaches.approaches["J4_J5"].then == ("J5_J6_bay",)
    assert "    [52.26" in text  # a point on one line


def test_reach_shortens_the_paths(out: Path, root: Path) -> None:
    net = root / "sumo_networks/single/single.net.xml"
    assert run(net, "--origin", "-33.5,151.2", "--reach", 100, "--out", out).exit_code == 0
    lines = map_from_table(tomllib.loads(out.read_text(encoding="utf-8")), str(out)).lines
    assert {round(line.length) for line in lines.values()} == {100}


def test_without_a_projection_the_remedy_is_told(out: Path) -> None:
    refused = run("arterial", "--out", out)
    assert refused.exit_code == 1
    assert "--origin LAT,LON" in refused.stderr and "--proj.utm" in refused.stderr
    assert not out.exists()


@pytest.mark.parametrize("origin", ["52.26", "north,east", "95,10", "90,0", "52,nan", "1,2,3"])
def test_an_origin_that_is_no_place_is_bad_usage(origin: str, out: Path) -> None:
    refused = run("arterial", "--origin", origin, "--out", out)
    assert refused.exit_code == 2
    assert f"--origin {origin!r}" in refused.stderr
    assert not out.exists()


def test_a_network_that_knows_where_it_lies_takes_no_other_origin(out: Path) -> None:
    refused = run("fkk_in", "--origin", "1,2", "--out", out)
    assert refused.exit_code == 2
    assert "leave --origin out" in refused.stderr
