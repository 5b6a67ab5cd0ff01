"""The asynchronous services of the process: what happens when one of them ends though nobody asked it to.

Each has a rule: it is begun again, after a growing delay and with an alarm, or its end is the end of the
process, which then hands everything back. Nothing limps on unnoticed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog

from stopline_controller.alarms import Alarms
from stopline_signals.errors import StoplineError

log = structlog.get_logger(__name__)

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0
STEADY_S = 10.0
"""Real seconds a service has to run for its last failure to be forgotten."""


class Rule(StrEnum):
    """What the unexpected end of a service means."""

    RESTART = "begin again"
    END = "end the process"


class ServiceFailed(StoplineError):
    """A service whose end is the end of the process; the cause is attached."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service: `run` goes on until it is cancelled."""

    name: str
    run: Callable[[], Awaitable[object]]
    rule: Rule


class Supervisor:
    """Runs services side by side, each by its rule."""

    def __init__(
        self, services: Sequence[Service], alarms: Alarms, *, first_delay: float = FIRST_DELAY_S
    ) -> None:
        """`first_delay` in real seconds before a service is begun again; doubles with every failure."""
        self._services = tuple(services)
        self._alarms = alarms
        self._first_delay = first_delay

    async def run(self, stop: asyncio.Event) -> None:
        """Run them until `stop` is set; ServiceFailed when one ended whose rule is END."""
        stopping: asyncio.Task[Any] = asyncio.create_task(stop.wait())
        tasks: list[asyncio.Task[None]] = [
            asyncio.create_task(self._keep(service), name=service.name) for service in self._services
        ]
        try:
            await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in (stopping, *tasks):
                task.cancel()
            await asyncio.gather(stopping, *tasks, return_exceptions=True)

    async def _keep(self, service: Service) -> None:
        delay = self._first_delay
        while True:
            began = time.monotonic()
            watching = asyncio.create_task(self._forget_failure(service))
            try:
                await service.run()
                problem: Exception = RuntimeError("ended though nobody asked it to")
            except Exception as error:  # whatever it is, it must not pass unnoticed
                problem = error
            finally:
                watching.cancel()
            if service.rule is Rule.END:
                raise ServiceFailed(f"{service.name} failed: {problem!r}") from problem
            if time.monotonic() - began >= STEADY_S:
                delay = self._first_delay
            log.error("service_failed", service=service.name, again_in_s=delay, exc_info=problem)
            self._alarms.set(_alarm(service), f"{service.name} failed and is begun again: {problem!r}")
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY_S)

    async def _forget_failure(self, service: Service) -> None:
        await asyncio.sleep(min(STEADY_S, 10 * self._first_delay))
        self._alarms.set(_alarm(service), "")


def _alarm(service: Service) -> str:
    return f"service {service.name}"
