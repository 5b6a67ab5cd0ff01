"""Counters and latencies of the control loop; the hot path only counts."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

SAMPLES = 10_000
BOUNDS_MS = (0.05, 0.1, 0.2, 0.4, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
"""Upper bounds of the histogram's buckets, milliseconds."""


class Latency:
    """Times in milliseconds: the newest SAMPLES of them, and all of them counted in buckets."""

    __slots__ = ("buckets", "count", "samples", "total")

    def __init__(self) -> None:
        self.samples: deque[float] = deque(maxlen=SAMPLES)
        self.buckets = [0] * (len(BOUNDS_MS) + 1)
        """Times up to each bound and over the one before; the last has those over all bounds."""
        self.count = 0
        self.total = 0.0

    def add(self, milliseconds: float) -> None:
        """Take one time in."""
        self.samples.append(milliseconds)
        self.buckets[bisect_left(BOUNDS_MS, milliseconds)] += 1
        self.count += 1
        self.total += milliseconds

    def percentile(self, share: float) -> float:
        """The time below which `share` of the newest lie (nearest rank); 0 when there are none."""
        return percentile(list(self.samples), share)


@dataclass(slots=True)
class Statistics:
    """What happened since the start."""

    decisions_audited: int = 0
    plans_accepted: int = 0
    plans_refused: int = 0
    ticks: int = 0
    late_ticks: int = 0
    """Ticks that began more than one period late, or were left out because the one before took so long."""
    interventions: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Requests the guard changed, by source and reason."""
    decision: Latency = field(default_factory=Latency)
    """From the cabinet's read-back to the guarded decision."""
    command: Latency = field(default_factory=Latency)
    """From the decision to the cabinet's acceptance."""
    lateness: Latency = field(default_factory=Latency)
    """How late ticks began."""
    slot: Latency = field(default_factory=Latency)
    """From a slot's due time to its last junction's tick done."""
    read: Latency = field(default_factory=Latency)
    """One read of a cabinet there and back."""
    write: Latency = field(default_factory=Latency)
    """One plan to a cabinet and its answer back."""
    pause: Latency = field(default_factory=Latency)
    """How long garbage collections stopped everything."""

    @property
    def guard_interventions(self) -> int:
        """Requests the guard changed."""
        return self.interventions.total()


def percentile(samples: Sequence[float], share: float) -> float:
    """The sample below which `share` of the samples lie (nearest rank); 0 when there are none."""
    ordered = sorted(samples)
    if not ordered:
        return 0.0
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
