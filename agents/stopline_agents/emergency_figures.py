"""The figures of one run with emergency vehicles, against the same traffic without priority."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stopline_agents.emergency import ArmOutcome

BEFORE_S, AFTER_S = 60, 300
"""Around each crossing, the time in which side effects are counted."""
NEAR_FREE = 1.15
"""A travel time of at most so many times the free one counts as near it."""
SAVED = 0.7
USUAL = 1.1
"""Others' loss over one cycle of at most so many times that without priority counts as back to usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFigures:
    """One run of one arm. Loss is travel time beyond the free one, means are over vehicles or crossings.

    `near_free` is the share of vehicles within `NEAR_FREE` of the free travel time, `reached` of those that
    are, or that have `SAVED` of their loss gone. `side_s` is what others lost (veh s) at the crossed
    junctions from `BEFORE_S` before to `AFTER_S` after each crossing, `others_delay_s` everybody's mean delay
    but the emergency vehicles'; `base_*` the same without priority. `movements` is the added standing time
    (veh s) per crossing and movement. `served_cycles` and `usual_cycles` say how long a junction took to
    serve all who waited at the crossing, and until others lost no more than usual.
    """

    vehicles: int
    near_free: float
    reached: float
    travel_ratio: float
    loss_s: float
    base_loss_s: float
    signals: int
    without_stop: int
    green_lead_s: float
    crossings: int
    side_s: float
    base_side_s: float
    others_delay_s: float
    base_others_delay_s: float
    served_cycles: float
    usual_cycles: float
    recovered: float
    """Share of crossings after which both took at most two cycles."""
    movements: Mapping[str, float]
    violations: int


def compared(outcome: ArmOutcome, base: ArmOutcome, free_s: Sequence[float]) -> ArmFigures:
    """Figures of one run against the same traffic without priority.

    A vehicle that never got in, or had not arrived by the end, counts as not reached.
    """
    pairs = list(zip(outcome.trips, base.trips, free_s, strict=False))
    ratios = [trip.travel_time_s / free for trip, _, free in pairs]
    losses = [trip.travel_time_s - free for trip, _, free in pairs]
    without = [trip.travel_time_s - free for _, trip, free in pairs]
    near = [t.arrived and ratio <= NEAR_FREE for (t, _, _), ratio in zip(pairs, ratios, strict=True)]
    reached = [
        close or (trip.arrived and loss <= (1 - SAVED) * usual)
        for (trip, _, _), close, loss, usual in zip(pairs, near, losses, without, strict=True)
    ]
    window = _around(outcome)
    served = [one.served_cycles for one in outcome.crossings]
    usual = _usual(outcome, base)
    return ArmFigures(
        vehicles=len(pairs),
        near_free=sum(near) / max(len(free_s), 1),
        reached=sum(reached) / max(len(free_s), 1),
        travel_ratio=_mean(ratios),
        loss_s=_mean(losses),
        base_loss_s=_mean(without),
        signals=sum(trip.signals for trip in outcome.trips),
        without_stop=sum(trip.crossed_without_stop for trip in outcome.trips),
        green_lead_s=_mean([one.green_s for one in outcome.crossings]),
        crossings=len(outcome.crossings),
        side_s=float(outcome.lost[window].sum()),
        base_side_s=float(base.lost[window].sum()),
        others_delay_s=_others_delay(outcome),
        base_others_delay_s=_others_delay(base),
        served_cycles=_mean([cycles for cycles in served if cycles >= 0]),
        usual_cycles=_mean(usual),
        recovered=_mean([0 <= a <= 2 and b <= 2 for a, b in zip(served, usual, strict=True)]),
        movements=_movements(outcome, base),
        violations=outcome.violations,
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def _others_delay(outcome: ArmOutcome) -> float:
    """Mean delay of all but the emergency vehicles, s."""
    metrics, trips = outcome.metrics, outcome.trips
    own = sum(trip.time_loss_s for trip in trips)
    return (metrics.delay_s * metrics.vehicles - own) / max(metrics.vehicles - len(trips), 1)


def _around(outcome: ArmOutcome) -> npt.NDArray[np.bool_]:
    """Which (second, junction) lie around a crossing."""
    window = np.zeros(outcome.lost.shape, np.bool_)
    for one in outcome.crossings:
        window[max(0, one.second - BEFORE_S) : one.second + AFTER_S, one.junction] = True
    return window


def _usual(outcome: ArmOutcome, base: ArmOutcome) -> list[float]:
    """Per crossing the cycles until others lose no more than usual over one; never: the run's rest."""
    found: list[float] = []
    for one in outcome.crossings:
        cycle = round(outcome.cycles_s[one.junction])
        after, usual = (run.lost[one.second :, one.junction] for run in (outcome, base))
        window = np.ones(cycle) / cycle
        if len(after) <= cycle:
            found.append(0.0)  # The run ends with the crossing: nothing to judge.
            continue
        back = np.convolve(after, window, "valid") <= USUAL * np.convolve(usual, window, "valid") + 1.0
        found.append((int(np.argmax(back)) if back.any() else len(after)) / cycle)
    return found


def _movements(outcome: ArmOutcome, base: ArmOutcome) -> dict[str, float]:
    """Added standing time per crossing of every movement of a crossed junction, veh s."""
    added: dict[str, list[float]] = {}
    names = list(outcome.standing)
    junctions = {name: name.partition(" ")[0] for name in names}
    places = {junction: place for place, junction in enumerate(dict.fromkeys(junctions.values()))}
    for one in outcome.crossings:
        span = slice(max(0, one.second - BEFORE_S), one.second + AFTER_S)
        for name in names:
            if places[junctions[name]] == one.junction:
                difference = outcome.standing[name][span].sum() - base.standing[name][span].sum()
                added.setdefault(name, []).append(float(difference))
    return {name: _mean(values) for name, values in added.items()}
