"""Tasks side by side give what they give one after another, and an error starts no further ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stopline_agents.parallel import run_tasks
from stopline_signals.errors import SimulationError


def square(number: int, folder: Path) -> tuple[int, int]:
    (folder / str(number)).touch()
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number * number, os.getpid()


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_task_is_run_once_and_told_by_its_number(jobs: int, tmp_path: Path) -> None:
    found = dict(run_tasks(square, [(n, tmp_path) for n in (3, 1, 2)], jobs))
    assert {number: result for number, (result, _) in found.items()} == {0: 9, 1: 1, 2: 4}
    assert (os.getpid() in {process for _, process in found.values()}) == (jobs == 1)


def die(number: int) -> int:
    if number == 1:
        os._exit(9)
    return number


def not_to_be_sent(number: int) -> object:
    return lambda: number


def test_each_task_has_a_process_of_its_own(tmp_path: Path) -> None:
    found = dict(run_tasks(square, [(n, tmp_path) for n in range(5)], 2))
    assert len({process for _, process in found.values()}) == 5


def test_a_process_that_dies_is_said_and_not_waited_for() -> None:
    with pytest.raises(SimulationError, match="exit code 9"):
        list(run_tasks(die, [(n,) for n in range(4)], 2))


def test_a_result_that_cannot_be_sent_is_an_error() -> None:
    with pytest.raises(SimulationError, match="cannot be told"):
        list(run_tasks(not_to_be_sent, [(1,), (2,)], 2))


def test_with_one_job_the_order_is_kept(tmp_path: Path) -> None:
    assert [number for number, _ in run_tasks(square, [(n, tmp_path) for n in range(5)], 1)] == list(range(5))


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_comes_out_and_starts_no_further_tasks(jobs: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="-1 is negative"):
        list(run_tasks(square, [(n, tmp_path) for n in (-1, *range(200))], jobs))
    assert len(list(tmp_path.iterdir())) < 200
