"""Simulations side by side, each in a process of its own.

SUMO runs once per process, and not even one after the other is quite the same: a second simulation in one
process now and then takes another way than the first with the same seed and the same lamps (seen on
cologne1; a bare replay by libsumo does it too). A process per task gives the same figures every time.
"""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar, cast

from stopline_signals.errors import SimulationError

Result = TypeVar("Result")

PRELOADED = ["stopline_agents.evaluate"]
"""What the processes have in common, imported once for all of them; no simulation has run there."""


def run_tasks(
    function: Callable[..., Result], tasks: Sequence[tuple[object, ...]], jobs: int
) -> Iterator[tuple[int, Result]]:
    """The number of each task and what the function made of it, as they finish.

    With one job they run here, in order and in one process. An error in a task, or in who listens, starts no
    further ones; a process that dies is a SimulationError.
    """
    if jobs <= 1:
        yield from ((number, function(*task)) for number, task in enumerate(tasks))
        return
    waiting = list(enumerate(tasks))[::-1]
    running: dict[Connection, tuple[int, BaseProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                number, task = waiting.pop()
                pipe, process = _begin(function, task)
                running[pipe] = number, process
            for pipe in cast(list[Connection], wait(list(running))):
                number, process = running.pop(pipe)
                yield number, _result(pipe, process)
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()


def _begin(function: Callable[..., Any], task: tuple[object, ...]) -> tuple[Connection, BaseProcess]:
    # Not forked from here: a copy of a process that has run SUMO or onnxruntime is not safe.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, function, task), daemon=True)
    process.start()
    theirs.close()  # so that the end of the process is the end of the pipe
    return ours, process


def _work(pipe: Connection, function: Callable[..., Any], task: tuple[object, ...]) -> None:
    try:
        answer: tuple[bool, Any] = True, function(*task)
    except Exception as error:
        error.add_note(f"in a process of its own:\n{traceback.format_exc()}")
        answer = False, error
    try:
        pipe.send(answer)
    except Exception as error:  # an error, or a result, that cannot be sent
        pipe.send((False, SimulationError(f"{answer[1]!r} cannot be told: {error}")))


def _result(pipe: Connection, process: BaseProcess) -> Any:
    try:
        well, answer = pipe.recv()
    except EOFError:
        process.join()
        raise SimulationError(
            f"a simulation's process died (exit code {process.exitcode}) before it had a result"
        ) from None
    finally:
        pipe.close()
    process.join()
    if not well:
        raise answer
    return answer
