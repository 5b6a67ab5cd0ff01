"""A day of simulated time at real junctions under random requests: `python -m tests.proofs.street`.

Every signal of every map this project knows (RESCO's eight, SUMO's own, ours) runs engine and guard for 24
hours, a decision each second, as the simulator runs them. Requests are hostile and often illegal, calls come
and go at random, and the conflict monitor, programmed from the network's own right of way and not from the
plan, watches the lamps. There is no traffic: vehicles change nothing of what lamps may show, and with them a
day of all maps takes days. A violation, a group that waits longer than the guard promises, or a stage never
entered breaks the claim.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stopline_envs.junction import SECOND, lamp_letters
from stopline_envs.monitor import LampWatch
from stopline_envs.network import plans_of, watch_of
from stopline_envs.plans import Program
from stopline_envs.scenario import load_scenario
from stopline_signals import KEEP, Engine, Guard, SignalPlan
from tests.proofs._result import Stopwatch, write_result
from tests.proofs.hostile import REQUESTS, Crowd, Day, Waits

SCENARIOS = (
    *("cologne1", "cologne3", "cologne8", "ingolstadt1", "ingolstadt7", "ingolstadt21"),
    *("grid4x4", "arterial4x4", "single", "arterial", "fkk_in", "rilsa1", "rilsa2", "rilsa3", "rilsa4"),
)
MOOD = 600
"""Seconds on average until requests and calls change their manner."""
PERMISSIVE = 2


def live(plan: SignalPlan, program: Program, watch: LampWatch, seconds: int, seed: str) -> Day:
    """Run one junction for so many seconds; `seed` decides everything that is left to chance."""
    rng = random.Random(seed)
    plan = plan.rounded_up(SECOND)
    engine, day, paint = Engine(plan), Day(), _painter(plan, program)
    guard, crowd, waits = Guard(engine), Crowd(rng, len(plan.groups)), Waits(plan, day, SECOND)
    state = engine.start(0)
    shown: tuple[int, ...] = ()
    entered, lit, letters, ask = set[int](), 0, "", REQUESTS["any stage"]
    for second in range(seconds):
        if rng.random() * MOOD < 1:
            ask = rng.choice(tuple(REQUESTS.values()))
            crowd.change_mood()
        crowd.pass_second(lit)
        verdict = guard.decide(state, ask(rng, len(plan.stages)))
        day.refused += verdict.reason is not None
        state = engine.advance(state, verdict.stage, crowd.calls, second * SECOND).state
        if state.aspects is not shown:
            shown, letters = state.aspects, paint(state.aspects)
            lit = sum(1 << g for g, aspect in enumerate(shown) if aspect >= PERMISSIVE)
            day.changes += 1
        if not state.in_transition:
            entered.add(state.stage)
        waits.look(state.now, crowd.calls, lit)
        day.violations += watch.observe(second, letters)
        state = engine.advance(state, KEEP, crowd.calls, state.now + SECOND).state
    waits.finish(state.now)
    day.decisions = seconds
    day.unused = sorted(set(range(len(plan.stages))) - entered)
    return day


def days(
    scenario: str, seconds: int, seed: int, spoil: Callable[[SignalPlan], SignalPlan] = lambda plan: plan
) -> Iterator[tuple[str, Day, LampWatch]]:
    """Every signal of a scenario; `spoil` changes the plans, but not the monitors' cards."""
    plans = plans_of(load_scenario(scenario))
    for signal, plan in plans.plans.items():
        watch = watch_of(plans, signal)
        day = live(spoil(plan), plans.programs[signal], watch, seconds, f"{seed}/{scenario}/{signal}")
        yield signal, day, watch


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all junctions, print a line per map, write the result; return 1 when the claim is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.street")
    parser.add_argument("--out", type=Path, help="write the result here")
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="only this one; repeatable")
    options = parser.parse_args(arguments)
    stopwatch = Stopwatch()
    seconds = round(options.hours * 3600)
    rows = [_row(name, seconds, options.seed) for name in options.scenario or SCENARIOS]
    keys = ("junctions", "decisions", "refused", "lamp_changes", "violations", "served_late", "stages_unused")
    total = {key: sum(row[key] for row in rows) for key in keys}
    holds = not (total["violations"] or total["served_late"] or total["stages_unused"])
    print(f"all: {_said(total)}: {'holds' if holds else 'BROKEN'}")
    if options.out:
        figures = {"holds": holds, "hours": options.hours, "seed": options.seed, **total, "maps": rows}
        write_result(options.out, "python -m tests.proofs street", stopwatch, figures)
    return 0 if holds else 1


def _row(scenario: str, seconds: int, seed: int) -> dict[str, Any]:
    found = list(days(scenario, seconds, seed))
    row: dict[str, Any] = {
        "map": scenario,
        "junctions": len(found),
        "decisions": sum(day.decisions for _, day, _ in found),
        "refused": sum(day.refused for _, day, _ in found),
        "lamp_changes": sum(day.changes for _, day, _ in found),
        "violations": sum(day.violations for _, day, _ in found),
        "served_late": sum(len(day.late) for _, day, _ in found),
        "stages_unused": sum(len(day.unused) for _, day, _ in found),
        "longest_wait_of_promise": round(max(day.longest for _, day, _ in found), 3),
    }
    print(
        f"{scenario}: {_said(row)}, longest wait {row['longest_wait_of_promise']} of the promise", flush=True
    )
    for signal, day, watch in found:
        for problem in (*day.late[:3], *watch.monitor.violations[:3], *day.unused[:3]):
            print(f"  {signal}: {problem}", flush=True)
    return row


def _said(figures: dict[str, Any]) -> str:
    return (
        "{junctions} junctions, {decisions} decisions ({refused} refused), {lamp_changes} lamp changes, "
        "{violations} violations, {served_late} calls served late, {stages_unused} stages never entered"
    ).format(**figures)


def _painter(plan: SignalPlan, program: Program) -> Callable[[tuple[int, ...]], str]:
    """What turns aspects into the letters SUMO would show."""
    own = lamp_letters(plan, program)
    painted: dict[tuple[int, ...], str] = {}

    def paint(aspects: tuple[int, ...]) -> str:
        if aspects not in painted:
            letters = ["r"] * len(program.phases[0].state)
            for group, aspect, letter in zip(plan.groups, aspects, own, strict=True):
                for link in group.links:
                    letters[link] = letter[aspect]
            painted[aspects] = "".join(letters)
        return painted[aspects]

    return paint


if __name__ == "__main__":
    sys.exit(main())
