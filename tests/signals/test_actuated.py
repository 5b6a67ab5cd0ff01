"""Actuated control rests, gaps out, maxes out, obeys force-off and skips what nobody calls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stopline_signals import KEEP, Engine, EngineState, SignalPlan
from stopline_signals.actuated import Actuated, ActuatedMemory, Termination
from stopline_signals.plan import Recall
from tests.signals.plans_for_tests import EAST, LEFT, NORTH, four_groups

NORTH_STAGE, EAST_STAGE, LEFT_STAGE = range(3)


class Street:
    """Drives engine and actuated control together, tick by tick."""

    def __init__(self, plan: SignalPlan, **settings: int) -> None:
        self.engine = Engine(plan)
        self.control = Actuated(plan, **settings)
        self.state: EngineState = self.engine.advance(self.engine.start(0), KEEP, 0, 400).state
        self.memory = ActuatedMemory()
        self.ends: list[tuple[int, Termination]] = []

    def run(self, tenths: int, calls: int, near: int = 0, force_off: int = 0) -> None:
        for _ in range(tenths):
            before = self.state.stage
            decision = self.control.decide(self.memory, self.state, calls, near, force_off)
            self.memory = decision.memory
            self.state = self.engine.advance(self.state, decision.stage, calls, self.state.now + 1).state
            if self.state.stage != before and decision.termination is not None:
                self.ends.append((self.state.now, decision.termination))


def test_green_rests_while_nobody_else_calls() -> None:
    street = Street(four_groups())
    street.run(3000, 1 << NORTH, 1 << NORTH)
    assert street.state.stage == NORTH_STAGE
    assert street.ends == []


def test_gap_out_after_the_passage_time() -> None:
    street = Street(four_groups(), passage=40)
    street.run(20, 1 << EAST, 1 << NORTH)
    street.run(60, 1 << EAST)
    assert street.ends == [(420 + 40, Termination.GAP_OUT)]


def test_traffic_near_extends_only_to_the_maximum() -> None:
    plan = four_groups()
    street = Street(plan)
    street.run(600, 1 << EAST, 1 << NORTH)
    [(ended, why)] = street.ends[:1]
    assert why is Termination.MAX_OUT
    assert ended == pytest.approx(400 + 300 * 1.5, abs=2)


def test_force_off_ends_it_at_once_but_not_the_minimum() -> None:
    street = Street(four_groups())
    street.run(5, 1 << EAST, 1 << NORTH, force_off=1 << NORTH)
    assert street.ends == [(401, Termination.FORCE_OFF)]
    entering = Street(four_groups())
    entering.state = entering.engine.advance(entering.engine.start(0), KEEP, 0, 31).state
    entering.run(60, 1 << EAST, 1 << NORTH, force_off=1 << NORTH)
    assert entering.ends[0][0] >= 30 + 50


def test_uncalled_stages_are_skipped_and_the_first_stage_can_follow() -> None:
    street = Street(four_groups())
    street.run(200, 1 << LEFT, 0)
    # The left turn is green, permissive, with the north stage: only a protected call elsewhere moves it.
    assert street.state.stage == NORTH_STAGE
    street.run(200, 1 << EAST, 0)
    assert street.state.stage == EAST_STAGE
    street.run(200, 1 << NORTH, 0)
    assert street.state.stage == NORTH_STAGE


@pytest.mark.parametrize(("recall", "stage"), [(Recall.MIN, EAST_STAGE), (Recall.SOFT, EAST_STAGE)])
def test_recall_is_a_standing_call(recall: Recall, stage: int) -> None:
    plan = four_groups()
    groups = list(plan.groups)
    groups[EAST] = replace(groups[EAST], recall=recall)
    street = Street(replace(plan, groups=tuple(groups)))
    street.run(300, 0)
    assert street.state.stage == stage


def test_soft_recall_waits_for_real_demand_to_end() -> None:
    plan = four_groups()
    groups = list(plan.groups)
    groups[EAST] = replace(groups[EAST], recall=Recall.SOFT)
    street = Street(replace(plan, groups=tuple(groups)))
    street.run(300, 1 << NORTH, 1 << NORTH)
    assert street.state.stage == NORTH_STAGE


def test_maximum_recall_holds_to_the_maximum() -> None:
    plan = four_groups()
    groups = list(plan.groups)
    groups[NORTH] = replace(groups[NORTH], recall=Recall.MAX)
    street = Street(replace(plan, groups=tuple(groups)))
    street.run(500, 1 << EAST)
    assert street.ends[0][1] is Termination.MAX_OUT
