"""Simulations side by side: SUMO runs once per process, so each task gets a process of a pool."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

Result = TypeVar("Result")


def run_tasks(
    function: Callable[..., Result], tasks: Sequence[tuple[object, ...]], jobs: int
) -> Iterator[tuple[int, Result]]:
    """The number of each task and what the function made of it, as they finish.

    With one job they run here, in order. An error in a task, or in who listens, starts no further ones.
    """
    if jobs <= 1:
        yield from ((number, function(*task)) for number, task in enumerate(tasks))
        return
    # Spawned, not forked: a forked copy of a process that has loaded SUMO or onnxruntime is not safe.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, max(len(tasks), 1)), mp_context=context) as pool:
        try:
            futures = {pool.submit(function, *task): number for number, task in enumerate(tasks)}
            yield from ((futures[future], future.result()) for future in as_completed(futures))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
