"""The same seed gives the identical trajectory: here, in a worker process, and on both ends of gymnasium."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stopline_envs.helper import Helper
from tests.envs import trajectory
from tests.foreign import foreign_python

ROOT = Path(__file__).resolve().parents[2]
RUN = "import os, runpy, sys; sys.path += os.environ['BESIDE'].split(os.pathsep); sys.argv[:1] = []; "
RUN += "runpy.run_module('tests.envs.trajectory', run_name='__main__')"


class Hashes:
    """What the helper process holds."""

    def slots(self) -> str:
        return trajectory.of_slots(trajectory.short("arterial", 120))

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def here() -> dict[str, str]:
    return trajectory.all_hashes()


def test_the_same_seed_repeats_and_another_does_not(here: dict[str, str]) -> None:
    scenario = trajectory.short("arterial", 120)
    assert trajectory.of_slots(scenario) == here["slots"]
    assert trajectory.of_slots(scenario, seed=12) != here["slots"]


def test_a_worker_process_gives_the_identical_trajectory(here: dict[str, str]) -> None:
    worker = Helper("worker of a test", Hashes)
    try:
        assert worker.call("slots") == here["slots"]
    finally:
        worker.close()


@pytest.mark.timeout(120)
def test_the_oldest_gymnasium_passes_the_checkers_and_gives_the_identical_trajectory(
    here: dict[str, str],
) -> None:
    python = foreign_python("gymnasium")
    beside = os.pathsep.join([str(ROOT), *(entry for entry in sys.path if entry)])
    done = subprocess.run(
        [str(python), "-c", RUN],
        cwd=ROOT,
        env={**os.environ, "BESIDE": beside},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer.pop("gymnasium") == "1.2.2"
    assert answer == here
