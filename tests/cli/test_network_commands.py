"""`stopline network inspect` and `export` from outside: every source, every form, and what they refuse."""

from __future__ import annotations

import json
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from stopline_cli.main import app
from stopline_signals.table import plan_from_table

RINGS = """
junction = "Main/1st"

[ring_barrier]
rings = [[[1, 2], [4]], [[5, 6], [8]]]

[[ring_barrier.phase]]
number = 1
permissive_with = [2]

[[ring_barrier.phase]]
number = 2
walk = 70
ped_clear = 140

[[ring_barrier.phase]]
number = 4

[[ring_barrier.phase]]
number = 5

[[ring_barrier.phase]]
number = 6

[[ring_barrier.phase]]
number = 8

[ring_barrier.pattern]
cycle = 900
splits = { 1 = 150, 2 = 450, 4 = 300, 5 = 150, 6 = 450, 8 = 300 }
"""


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "180"})


@pytest.fixture
def rings(tmp_path: Path) -> Path:
    path = tmp_path / "main.toml"
    path.write_text(RINGS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def net(root: Path) -> Path:
    return root / "sumo_networks/single/single.net.xml"


@pytest.fixture(scope="module")
def utdf(root: Path) -> Path:
    return root / "tests/signals/data/two_signals.csv"


def test_inspect_shows_rings_stages_matrix_program_and_findings(rings: Path) -> None:
    shown = run("network", "inspect", rings)
    assert shown.exit_code == 0, shown.output
    for word in (
        "rings and barriers",
        "ring 2",
        "║",
        "2+6",
        "intergreen",
        "cycle 90.0 s",
        "findings:",
        "▒▒▒",
    ):
        assert word in shown.output, word
    row = next(line for line in shown.output.splitlines() if "1 1 " in line)
    assert "5.0y" in row  # phase 1 gives way to phase 2, and else clears it in 5 s


def test_inspect_shows_stages_of_a_network(net: Path) -> None:
    shown = run("network", "inspect", net)
    assert shown.exit_code == 0, shown.output
    for word in ("N_J_bay.s", "███", "pedestrian", "fixed program"):
        assert word in shown.output, word


def test_inspect_lists_many_junctions_and_shows_one(utdf: Path) -> None:
    listed = run("network", "inspect", utdf)
    assert listed.exit_code == 0
    assert "Signals" in listed.output and "errors" in listed.output
    assert "rings and barriers" in run("network", "inspect", utdf, "--junction", "9").output


def test_inspect_as_json_holds_plans_and_findings(utdf: Path) -> None:
    shown = run("network", "inspect", utdf, "--json")
    rows: list[dict[str, Any]] = json.loads(shown.stdout)
    assert [row["junction"] for row in rows] == ["3", "9"]
    assert [plan_from_table(row["plan"]).digest() for row in rows] == [row["digest"] for row in rows]
    errors = [f for row in rows for f in row["findings"] if f["severity"] == "error"]
    assert {(f["place"], f["rule"]) for f in errors} == {("group EBT", "yellow"), ("group WBT", "yellow")}
    assert all(f["source"].startswith("ITE") for f in errors)


def test_inspect_strict_fails_on_errors_only(utdf: Path, rings: Path) -> None:
    assert run("network", "inspect", utdf, "--strict").exit_code == 1
    assert run("network", "inspect", utdf).exit_code == 0
    assert run("network", "inspect", rings, "--strict").exit_code == 0


def test_inspect_judges_a_file_of_which_no_plan_can_be_made(tmp_path: Path, net: Path) -> None:
    path = tmp_path / "J.toml"
    assert run("network", "export", net, "--out", path).exit_code == 0
    lines = path.read_text(encoding="utf-8").replace('"N_J_bay.s" = 43\n', "", 1)
    path.write_text(lines, encoding="utf-8")
    shown = run("network", "inspect", path, "--strict", "--json")
    assert shown.exit_code == 1
    row = json.loads(shown.stdout)[0]
    assert row["plan"] is None
    assert [f["rule"] for f in row["findings"] if f["severity"] == "error"] == ["asymmetric matrix"]


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
@pytest.mark.parametrize("source", ["rings", "net"])
def test_inspect_draws_a_picture(
    source: str, suffix: str, magic: bytes, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    out = tmp_path / f"plan.{suffix}"
    shown = run("network", "inspect", request.getfixturevalue(source), "--picture", out)
    assert shown.exit_code == 0, shown.output
    assert out.read_bytes().startswith(magic)
    if suffix == "svg":
        groups = ElementTree.parse(out).iter("{http://www.w3.org/2000/svg}g")
        assert sum(1 for _ in groups) > 100


def test_a_picture_is_of_one_junction(utdf: Path, tmp_path: Path) -> None:
    assert run("network", "inspect", utdf, "--picture", tmp_path / "p.png").exit_code == 2


def test_export_to_toml_and_back(net: Path, tmp_path: Path) -> None:
    out = tmp_path / "J.toml"
    assert run("network", "export", net, "--out", out).exit_code == 0
    table = tomllib.loads(out.read_text(encoding="utf-8"))
    original = json.loads(run("network", "inspect", net, "--json").stdout)[0]
    assert plan_from_table(table, str(out)).digest() == original["digest"]
    again = json.loads(run("network", "inspect", out, "--json").stdout)[0]
    assert again["digest"] == original["digest"]


def test_export_of_several_plans_fills_a_folder(utdf: Path, tmp_path: Path) -> None:
    out = tmp_path / "plans"
    assert run("network", "export", utdf, "--out", out, "--allow-errors").exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["3.toml", "9.toml"]


def test_export_refuses_a_plan_with_errors(utdf: Path, tmp_path: Path) -> None:
    out = tmp_path / "plans"
    refused = run("network", "export", utdf, "--out", out)
    assert refused.exit_code == 1
    assert "yellow 3.6 s is under the 4.0 s" in refused.stderr
    assert "--allow-errors" in refused.stderr
    assert not out.exists()


def test_export_to_sumo_is_a_program_sumo_reads(net: Path, tmp_path: Path) -> None:
    out = tmp_path / "stopline.add.xml"
    assert run("network", "export", net, "--to", "sumo", "--out", out).exit_code == 0
    logic = ElementTree.parse(out).find("tlLogic")
    assert logic is not None and logic.get("id") == "J" and logic.get("type") == "static"
    again = run("network", "inspect", net, "--additional", out, "--json")
    assert "program 'stopline'" in json.loads(again.stdout)[0]["plan"]["source"]


def test_export_to_utdf_and_back(rings: Path, utdf: Path, tmp_path: Path) -> None:
    for source, count in ((utdf, 2), (rings, 1)):
        out = tmp_path / "out.csv"
        assert run("network", "export", source, "--to", "utdf", "--out", out).exit_code == 0
        again = json.loads(run("network", "inspect", out, "--json").stdout)
        assert len(again) == count


def test_export_to_utdf_needs_rings(net: Path, tmp_path: Path) -> None:
    refused = run("network", "export", net, "--to", "utdf", "--out", tmp_path / "out.csv")
    assert refused.exit_code == 1
    assert "not given as rings and barriers" in refused.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("network", "inspect", "{net}", "--junction", "K"), "no junction 'K'; it has J"),
        (("network", "inspect", "{tmp}/none.toml"), "No such file or directory"),
        (("network", "inspect", "{tmp}/bad.toml"), "bad.toml: "),
        (("network", "inspect", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    words: tuple[str, ...], message: str, net: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.toml").write_text("junction = ", encoding="utf-8")
    done = run(*(word.format(net=net, tmp=tmp_path) for word in words))
    assert done.exit_code == 1
    assert message in done.stderr
