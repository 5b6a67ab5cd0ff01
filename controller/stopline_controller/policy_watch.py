"""What one policy does while it decides, and whether it passed a limit that takes it out of charge."""

from __future__ import annotations

import statistics
from collections import deque
from typing import NamedTuple

from stopline_controller.queue_delay import Comparison, Window

RECENT = 200
"""Decisions that count for the limits on interventions and failures."""
BATCHES = 50
"""Batches whose median time counts."""
ENOUGH_DECISIONS = 50
ENOUGH_BATCHES = 20
LEAST_DELAY_S = 2.0
"""Standing time per vehicle that a policy may cost more than the local plan, whatever the share."""


class Limits(NamedTuple):
    """Beyond which a policy is taken out of charge."""

    interventions: float = 0.1
    """Share of its recent decisions that the guard changed."""
    failures: int = 3
    """Recent decisions it did not make."""
    batch_ms: float = 25.0
    """Median time of a batch of decisions."""
    delay: float = 0.25
    """Share by which standing time per vehicle is longer than under the local plan."""
    delay_windows: int = 6
    """Windows per junction that count for it."""


class Watch:
    """Figures and limits of one policy since it was put in charge."""

    def __init__(self, limits: Limits, junctions: int) -> None:
        self.decisions = 0
        self.interventions = 0
        self.failures = 0
        self._limits = limits
        self._changed: deque[bool] = deque(maxlen=RECENT)
        self._failed: deque[bool] = deque(maxlen=RECENT)
        self._batch_ms: deque[float] = deque(maxlen=BATCHES)
        self._windows: deque[tuple[Window, float]] = deque(maxlen=limits.delay_windows * junctions)

    def batch(self, milliseconds: float, decisions: int, failures: int) -> None:
        """Note a batch of decisions."""
        self.decisions += decisions
        self.failures += failures
        self._batch_ms.append(milliseconds)
        self._failed.extend(index < failures for index in range(decisions))

    def ruled(self, changed: bool) -> None:
        """Note what the guard made of a decision that was in force."""
        self.interventions += changed
        self._changed.append(changed)

    def window(self, window: Window, expected_s: float) -> None:
        """Note a window of traffic, and the standing time it would have had under the local plan."""
        self._windows.append((window, expected_s))

    @property
    def batch_ms(self) -> float:
        """Median time of the latest batches."""
        return statistics.median(self._batch_ms) if self._batch_ms else 0.0

    @property
    def traffic(self) -> Comparison:
        """The latest windows against the local plan."""
        return Comparison(
            len(self._windows),
            sum(window.standing_s for window, _ in self._windows),
            sum(expected for _, expected in self._windows),
            sum(window.arrivals for window, _ in self._windows),
        )

    @property
    def failing(self) -> bool:
        """Whether it failed to decide as often as it may not."""
        return sum(self._failed) >= self._limits.failures

    def objection(self) -> str:
        """Why the policy has to go; empty while it keeps its limits."""
        limits, changed = self._limits, sum(self._changed)
        if self.failing:
            return f"{sum(self._failed)} of its last {len(self._failed)} decisions failed"
        if len(self._changed) >= ENOUGH_DECISIONS and changed > limits.interventions * len(self._changed):
            share = changed / len(self._changed)
            return f"the guard changed {share:.0%} of its decisions, over {limits.interventions:.0%}"
        if len(self._batch_ms) >= ENOUGH_BATCHES and self.batch_ms > limits.batch_ms:
            return f"a batch of its decisions takes {self.batch_ms:.0f} ms, over {limits.batch_ms:g} ms"
        return self._slower_than_local()

    def _slower_than_local(self) -> str:
        if len(self._windows) < self._limits.delay_windows:
            return ""
        found = self.traffic
        worse = found.standing_s - found.expected_s
        allowed = max(self._limits.delay * found.expected_s, LEAST_DELAY_S * found.arrivals)
        if worse <= allowed:
            return ""
        times = found.standing_s / max(found.expected_s, 1)
        return f"vehicles stand {times:.1f} times as long as under the local plan ({found.windows} windows)"
