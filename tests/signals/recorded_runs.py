"""What engine and guard did on seeded courses of requests; `python -m tests.signals.recorded_runs` records.

Policies are trained on the rule book as it is, so that any change of what it does must be seen and meant.
Each line of a record has the time, the stage and the lamps, and a digest of all that engine and guard answer
at that moment; the words behind a digest are in the message of the test that compares.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from stopline_signals import KEEP, Engine, EngineState, Guard, SignalPlan
from tests.signals.irregular import CROOKED
from tests.signals.irregular_plan import plan_of
from tests.signals.plans_for_tests import eight_phases, four_groups, shared_lanes

FOLDER = Path(__file__).parent / "data" / "recorded"
STEPS = 160
LAMPS = "rygG"


def plans() -> dict[str, SignalPlan]:
    """The junctions that are recorded."""
    impatient = tuple(replace(group, max_red=300) for group in four_groups().groups)
    return {
        "four groups": four_groups(),
        "four groups, impatient": replace(four_groups(), groups=impatient, startup_red=0, red_revert=0),
        "shared lanes": shared_lanes(),
        "eight phases": eight_phases(),
        "five arms": plan_of(CROOKED[2]),
        "six arms": plan_of(CROOKED[3]),
    }


def course(plan: SignalPlan, seed: str) -> Iterator[tuple[str, str]]:
    """One line per step, and the words behind its digest."""
    rng, engine = random.Random(seed), Engine(plan)
    guard, state = Guard(engine), engine.start(rng.randrange(1000), rng.randrange(len(plan.stages)))
    seen: EngineState | None = None
    calls = 0
    for _ in range(STEPS):
        request = rng.choice((KEEP, *range(len(plan.stages) + 1)))
        calls = rng.choice((calls, 0, rng.getrandbits(len(plan.groups)), (1 << len(plan.groups)) - 1))
        until = state.now + rng.choice((0, 1, 2, 7, 30, 90, 250))
        state, events = engine.advance(state, request, calls, until)
        seen = engine.observed(
            state.now,
            state.stage,
            state.aspects,
            previous=None if rng.random() < 0.1 else seen,
            in_transition=state.in_transition,
            calls=calls,
        )
        words = {"request": request, "calls": calls, "state": state, "events": events, "seen": seen}
        words |= _answers(plan, engine, guard, state, calls, request)
        text = "; ".join(f"{key} {_plain(value)}" for key, value in words.items())
        lamps = "".join(LAMPS[aspect] for aspect in state.aspects)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        yield f"{state.now:6} {state.stage:2} {lamps} {digest}", text


def record_of(name: str) -> Path:
    """The file of one junction's record."""
    return FOLDER / f"{name.replace(', ', '_').replace(' ', '_')}.txt"


def _answers(
    plan: SignalPlan, engine: Engine, guard: Guard, state: EngineState, calls: int, request: int
) -> dict[str, Any]:
    stages = range(len(plan.stages) + 1)
    answers: dict[str, Any] = {
        "legal": engine.legal(state),
        "waits": engine.waits(state),
        "earliest": [engine.earliest(state, stage) for stage in stages],
        "takes": [engine.transition_time(state, stage, calls) for stage in stages],
        "quietly": [engine.transition_time(state, stage) for stage in stages],
        "overdue": [engine.most_overdue(state, grace) for grace in (0, 100)],
        "allowed": [guard.allowed(state), guard.allowed(state, 200)],
        "decided": [guard.decide(state, asked) for asked in (request, 99, -2, *stages)],
        "with grace": [guard.decide(state, asked, 150) for asked in stages],
    }
    if plan.program is not None:
        answers["program"] = [engine.program_request(state), engine.program_request(state, calls)]
    return answers


def _plain(value: Any) -> str:
    """Tuples and enumerations without their names, so that renaming a field changes no record."""
    if isinstance(value, (tuple, list)):
        return "(" + " ".join(_plain(item) for item in value) + ")"
    return str(value.value) if hasattr(value, "value") else str(value)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, plan in plans().items():
        lines = [line for line, _ in course(plan, name)]
        record_of(name).write_text("\n".join(lines) + "\n", encoding="utf-8")
