"""Asking a fleet of devices at a fixed rate, and what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks._table import Figure

PERIOD_S = 0.1

Ask = Callable[[], Awaitable[bool]]
"""Asks one device once; True when it answered."""


@dataclass
class Tally:
    """What came of the requests that were due."""

    due: int = 0
    in_time: int = 0
    latencies: list[float] = field(default_factory=list[float])

    def figures(self, case: str, who: str, cpu: float, *, held: bool) -> Iterator[Figure]:
        """The figures of one client; only ours are held to limits."""
        ordered = sorted(self.latencies) or [float("nan")]
        share = 100 * self.in_time / max(self.due, 1)
        p50, p99 = (1000 * ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
        yield Figure(case, f"{who}: answered within 100 ms, %", share, 100 if held else None, at_least=True)
        yield Figure(case, f"{who}: p50, ms", p50)
        yield Figure(case, f"{who}: p99, ms", p99, 10 if held else None)
        yield Figure(case, f"{who}: share of one core, %", 100 * cpu, 25 if held else None)


async def ask_all(asks: Sequence[Ask], seconds: float) -> tuple[Tally, float]:
    """Ask everybody every period, spread over it; also the CPU time of this process over the clock's."""
    tally = Tally()
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(
        *(
            _ask_on(ask, began + PERIOD_S * (1 + number / len(asks)), seconds, tally)
            for number, ask in enumerate(asks)
        )
    )
    return tally, (time.process_time() - cpu) / (time.perf_counter() - began)


async def _ask_on(ask: Ask, first: float, seconds: float, tally: Tally) -> None:
    for number in range(round(seconds / PERIOD_S)):
        due = first + number * PERIOD_S
        tally.due += 1
        if time.perf_counter() > due + PERIOD_S:
            continue  # the one before took so long that this one was never asked
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        sent = time.perf_counter()
        answered = await ask()
        now = time.perf_counter()
        tally.latencies.append(now - sent)
        tally.in_time += answered and now - due <= PERIOD_S
