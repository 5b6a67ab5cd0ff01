"""`stopline serve` and `stopline override` as a person types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controller.bench import FOLDERS, ROOT, START_S, ServeProcess, until
from tests.controller.sites import write_site

RATE = 20.0


def _stopline(*words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(ROOT / folder) for folder in FOLDERS)
    return subprocess.run(
        [sys.executable, "-c", "from stopline_cli.main import app; app()", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    site = write_site(tmp_path_factory.mktemp("site"), controller=f"clock_rate = {RATE}")
    with ServeProcess(site) as running:
        # Until its start-up is over the cabinet itself is in force, and whatever is asked for is queued.
        until(lambda: _policy_decides(running), START_S, f"the policy decides; {running.log.read_text()}")
        yield running


def _policy_decides(server: ServeProcess) -> bool:
    done = _stopline("override", "preview", "A", "main", "--address", server.address, "--json")
    return done.returncode == 0 and json.loads(done.stdout)["source_in_force"] == "policy"


def test_a_bad_site_is_explained_on_stderr_with_exit_code_1(tmp_path: Path) -> None:
    site = write_site(tmp_path, controller="nmae = 1\nclock_rate = 0")
    done = _stopline("serve", str(site))
    assert done.returncode == 1
    assert "2 mistakes" in done.stderr and "Traceback" not in done.stderr
    assert "line 4: controller.nmae" in done.stderr and "line 5: controller.clock_rate" in done.stderr


def test_a_site_can_be_checked_without_starting(tmp_path: Path) -> None:
    done = _stopline("serve", "--check", str(write_site(tmp_path)))
    assert done.returncode == 0 and "junctions: 1" in done.stdout
    assert not (tmp_path / "state").exists()


def test_the_controller_imports_neither_training_nor_simulator() -> None:
    code = (
        "import sys, stopline_controller.serve\n"
        "heavy = {'torch', 'sumo', 'libsumo', 'traci', 'sumolib', 'gymnasium', 'stable_baselines3',"
        " 'matplotlib', 'stopline_envs', 'stopline_agents', 'stopline_hil'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    path = os.pathsep.join(str(ROOT / folder) for folder in FOLDERS)
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr


def test_an_operator_goes_to_a_stage_by_name(server: ServeProcess) -> None:
    words = ["override", "go", "A", "side", "--address", server.address, "--no-wait", "--json"]
    done = _stopline(*words, "--seconds", "5", "--operator", "kim", "--reason", "test")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["status"] in ("ACCEPTED", "PENDING_SAFE_POINT"), answer
    assert answer["audit_sequence"] > 0


def test_a_preview_asks_nothing_of_the_cabinet(server: ServeProcess) -> None:
    done = _stopline("override", "preview", "A", "1", "--address", server.address, "--json")
    assert done.returncode == 0, done.stderr
    assert {"allowed_now", "earliest_s", "transition_s"} <= json.loads(done.stdout).keys()


def test_a_stage_that_is_not_there_is_named_with_those_that_are(server: ServeProcess) -> None:
    done = _stopline("override", "go", "A", "sideways", "--address", server.address)
    assert done.returncode == 1 and "0 main, 1 left, 2 side" in done.stderr


def test_a_controller_that_is_not_there_is_said_so() -> None:
    done = _stopline("override", "hold", "A", "--address", "127.0.0.1:1")
    assert done.returncode == 1 and "no controller answers at 127.0.0.1:1" in done.stderr
