from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from stopline_envs.registry import FOREIGN
from stopline_envs.scenario import list_scenarios, load_scenario, scenario_from_files
from stopline_signals.errors import ScenarioError

RESCO = {
    "cologne1": 25200, "cologne3": 25200, "cologne8": 25200, "ingolstadt1": 57600, "ingolstadt7": 57600,
    "ingolstadt21": 57600, "grid4x4": 0, "arterial4x4": 0,
}  # fmt: skip
needs_resco = pytest.mark.skipif(
    importlib.util.find_spec("sumo_rl") is None, reason="bench extra not installed"
)


def test_own_and_foreign_names_are_listed() -> None:
    names = list_scenarios()
    assert {"single", "arterial", "fkk_in", "rilsa1", "rilsa2", "rilsa3", "rilsa4", *RESCO} <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "name", ["single", "arterial", *(n for n, e in FOREIGN.items() if e.package == "sumo")]
)
def test_built_in_scenario_has_all_its_files(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert scenario.missing() == ()
    assert scenario.routes
    assert scenario.licence


@needs_resco
@pytest.mark.parametrize("name", RESCO)
def test_resco_map_is_found_with_its_window(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.missing() == ()
    assert (scenario.begin, scenario.end) == (RESCO[name], RESCO[name] + 3600)


@needs_resco
def test_resco_arterial_is_not_ours() -> None:
    assert load_scenario("arterial4x4").net != load_scenario("arterial").net


@needs_resco
def test_finding_resco_imports_neither_sumo_rl_nor_sumo() -> None:
    code = (
        "import sys; from stopline_envs.scenario import load_scenario; load_scenario('cologne8');"
        "print([name for name in ('sumo_rl', 'sumo', 'libsumo', 'traci') if name in sys.modules])"
    )
    path = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=path, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_wheel_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", nothing)
    with pytest.raises(ScenarioError, match=r"cologne8 .*stopline\[bench\]"):
        load_scenario("cologne8")


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ScenarioError, match=r"'aterial'.*arterial.*cologne8"):
        load_scenario("aterial")


def test_missing_file_is_named(tmp_path: Path) -> None:
    net = load_scenario("single").net
    with pytest.raises(ScenarioError, match=r"no-such\.rou\.xml"):
        scenario_from_files(net, [tmp_path / "no-such.rou.xml"])


@pytest.mark.parametrize(("begin", "end"), [(100, 100), (200, 100), (-1, 100)])
def test_begin_must_be_before_end(begin: int, end: int) -> None:
    scenario = load_scenario("single")
    with pytest.raises(ScenarioError, match="begin"):
        scenario_from_files(scenario.net, scenario.routes, begin=begin, end=end)
    with pytest.raises(ScenarioError, match="begin"):
        scenario.between(begin, end)


def test_user_files_are_named_after_the_net() -> None:
    own = load_scenario("single")
    scenario = scenario_from_files(str(own.net), [str(route) for route in own.routes], begin=0, end=60)
    assert scenario.name == "single"
    assert scenario.duration == 60
    assert scenario.emergency is None


def test_window_keeps_everything_but_the_times() -> None:
    whole = load_scenario("arterial")
    demo = whole.window("demo")
    assert (demo.duration, demo.net, demo.routes) == (900, whole.net, whole.routes)
    with pytest.raises(ScenarioError, match=r"'night'.*demo"):
        whole.window("night")


GOOD = 'name = "x"\nnet = "{net}"\nroutes = []\nbegin = 0\nend = 60\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "x"\nbegin = 0\nend = 60\n', "lacks: net"),
        (GOOD + "colour = 1\n", "unknown entries: colour"),
        (GOOD + "begin 0", "not TOML"),
        (GOOD.replace("routes = []", 'routes = "a.xml"'), "routes must be a list"),
        (GOOD.replace("end = 60", 'end = "noon"'), "wrong kind"),
        (GOOD.replace("end = 60", "end = 0"), "before end"),
        (GOOD + "warmup = 60\n", "warmup"),
        (GOOD + "step = 0\n", "step"),
        (GOOD + '[emergency]\nfile = "e.xml"\nvtype = "e"\nroute = "r"\ndepart = 1\n', "edges"),
        (GOOD + "[windows.demo]\nbegin = 1\n", "end"),
        (GOOD.replace("{net}", "gone.net.xml"), r"gone\.net\.xml"),
    ],
)
def test_bad_scenario_file_is_refused_with_its_reason(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text.replace("{net}", str(load_scenario("single").net)))
    with pytest.raises(ScenarioError, match=words):
        load_scenario(path)


def test_unreadable_scenario_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"nowhere\.toml cannot be read"):
        load_scenario(tmp_path / "nowhere.toml")


def test_scenario_file_paths_are_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.net.xml").write_text("<net/>")
    (tmp_path / "here.toml").write_text('name = "here"\nnet = "a.net.xml"\nbegin = 0\nend = 60\n')
    assert load_scenario(tmp_path / "here.toml").net == tmp_path / "a.net.xml"
