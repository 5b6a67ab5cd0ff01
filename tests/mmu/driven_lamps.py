"""Lamps of whole junctions under engine and guard, tenth by tenth, for the monitor to judge."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stopline_mmu import Card, Monitor
from stopline_signals import KEEP, Engine, Guard, SignalPlan, Stage
from tests.signals.dual_ring_card import eight_phase_card
from tests.signals.irregular import CROOKED
from tests.signals.irregular_card import card_of
from tests.signals.irregular_plan import plan_of
from tests.signals.plans_for_tests import eight_phases

Row = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A junction: its plan, and a card that was not made from the plan."""

    name: str
    plan: SignalPlan
    card: Card


def places() -> tuple[Place, ...]:
    """The dual ring, and crooked junctions of three to six arms."""
    crooked = [Place(f"{len(one.arms)} arms", plan_of(one), card_of(one)) for one in CROOKED]
    ring = eight_phases()
    without_arrows = Stage("2+6, no arrows", (1, 5, 8, 10))
    ring = replace(ring, stages=(*ring.stages, without_arrows), rings=())
    return (Place("dual ring", ring, eight_phase_card()), *crooked)


def driven(plan: SignalPlan, tenths: int, seed: int = 1) -> list[Row]:
    """The lamps of each tenth under random requests and calls, quick ones at first and then patient ones."""
    rng, engine = random.Random(seed), Engine(plan)
    guard, state, rows = Guard(engine), engine.start(0), list[Row]()
    request = calls = 0
    for now in range(tenths):
        if rng.random() < (0.03 if now < tenths / 2 else 0.004):
            request, calls = rng.randrange(-1, len(plan.stages) + 2), rng.getrandbits(len(plan.groups))
        rows.append(state.aspects)
        state = engine.advance(state, guard.decide(state, request).stage, calls, now + 1).state
    return rows


def from_to(plan: SignalPlan, stage: int, to: int) -> list[Row]:
    """The lamps of one change of stage, from all red to long after it."""
    engine = Engine(plan)
    state, rows = engine.start(0, stage), list[Row]()
    everybody = (1 << len(plan.groups)) - 1
    while state.now < 1500:
        rows.append(state.aspects)
        ask = KEEP if state.now < 500 else to
        state = engine.advance(state, ask, everybody if state.now < 500 else 0, state.now + 1).state
    return rows


def judged(card: Card, rows: Sequence[Sequence[int]], start: int = 0) -> Monitor:
    """The monitor after it saw one row each tenth."""
    monitor = Monitor(card)
    for time, row in enumerate(rows, start):
        monitor.observe(time, row)
    return monitor
