"""`stopline priority` against two running controllers, and one that is not there."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stopline_cli import main
from stopline_cli.vehicle_run import Position, RunError, Stop, ahead, parse_stop, read_positions, straight
from stopline_controller.audit_chain import Filter, read_records
from tests.controller.bench import ServeProcess
from tests.controller.mapped_town import degrees, plan, write_map
from tests.controller.sites import write_site

ROUTE = [Stop("J2", "main", 60.0), Stop("J1", "side", 30.0)]


@pytest.fixture(scope="module")
def controllers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    sites = [
        write_site(tmp_path_factory.mktemp(name), {name: 'driver = "memory"'}, policy='bundle = "none"')
        for name in ("J1", "J2")
    ]
    with ServeProcess(sites[0]) as first, ServeProcess(sites[1]) as second:
        yield [first.address, second.address]


def run(controllers: list[str], *more: str, stdin: str | None = None) -> tuple[int, str, str]:
    named = [word for address in controllers for word in ("--controller", address)]
    stops = ["--stop", "J1:side:30", "--stop", "J2:main:60"]
    result = CliRunner().invoke(main.app, ["priority", "amb 7", *named, *stops, *more], input=stdin)
    return result.exit_code, result.stdout, result.stderr


def closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def test_one_run_is_told_to_two_controllers_and_a_third_that_is_away_holds_up_neither(
    controllers: list[str],
) -> None:
    away = closed_port()
    code, out, err = run([away, *controllers], "--speed", "20", "--every", "0.2")
    assert code == 1 and f"never answered: {away}" in err
    lines = out.splitlines()
    for junction in ("J1", "J2"):
        told = [line.partition(f"{junction}: ")[2] for line in lines if f"{junction}: " in line]
        assert any(line.startswith(("granted", "pending_safe_point", "green")) for line in told), out
        assert told[-1].startswith("completed")
    table = out[out.index("what became of it") :]
    assert all(address in table for address in controllers) and "passed" in table


def test_every_answer_is_a_line_of_json_that_names_its_controller(controllers: list[str]) -> None:
    given = "second,metres,speed_mps\n0,0,15\n0.4,6,15\n0.8,12,15\n1.2,18,15\n"
    code, out, _ = run(controllers, "--json", "--positions", "-", stdin=given)
    assert code == 0
    answers = [json.loads(line) for line in out.splitlines()]
    assert {answer["controller"] for answer in answers} == set(controllers)
    assert {j["junction_id"] for answer in answers for j in answer.get("junctions", ())} == {"J1", "J2"}
    last = {answer["controller"]: answer["junctions"][0].get("reason") for answer in answers}
    assert set(last.values()) == {"cancelled"}, "what it asked for ends with the command"


def test_positions_come_as_csv_or_json_lines_and_a_wrong_line_is_named() -> None:
    both = (
        ["second, metres, speed_mps, late_s", "0, 5, 14,", "1.5, 26, 14, 90"],
        [
            '{"second": 0, "metres": 5, "speed_mps": 14}',
            "",
            '{"second": 1.5, "metres": 26, "speed_mps": 14, "late_s": 90}',
        ],
    )
    for lines in both:
        assert list(read_positions(iter(lines))) == [Position(5, 14, 0), Position(26, 14, 1.5, 90)]
    for lines, words in (
        (["metres,speed_mps", "5,fast"], "line 2"),
        (['{"metres": 5}'], "line 1"),
        (["{x"], "line 1: is not JSON"),
        (["metres,speed_mps,colour", "5,14,red"], "unknown colour"),
        ([], "no positions"),
        (["latitude,speed_mps", "52.26,14"], "line 2: needs metres, or latitude and longitude"),
    ):
        with pytest.raises(RunError, match=words):
            list(read_positions(iter(lines)))


def test_a_straight_run_passes_every_stop_once_nearest_first() -> None:
    run = list(straight(ROUTE, 10.0, 1.0))
    assert run[0] == Position(0, 10, 0) and run[-1].metres == 80.0
    assert [item[0].junction for item in ahead(ROUTE, 0.0)] == ["J1", "J2"]
    assert ahead(ROUTE, 30.0) == [(ROUTE[0], 30.0)] and ahead(ROUTE, run[-1].metres) == []


@pytest.mark.parametrize("text", ["", "J1:", "J1:side:near", ":side:30", "J1::30", "J1:side:-3", "J1:s:inf"])
def test_a_stop_that_cannot_be_read_says_how_to_write_it(text: str) -> None:
    with pytest.raises(RunError, match="J1:side:250"):
        parse_stop(text)


def test_without_positions_on_the_ground_every_stop_needs_its_metres(controllers: list[str]) -> None:
    assert parse_stop("J1::12.lr:250") == Stop("J1", ":12.lr", 250.0), "as SUMO calls some edges"
    assert parse_stop("J1:side") == Stop("J1", "side") and parse_stop("J1") == Stop("J1", "")
    code, _, err = run(controllers, "--stop", "J9")
    assert code == 1 and "--stop J9: needs its metres" in err
    alone = CliRunner().invoke(main.app, ["priority", "amb 7"])
    assert alone.exit_code == 1 and "give the signals on the route" in alone.stderr


def test_one_that_knows_only_where_it_is_is_matched_and_served(tmp_path: Path) -> None:
    write_map(tmp_path)
    site = write_site(
        tmp_path,
        {"J1": 'driver = "memory"'},
        policy='bundle = "none"',
        extra='[priority]\nmap = "town.toml"',
        plans={"J1": plan("J1")},
    )
    lines = ["second,latitude,longitude,heading,speed_mps"]
    for second in range(4):
        latitude, longitude = degrees(0, -60 + 15 * second)
        lines.append(f"{second / 2},{latitude:.7f},{longitude:.7f},1,15")
    words = ["priority", "amb 7", "--positions", "-", "--incident", "fire in town", "--stop", "J1:side"]
    with ServeProcess(site) as running:
        result = CliRunner().invoke(
            main.app, [*words, "--controller", running.address], input="\n".join(lines)
        )
    assert result.exit_code == 0, result.output
    assert "on J1 south, 50 m from its stop line\n" in result.output
    assert any(f"J1: {word}" in result.output for word in ("granted", "pending_safe_point", "green"))
    kept = read_records(running.state / "audit.sqlite", Filter(kind="priority"))
    assert any("fire in town" in record.detail for record in kept)


def test_a_file_that_is_not_there_is_one_line(controllers: list[str], tmp_path: Path) -> None:
    code, _, err = run(controllers, "--positions", str(tmp_path / "no.csv"))
    assert code == 1 and err.startswith("error: ") and len(err.splitlines()) == 1
