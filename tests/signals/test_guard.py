"""The guard grants what is legal, changes little when it must, and lets nobody starve."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from stopline_signals import KEEP, Aspect, Engine, Guard, Reason, SignalPlan
from tests.signals.plans_for_tests import EAST, four_groups, random_plans


def test_a_legal_request_passes_untouched() -> None:
    engine = Engine(four_groups())
    guard = Guard(engine)
    state = engine.advance(engine.start(0), KEEP, 0, 400).state
    assert guard.decide(state, 1) == (1, None)
    assert guard.decide(state, KEEP) == (0, None)


def test_an_early_request_stays_with_the_reason() -> None:
    engine = Engine(four_groups())
    guard = Guard(engine)
    state = engine.advance(engine.start(0), KEEP, 0, 35).state
    assert guard.decide(state, 1) == (0, Reason.MINIMUM)
    running = engine.advance(engine.advance(state, KEEP, 0, 400).state, 1, 0, 410).state
    assert guard.decide(running, 0) == (1, Reason.IN_TRANSITION)
    assert guard.decide(running, 99).reason is Reason.UNKNOWN_STAGE


def test_a_call_past_its_limit_is_served_against_any_request() -> None:
    plan = four_groups()
    engine = Engine(plan)
    guard = Guard(engine)
    state = engine.start(0)
    reasons: set[Reason | None] = set()
    while state.aspects[EAST] == 0:
        verdict = guard.decide(state, 0)
        state = engine.advance(state, verdict.stage, 1 << EAST, state.now + 10).state
        assert state.now <= plan.groups[EAST].max_red + 10
        reasons.add(verdict.reason)
    assert Reason.MAX_RED in reasons


def test_grace_lets_an_emergency_keep_others_waiting_longer_but_not_for_ever() -> None:
    plan = four_groups()
    engine = Engine(plan)
    guard = Guard(engine)
    state = engine.start(0)
    while guard.decide(state, 0, grace=600).stage == 0:
        state = engine.advance(state, 0, 1 << EAST, state.now + 10).state
    waited = state.now - state.waiting_since[EAST]
    assert plan.groups[EAST].max_red < waited <= plan.groups[EAST].max_red + 600
    assert guard.decide(state, 0).reason is Reason.MAX_RED


@settings(max_examples=80, deadline=None)
@given(plan=random_plans(), seed=st.integers(0, 2**32 - 1))
def test_every_called_group_is_served_in_bounded_time(plan: SignalPlan, seed: int) -> None:
    """With every group calling all the time and a hostile source, no wait exceeds the bound."""
    engine = Engine(plan)
    guard = Guard(engine)
    served = sum(1 << g for g in range(len(plan.groups)) if plan.stages_serving(g))
    longest = max(
        engine.worst_transition(a, b) for a in range(len(plan.stages)) for b in range(len(plan.stages))
    )
    round_trip = len(plan.groups) * (
        longest + max(g.minimum + g.change for g in plan.groups) + plan.red_revert + 2
    )
    state = engine.start(0)
    while state.now < 5000:
        seed = (seed * 1103515245 + 12345) % 2**31
        verdict = guard.decide(state, (seed >> 8) % (len(plan.stages) + 1))
        state = engine.advance(state, verdict.stage, served, state.now + 7).state
        for group, since in enumerate(state.waiting_since):
            assert since < 0 or state.now - since <= plan.groups[group].max_red + round_trip


@settings(max_examples=80, deadline=None)
@given(plan=random_plans(), seed=st.integers(0, 2**32 - 1))
def test_an_illegal_request_is_replaced_by_the_least_change(plan: SignalPlan, seed: int) -> None:
    """The stage in force if it may stay, else the legal one that changes the fewest groups, ties by index."""
    engine, chance = Engine(plan), random.Random(seed)
    guard, state = Guard(engine), engine.start(0)
    for _ in range(60):
        asked, grace = chance.randrange(-3, len(plan.stages) + 3), chance.choice((0, 0, 300))
        allowed, verdict = guard.allowed(state, grace), guard.decide(state, asked, grace)
        wanted = state.stage if asked == KEEP else asked
        if 0 <= wanted < len(plan.stages) and allowed >> wanted & 1:
            assert verdict == (wanted, None)
        elif wanted != engine.all_red:
            assert verdict.reason is not None
            if allowed >> state.stage & 1 or not allowed:
                assert verdict.stage == state.stage
            else:
                lit = {group for group, aspect in enumerate(state.aspects) if aspect >= Aspect.PERMISSIVE}
                legal = [stage for stage in range(len(plan.stages)) if allowed >> stage & 1]
                changes = [len(lit ^ set(plan.stages[stage].groups)) for stage in legal]
                assert verdict.stage == legal[changes.index(min(changes))]
        calls = chance.getrandbits(len(plan.groups))
        state = engine.advance(state, verdict.stage, calls, state.now + chance.randrange(1, 80)).state
