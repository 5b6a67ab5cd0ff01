"""Whole episodes in SUMO under random legal stages: `python -m tests.proofs.episodes`.

RESCO's eight maps, SUMO's `fkk_in`, and this project's networks with pedestrians and push buttons run from
begin to end, with decisions every 5 s and every second. Each signal's monitor, programmed from the network's
right of way and not from the plan, judges what SUMO itself says it shows. One violation breaks the claim; so
does an episode in which lamps, vehicles or, where there are buttons, pedestrians did not move. CI runs the
first minutes of each, in tests/envs/test_network_run.py.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stopline_envs.network import NetworkRun
from stopline_envs.scenario import load_scenario
from stopline_signals.plan import Aspect, DetectorKind, GroupKind, SignalPlan
from tests.proofs._result import Stopwatch, write_result

MAPS = (
    *("cologne1", "cologne3", "cologne8", "ingolstadt1", "ingolstadt7", "ingolstadt21"),
    *("grid4x4", "arterial4x4", "fkk_in", "single", "arterial"),
)
INTERVALS = (5, 1)


def episode(name: str, interval: int, seed: int) -> dict[str, Any]:
    """Run one scenario to its end; what happened, in numbers."""
    run = NetworkRun(load_scenario(name), trips=True)
    rng = random.Random(f"{name} {interval} {seed}")
    count: Counter[str] = Counter()
    walks = [_pedestrians(plan) for plan in run.plans]
    try:
        views = run.reset(seed)
        while not run.done:
            stages = [rng.choice(_stages(view.allowed)) for view in views]
            count["decisions"] += len(stages)
            count["stage changes"] += sum(s != v.state.stage for s, v in zip(stages, views, strict=True))
            before = views
            run.advance(stages, interval)
            views = run.views()
            for was, now, groups in zip(before, views, walks, strict=True):
                count["walks"] += sum(_began(was.state.aspects[g], now.state.aspects[g]) for g in groups)
        rules = Counter(str(rule) for j in run.junctions for rule in j.monitor.counts.elements())
        metrics = run.metrics()
    finally:
        run.close()
    return {
        "scenario": name,
        "interval_s": interval,
        "seed": seed,
        "seconds": run.scenario.duration,
        "signals": len(run.names),
        "decisions": count["decisions"],
        "stage_changes": count["stage changes"],
        "buttons": sum(d.kind is DetectorKind.BUTTON for plan in run.plans for d in plan.detectors),
        "walks": count["walks"],
        "vehicles": metrics.vehicles,
        "finished": metrics.finished,
        "walkers": metrics.walkers,
        "violations": run.violations,
        "rules_broken": dict(rules),
    }


def holds(figures: dict[str, Any]) -> bool:
    """Whether nothing was violated in an episode in which something happened."""
    moved = figures["stage_changes"] > 0 and figures["finished"] > 0
    walked = figures["walks"] > 0 or not (figures["buttons"] and figures["walkers"])
    return bool(figures["violations"] == 0 and moved and walked)


def _pedestrians(plan: SignalPlan) -> tuple[int, ...]:
    return tuple(g for g, group in enumerate(plan.groups) if group.kind is GroupKind.PEDESTRIAN)


def _began(before: int, now: int) -> bool:
    return before < Aspect.PERMISSIVE <= now


def _stages(mask: int) -> list[int]:
    return [stage for stage in range(mask.bit_length()) if mask >> stage & 1]


def _line(figures: dict[str, Any]) -> str:
    verdict = "holds " if holds(figures) else "BROKEN"
    said = f"{figures['decisions']:7} decisions, {figures['stage_changes']:6} changes, "
    said += (
        f"{figures['vehicles']:5} vehicles, {figures['walks']:5} walks, {figures['violations']} violations"
    )
    return (
        f"{verdict} {figures['scenario']:13} {figures['interval_s']} s: {said}{figures['rules_broken'] or ''}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the episodes and say whether the claim holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.episodes", description=__doc__)
    parser.add_argument("maps", nargs="*", default=MAPS, metavar="MAP", help=f"of: {', '.join(MAPS)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures here as well")
    options = parser.parse_args(arguments)
    watch = Stopwatch()
    episodes: list[dict[str, Any]] = []
    for name in options.maps:
        for interval in INTERVALS:
            found = episode(name, interval, options.seed)
            episodes.append(found)
            print(_line(found), flush=True)
    whole = all(holds(found) for found in episodes)
    if options.out is not None:
        write_result(
            options.out, "python -m tests.proofs episodes", watch, {"holds": whole, "episodes": episodes}
        )
    print("no violation in any episode" if whole else "BROKEN: see above")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
