"""What a policy may know of a junction: the same record from the simulator and from the kerb."""

from __future__ import annotations

from typing import NamedTuple

from stopline_signals.detectors import DetectorReading
from stopline_signals.engine import EngineState
from stopline_signals.plan import SignalPlan


class JunctionView(NamedTuple):
    """One junction at the moment of a decision."""

    plan: SignalPlan
    state: EngineState
    readings: tuple[DetectorReading, ...]
    """Aligned with ``plan.detectors``."""
    allowed: int
    """Bit s is set when stage s may be chosen now; the stage in force is included."""
    time_s: float
    """Seconds on the clock that fixed programs are written in."""
