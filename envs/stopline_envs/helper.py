"""A helper process that holds one object and does what it is told, one method call at a time.

SUMO can end a process without a word to Python. The helper's output goes to a log, and a helper that dies is
reported with the end of that log instead of being waited for.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from stopline_signals.errors import SimulationError

POLL_S = 1.0
STOP_S = 5.0
LOG_TAIL = 30


class _Failed(NamedTuple):
    """What a helper sends instead of an answer."""

    message: str


class Helper:
    """The near end of a helper process that holds `make(*arguments)`; both must be picklable."""

    def __init__(self, name: str, make: Callable[..., Any], *arguments: Any) -> None:
        """Start the process; the object is made in it by the first call."""
        self.name = name
        handle, log = tempfile.mkstemp(prefix=f"stopline-{name.replace(' ', '-')}-", suffix=".log")
        os.close(handle)
        self._log = Path(log)
        self._closed = False
        # Not fork: the parent may hold a simulation, threads and torch.
        context = multiprocessing.get_context("spawn")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=_serve, args=(far, make, arguments, log), daemon=True)
        self._process.start()
        far.close()

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._process.pid

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the object and wait for its answer."""
        self.send(method, *arguments)
        return self.receive()

    def send(self, method: str, *arguments: Any) -> None:
        """Start a call; SimulationError when the helper is gone."""
        try:
            self._pipe.send((method, arguments))
        except OSError as error:
            raise self._gone() from error

    def receive(self) -> Any:
        """The answer of the oldest call; SimulationError with the log's end if the helper failed or died."""
        try:
            while not self._pipe.poll(POLL_S):
                if not self._process.is_alive() and not self._pipe.poll(0):
                    raise self._gone()
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._gone() from error
        if isinstance(answer, _Failed):
            raise SimulationError(f"{self.name}: {answer.message}")
        return answer

    def close(self) -> None:
        """Let the process end, then make it; harmless twice."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        self._process.join(STOP_S)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(STOP_S)
        self._pipe.close()
        self._log.unlink(missing_ok=True)

    def _gone(self) -> SimulationError:
        self._process.join(STOP_S)
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.is_file() else ""
        tail = "\n".join(text.splitlines()[-LOG_TAIL:]) or "(its log is empty)"
        return SimulationError(
            f"{self.name} died with exit code {self._process.exitcode}; the end of its log:\n{tail}"
        )


def _serve(pipe: Connection, make: Callable[..., Any], arguments: tuple[Any, ...], log: str) -> None:
    """Far end: runs in the helper process until told to stop or left alone."""
    _write_output_to(log)
    held: Any = None
    try:
        while (order := pipe.recv()) is not None:
            held = make(*arguments) if held is None else held
            method, values = order
            pipe.send(getattr(held, method)(*values))
    except (EOFError, KeyboardInterrupt):
        pass  # the near end is gone
    except Exception as error:
        with contextlib.suppress(OSError):
            pipe.send(_Failed(f"{error}\n{traceback.format_exc(limit=-4)}"))
    finally:
        if held is not None:
            held.close()


def _write_output_to(log: str) -> None:
    """Send this process's output to a file: SUMO writes its last words to the file descriptors themselves."""
    handle = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
