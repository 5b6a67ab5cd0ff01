"""Garbage collection without surprises: none of it while control runs, unless something piles up.

A full collection with the state of 10,000 junctions stops everything for tens of milliseconds. Nearly all our
objects die by their reference count; only cycles are left over, and they are counted.
"""

from __future__ import annotations

import gc
import time

import structlog

from stopline_controller.statistics import Latency

log = structlog.get_logger(__name__)

PILE = 50_000
"""Objects more than after the last collection that make the next one due."""


class GarbageKeeper:
    """Takes collections over from the interpreter; `pauses` (milliseconds) are how long each one took."""

    def __init__(self, pauses: Latency, pile: int = PILE) -> None:
        self._pauses = pauses
        self._pile = pile

    def settle(self) -> None:
        """Clean up once, set everything that lives now aside, and collect no more by itself."""
        gc.collect()
        gc.freeze()
        gc.disable()

    def step(self) -> bool:
        """Collect if objects have piled up; whether it did. To be called about once a second."""
        # Counted by the interpreter: made less freed since the last collection.
        if gc.get_count()[0] < self._pile:
            return False
        began = time.perf_counter()
        gc.collect()
        took = (time.perf_counter() - began) * 1000
        self._pauses.add(took)
        log.info("garbage_collected", milliseconds=round(took, 2))
        return True

    def resume(self) -> None:
        """Give collections back to the interpreter."""
        gc.enable()
        gc.unfreeze()
