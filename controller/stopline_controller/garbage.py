"""Garbage collection where all that lives is looked through only while it is little, or once memory grows.

Nearly all our objects die by their reference count; only cycles need a collection. Control makes none, gRPC
leaves some with every call and more with every refusal and every stream that ends. A collection looks at
every object of its generation, and the state of 10,000 junctions, made anew at every tick, takes up to a
second to look through. So the interpreter collects nothing by itself. Where junctions are few, everything is
looked through every ten seconds. Where they are many, control itself looks, several times in each of its
slots, through what was made since the last look or two: a call is over by then, and few objects are that
young. What has lived longer is looked through only when memory grows, and control stands still for as long
as that takes.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import structlog

from stopline_controller.statistics import Latency

log = structlog.get_logger(__name__)

MANY = 20
"""Junctions from which on everything is too much: some 14 objects of each are made anew at every tick."""
EVERY = 10
"""Steps between two looks through everything where junctions are few: it takes some milliseconds."""
LONG_MS = 10.0
"""A look through everything that took longer has found too much alive, which is then set aside. That must be
rare: what a call at work just then leaves behind is set aside with it, and never looked at again."""
WARM = 60
"""Steps until memory has its size."""
GROWN = 64 * 2**20
"""Bytes more than then, or than after the last look at everything, that make one due."""
YOUNG, YOUNGISH, ALL = 0, 1, 2
"""Generations: made since the last look, since the last but one, and since the start."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Bytes of memory of this process; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


class GarbageKeeper:
    """Takes collections over from the interpreter; `pauses` (milliseconds) are how long each one took."""

    def __init__(self, pauses: Latency, junctions: int = 1, memory: Callable[[], int] = resident) -> None:
        self._pauses = pauses
        self._many = junctions >= MANY
        self._memory = memory
        self._turns = cycle((YOUNG, YOUNGISH))
        self._steps = 0
        self._usual = 0

    def settle(self) -> None:
        """Clean up once, set everything that lives now aside, and let the interpreter collect no more."""
        gc.collect()
        gc.freeze()
        gc.disable()

    def pulse(self) -> None:
        """Do what is due after a part of control's work; to be called in its thread."""
        if self._many:
            # Who was at work at one look is a generation older at the next, and is looked at once more.
            self._collect(next(self._turns))

    def step(self) -> None:
        """Do what is due now and then; to be called about once a second."""
        self._steps += 1
        if not self._many:
            if self._steps % EVERY == 0 and self._collect(ALL) > LONG_MS:
                gc.freeze()
            return
        memory = self._memory()
        if self._steps <= WARM:
            self._usual = memory
        elif memory > self._usual + GROWN:
            took, grown = self._collect(ALL), memory - self._usual
            self._usual = self._memory()
            log.warning("memory_grew", mebibytes=grown // 2**20, milliseconds=round(took, 1))

    def resume(self) -> None:
        """Give collections back to the interpreter."""
        gc.enable()
        gc.unfreeze()

    def _collect(self, generation: int) -> float:
        began = time.perf_counter()
        gc.collect(generation)
        took = (time.perf_counter() - began) * 1000
        self._pauses.add(took)
        return took
