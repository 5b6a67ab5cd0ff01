"""Standing time per vehicle from detectors, under a policy and under the local plan.

How: the vehicles that stand in the near and far zones, summed over time, are vehicle-seconds of standing;
vehicles that enter the near zones are arrivals. Their quotient over a window is the standing time per vehicle
(Little's law). Queues longer than the zones are seen only up to their end, and a vehicle that enters in the
same moment as another leaves is not counted; both hold for either party, and only windows of the same flow
are compared. Windows with a failed detector, a gap, or more than one party in force are thrown away, as is
the first minute after a change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stopline_signals.detectors import DetectorReading
from stopline_signals.plan import DetectorKind, SignalPlan

SETTLE = 600
"""Tenths after a change of party that belong to neither."""
GAP = 6000
"""Tenths without news of a cabinet after which a window is given up; it may be that quiet at night."""
FLOW_STEP = 200.0
"""Vehicles per hour by which windows count as the same flow."""
ENOUGH = 2
"""Windows of one flow under the local plan from which it can be compared with."""
FEWEST = 5
"""Arrivals below which there is no standing time per vehicle."""
CLOSE = 1
"""Steps of flow by which a window may lie beside what it is compared with."""


class Window(NamedTuple):
    """One whole window of one party at one junction."""

    party: str
    seconds: float
    standing_s: float
    """Vehicle-seconds of standing."""
    arrivals: int

    @property
    def flow(self) -> int:
        """Which step of flow it belongs to."""
        return int(self.arrivals * 3600 / self.seconds / FLOW_STEP)


class QueueMeter:
    """Turns one junction's readings into windows; times are the cabinet's own, in tenths."""

    def __init__(self, plan: SignalPlan, window_s: float) -> None:
        self._length = round(window_s * 10)
        zones = [(i, d) for i, d in enumerate(plan.detectors) if d.kind is not DetectorKind.BUTTON]
        self._zones = tuple(index for index, _ in zones)
        self._near = tuple(index for index, zone in zones if zone.kind is DetectorKind.NEAR_ZONE)
        self._party = ""
        self._readings: tuple[DetectorReading, ...] = ()
        self._seen_at = self._begins = 0
        self._summed_to = 0
        self._standing = 0
        self._sum = 0
        self._arrivals = 0

    def stop(self) -> None:
        """Give up the window that is under way: nothing is known of the junction."""
        self._party = ""

    def take(self, party: str, time: int, readings: tuple[DetectorReading, ...]) -> Window | None:
        """Take a reading in; returns the window that it completes, if it does."""
        gap = not 0 <= time - self._seen_at <= GAP
        self._seen_at = time
        if party != self._party or gap:
            self._restart(party, time + SETTLE, readings)
            return None
        if readings is not self._readings and readings != self._readings:
            self._change(time, readings)
        if time - self._begins < self._length:
            return None
        self._add_up_to(time)
        seconds = (time - self._begins) / 10
        made = Window(party, seconds, self._sum / 10, self._arrivals)
        self._restart(party, time, readings)
        return made

    def _change(self, time: int, readings: tuple[DetectorReading, ...]) -> None:
        if not all(readings[index].healthy for index in self._zones):
            self._restart(self._party, time + SETTLE, readings)
            return
        self._add_up_to(time)
        if time >= self._begins:
            before = self._readings
            self._arrivals += sum(
                max(readings[index].vehicles - before[index].vehicles, 0) for index in self._near
            )
        self._set(readings)

    def _restart(self, party: str, begins: int, readings: tuple[DetectorReading, ...]) -> None:
        self._party, self._begins, self._summed_to = party, begins, begins
        self._sum = self._arrivals = 0
        self._set(readings)

    def _set(self, readings: tuple[DetectorReading, ...]) -> None:
        self._readings = readings
        self._standing = sum(readings[index].queued for index in self._zones)

    def _add_up_to(self, time: int) -> None:
        if time > self._summed_to:
            self._sum += self._standing * (time - self._summed_to)
            self._summed_to = time


class Usual(NamedTuple):
    """The means of some windows: standing seconds per vehicle, and vehicles standing."""

    windows: int = 0
    delay_s: float = 0.0
    standing: float = 0.0

    def with_one(self, window: Window) -> Usual:
        """The means with one window more; after many the old ones fade."""
        count = min(self.windows + 1, 50)
        delay_s, standing = window.standing_s / window.arrivals, window.standing_s / window.seconds
        return Usual(
            count,
            self.delay_s + (delay_s - self.delay_s) / count,
            self.standing + (standing - self.standing) / count,
        )


class Baseline:
    """What is usual under the local plan, by junction and flow."""

    def __init__(self, table: Mapping[str, Mapping[str, Sequence[float]]] | None = None) -> None:
        """From nothing, or from what `table` gave."""
        self._usual: dict[str, dict[int, Usual]] = {
            junction: {
                int(flow): Usual(int(row[0]), float(row[1]), float(row[2])) for flow, row in rows.items()
            }
            for junction, rows in (table or {}).items()
        }

    def learn(self, junction: str, window: Window) -> None:
        """Take in a window of the local plan."""
        if window.arrivals >= FEWEST:
            rows = self._usual.setdefault(junction, {})
            rows[window.flow] = rows.get(window.flow, Usual()).with_one(window)

    def expect(self, junction: str, window: Window) -> float | None:
        """Vehicle-seconds of standing that the local plan would have had; None when that is not known.

        Where next to nobody arrives while vehicles stand, the zones are full and nobody can be counted: then
        the flow is not known, and the most that stood under the local plan is what it is compared with.
        """
        known = {f: row for f, row in self._usual.get(junction, {}).items() if row.windows >= ENOUGH}
        if not known:
            return None
        if window.arrivals < FEWEST:
            blocked = window.standing_s > window.seconds
            return max(row.standing for row in known.values()) * window.seconds if blocked else None
        nearest = min(known, key=lambda flow: abs(flow - window.flow))
        return known[nearest].delay_s * window.arrivals if abs(nearest - window.flow) <= CLOSE else None

    def table(self) -> dict[str, dict[str, list[float]]]:
        """What there is, to be kept; may be called while another thread learns."""
        # Copies, since the first window of a junction or of a flow may come in meanwhile.
        return {
            junction: {str(flow): list(usual) for flow, usual in sorted(rows.copy().items())}
            for junction, rows in self._usual.copy().items()
        }


class Comparison(NamedTuple):
    """A policy's windows against the local plan's usual: vehicle-seconds over the same arrivals."""

    windows: int = 0
    standing_s: float = 0.0
    expected_s: float = 0.0
    arrivals: int = 0

    @property
    def delay_s(self) -> float:
        """Standing time per vehicle."""
        return self.standing_s / self.arrivals if self.arrivals else 0.0

    @property
    def local_delay_s(self) -> float:
        """The same under the local plan."""
        return self.expected_s / self.arrivals if self.arrivals else 0.0
