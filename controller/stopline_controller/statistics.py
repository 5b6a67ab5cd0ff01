"""Counters and latencies of the control loop; the hot path only counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

SAMPLES = 50_000


def _ring() -> deque[float]:
    return deque(maxlen=SAMPLES)


@dataclass(slots=True)
class Statistics:
    """What happened since the start; latencies in milliseconds, the newest SAMPLES of each."""

    decisions_audited: int = 0
    plans_accepted: int = 0
    plans_refused: int = 0
    ticks: int = 0
    late_ticks: int = 0
    guard_interventions: int = 0
    decision_ms: deque[float] = field(default_factory=_ring)
    """From the cabinet's read-back to the guarded decision."""
    command_ms: deque[float] = field(default_factory=_ring)
    """From the decision to the cabinet's acceptance."""
    lateness_ms: deque[float] = field(default_factory=_ring)
    """How late ticks began."""


def percentile(samples: Sequence[float], share: float) -> float:
    """The sample below which `share` of the samples lie (nearest rank); 0 when there are none."""
    ordered = sorted(samples)
    if not ordered:
        return 0.0
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
