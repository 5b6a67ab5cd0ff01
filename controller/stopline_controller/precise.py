"""The event loop of the control thread: timers to the microsecond, and real-time scheduling where allowed.

asyncio waits in `epoll`, whose timeouts are whole milliseconds; ten ticks a second on the dot need better.
"""

from __future__ import annotations

import asyncio
import os
import select
import selectors

import structlog

log = structlog.get_logger(__name__)

PRIORITY = 10
"""SCHED_FIFO priority asked for: above everything ordinary, below the kernel's own threads."""
_LARGEST_FD = 1024
"""`select` takes no descriptor from here on."""


class PreciseSelector(selectors.EpollSelector):
    """An epoll selector whose timeouts are as fine as the kernel's timers."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait like `EpollSelector.select`; the epoll descriptor itself is what the fine wait waits for."""
        if timeout is not None and timeout > 0 and self.fileno() < _LARGEST_FD:
            select.select((self.fileno(),), (), (), timeout)
            timeout = 0
        return super().select(timeout)


def control_event_loop() -> asyncio.AbstractEventLoop:
    """A fresh event loop with precise timers."""
    return asyncio.SelectorEventLoop(PreciseSelector())


def schedule_real_time(priority: int = PRIORITY) -> bool:
    """Ask for SCHED_FIFO for the calling thread; False, said once in the log, where that is not allowed."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        remedy = "let the service use it (LimitRTPRIO= of its unit), or set control.real_time = false"
        log.warning("control_thread_not_real_time", error=str(error), remedy=remedy)
        return False
    return True
