"""A map becomes a scenario whose plans pass the book, whose traffic runs, or an error with its remedy."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stopline_cli.main import app
from stopline_envs.network import NetworkRun
from stopline_envs.osm import Imported, import_osm
from stopline_envs.scenario import load_scenario
from stopline_signals.errors import NetworkError
from stopline_signals.plan import GroupKind
from tests.envs.maps import drive
from tests.networks.osm_town import write_osm


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Imported]:
    folder = tmp_path_factory.mktemp("town")
    return folder / "out", import_osm(write_osm(folder / "town.osm"), folder / "out", duration=600)


def test_signals_become_plans_that_pass_the_book(town: tuple[Path, Imported]) -> None:
    _, imported = town
    assert len(imported.plans.plans) == 3  # two at their junction, one of the nodes on its approaches
    assert imported.errors == ()
    assert imported.plans.findings == ()
    for plan in imported.plans.plans.values():
        assert plan.program is not None
        assert len(plan.stages) >= 2
        kinds = [group.kind for group in plan.groups]
        assert kinds.count(GroupKind.PEDESTRIAN) >= 3
        assert kinds.count(GroupKind.VEHICLE) >= 4


def test_the_scenario_runs_with_vehicles_and_people(town: tuple[Path, Imported]) -> None:
    folder, imported = town
    assert load_scenario(folder / "scenario.toml") == imported.scenario
    run = NetworkRun(imported.scenario, trips=True)
    try:
        drive(run, 1)
        metrics = run.metrics()
    finally:
        run.close()
    assert run.violations == 0
    assert 60 <= metrics.vehicles <= 110  # 600 an hour for ten minutes
    assert metrics.walkers > 8
    assert metrics.finished > 0.6 * metrics.vehicles


def test_the_same_map_and_seed_give_the_same_bytes(town: tuple[Path, Imported], tmp_path: Path) -> None:
    folder, _ = town
    source = gzip.compress(write_osm(tmp_path / "town.osm").read_bytes())
    (tmp_path / "town.osm.gz").write_bytes(source)
    import_osm(tmp_path / "town.osm.gz", tmp_path / "again", duration=600)
    for name in ("net.net.xml", "vehicles.rou.xml", "people.rou.xml"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name
        text = (folder / name).read_text()
        assert str(folder) not in text and str(tmp_path) not in text


def test_a_map_without_signals_names_the_remedy_and_they_can_be_guessed(tmp_path: Path) -> None:
    osm = write_osm(tmp_path / "quiet.osm", signals=False)
    with pytest.raises(NetworkError, match=r"quiet\.osm: .*highway=traffic_signals.*--guess-signals"):
        import_osm(osm, tmp_path / "out")
    guessed = import_osm(osm, tmp_path / "out", guess_signals=True, crossings=False, duration=120)
    assert guessed.plans.plans
    assert guessed.errors == ()
    assert not (tmp_path / "out" / "people.rou.xml").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<osm><node", r"x\.osm: is not an OpenStreetMap file in XML"),
        (b"PBF\x00\x01", "export it as .osm, not as .pbf"),
        (b"<net/>", "root element is <net>, not <osm>"),
        (b"<osm version='0.6'/>", r"x\.osm: no network came of it"),
    ],
)
def test_what_is_no_map_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "x.osm").write_bytes(content)
    with pytest.raises(NetworkError, match=words):
        import_osm(tmp_path / "x.osm", tmp_path / "out")
    with pytest.raises(NetworkError, match=r"nowhere\.osm: no such file"):
        import_osm(tmp_path / "nowhere.osm", tmp_path / "out")
    with pytest.raises(NetworkError, match="vehicles per hour"):
        import_osm(tmp_path / "x.osm", tmp_path / "out", vehicles_per_hour=0)


def test_the_command_imports_and_says_what_came_of_it(tmp_path: Path) -> None:
    osm = write_osm(tmp_path / "town.osm")
    words = ["network", "import", str(osm), "--out", str(tmp_path / "out"), "--duration", "120"]
    done = CliRunner().invoke(app, [*words, "--no-crossings", "--json"])
    assert done.exit_code == 0, done.output
    table = json.loads(done.stdout)
    assert [row["errors"] for row in table["signals"]] == [0, 0, 0]
    assert load_scenario(table["scenario"]).duration == 120
    missing = CliRunner().invoke(app, ["network", "import", str(tmp_path / "no.osm"), "--out", str(tmp_path)])
    assert missing.exit_code == 1
    assert "no such file" in missing.output


def test_the_film_command_draws_a_scenario(tmp_path: Path) -> None:
    film, still = tmp_path / "film.gif", tmp_path / "still.png"
    size = ["--width", "320", "--height", "240", "--at", "30"]
    done = CliRunner().invoke(
        app, ["network", "film", "highstreet", "--out", str(film), "--seconds", "4", "--every", "2", *size]
    )
    assert done.exit_code == 0, done.output
    assert "3 frames" in done.output
    words = ["network", "film", "highstreet", "--out", str(still), *size, "--around"]
    done = CliRunner().invoke(app, [*words, "J1"])
    assert done.exit_code == 0, done.output
    assert film.stat().st_size > 1000 and still.stat().st_size > 500
    wrong = CliRunner().invoke(app, [*words, "J9"])
    assert wrong.exit_code == 1
    assert "the network has" in wrong.output
