"""Plans with the timing of published benchmarks, for comparison only."""

from __future__ import annotations

from dataclasses import dataclass, replace

from stopline_signals.plan import NO_CONFLICT, GroupKind, SignalGroup, SignalPlan
from stopline_signals.timing import tenths


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkTiming:
    """Timing that a benchmark uses at every signal, whatever its geometry; seconds.

    The default is RESCO's: yellow 3 s and nothing after it, greens of at least 7 s.
    """

    yellow: float = 3.0
    all_red: float = 0.0
    min_green: float = 7.0


def benchmark_plan(plan: SignalPlan, timing: BenchmarkTiming) -> SignalPlan:
    """The plan under a benchmark's timing, flagged `benchmark_only`: the controller refuses it.

    Pedestrian groups keep their times.
    """
    groups = tuple(_timed(group, timing) for group in plan.groups)
    between = tenths(timing.yellow + timing.all_red)
    matrix = tuple(
        tuple(
            value
            if value == NO_CONFLICT or plan.groups[i].kind is GroupKind.PEDESTRIAN
            else max(between, groups[i].change)
            for value in row
        )
        for i, row in enumerate(plan.intergreen)
    )
    return replace(
        plan,
        groups=groups,
        intergreen=matrix,
        paths=(),
        red_revert=0,
        benchmark_only=True,
        source=f"{plan.source}, benchmark timing",
    )


def _timed(group: SignalGroup, timing: BenchmarkTiming) -> SignalGroup:
    if group.kind is GroupKind.PEDESTRIAN:
        return group
    return replace(group, yellow=tenths(timing.yellow), min_green=tenths(timing.min_green))
