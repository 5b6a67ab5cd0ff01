"""Structured logs: JSON lines for machines, aligned text for a person at a terminal."""

from __future__ import annotations

import contextlib
from typing import TextIO

import structlog


def configure_logs(stream: TextIO, *, as_json: bool | None = None) -> None:
    """Send all logs to `stream`; `as_json` None means JSON unless it is a terminal."""
    machine = not stream.isatty() if as_json is None else as_json
    # Plain tracebacks: the pretty ones print every variable, and take longer than a cabinet waits.
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if machine
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    tracebacks = [structlog.processors.format_exc_info] if machine else []
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *tracebacks,
            renderer,
        ],
        logger_factory=structlog.WriteLoggerFactory(_Unfailing(stream)),  # type: ignore[arg-type]  # it writes and flushes, which is all that is used
    )


class _Unfailing:
    """A stream that never raises: a full disk under the log must not stop control."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()
