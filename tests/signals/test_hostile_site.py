"""Nothing anybody does at a junction, in any order, breaks an interval or lets a call starve.

A policy that asks for anything, illegal stages too; emergency vehicles and trains; operators; flash; dead,
stuck and flooding detectors; restarts of the controller, power cuts of the cabinet; other plans.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from stopline_mmu import Card
from stopline_signals import KEEP, NO_CONFLICT, Engine, EngineState, SignalPlan
from stopline_signals.flash import FlashControl, FlashPhase, FlashStep
from stopline_signals.transition import Transitions
from tests.signals.dual_ring_card import eight_phase_card
from tests.signals.hostile_site import Order, Site
from tests.signals.irregular import CROOKED, Junction, junctions
from tests.signals.irregular_card import card_of
from tests.signals.irregular_plan import plan_of
from tests.signals.plans_for_tests import eight_phases

PROVING = settings().max_examples > 1000
Place = Callable[[], tuple[SignalPlan, Card]]
masks = st.integers(0, (1 << 16) - 1)
some_tenths = st.integers(1, 150)


def places() -> st.SearchStrategy[Junction | None]:
    """A junction of any shape; None is the dual ring."""
    return st.one_of(st.none(), st.sampled_from(CROOKED), junctions())


def build(junction: Junction | None) -> tuple[SignalPlan, Card]:
    if junction is None:
        return eight_phases(), eight_phase_card()
    return plan_of(junction), card_of(junction)


class HostileSite(RuleBasedStateMachine):
    """Every rule is somebody's doing; time passes in most of them, and each tenth is checked."""

    site: Site
    starved = False

    @initialize(junction=places(), at_the_kerb=st.booleans())
    def open(self, junction: Junction | None, at_the_kerb: bool) -> None:
        self.site = Site(*build(junction), at_the_kerb=at_the_kerb)

    def _wait(self, tenths: int) -> None:
        for _ in range(tenths):
            self.site.tick()

    @rule(request=st.one_of(st.integers(-2, 12), st.sampled_from([-99, 64, 1 << 30])), tenths=some_tenths)
    def policy(self, request: int, tenths: int) -> None:
        self.site.request = request
        self._wait(tenths)

    @rule(seed=st.integers(0, 999), changes=st.integers(1, 60))
    def jittery_policy(self, seed: int, changes: int) -> None:
        for _ in range(changes):
            seed = (seed * 1103515245 + 12345) % 2**31
            self.site.request = (seed >> 8) % 13 - 1
            self._wait(1 + (seed >> 4) % 5)

    @rule(calls=masks, tenths=some_tenths)
    def traffic(self, calls: int, tenths: int) -> None:
        self.site.calls = calls
        self._wait(tenths)

    @rule(inputs=st.integers(0, 3), tenths=some_tenths)
    def emergency(self, inputs: int, tenths: int) -> None:
        self.site.inputs = inputs
        self._wait(tenths)

    @rule(order=st.sampled_from(Order), stage=st.integers(0, 12), tenths=some_tenths)
    def operator(self, order: Order, stage: int, tenths: int) -> None:
        self.site.order, self.site.held = order, stage % len(self.site.plan.stages)
        self._wait(tenths)

    @rule(dead=masks, stuck=masks, flooding=st.sampled_from([0, 0, 0b1011, 0xFFFF]))
    def detector_faults(self, dead: int, stuck: int, flooding: int) -> None:
        self.site.dead, self.site.stuck, self.site.flooding = dead & stuck >> 3, stuck & dead << 2, flooding

    @rule(tenths=some_tenths)
    def repair_everything(self, tenths: int) -> None:
        self.site.dead = self.site.stuck = self.site.flooding = self.site.inputs = 0
        self.site.order, self.site.flash_wanted = Order.NOTHING, False
        self._wait(tenths)

    @precondition(lambda self: not self.starved and (PROVING or len(self.site.plan.groups) < 7))
    @rule(stage=st.integers(0, 12))
    def nothing_but_a_stubborn_policy(self, stage: int) -> None:
        """Everybody calls and the policy wants one stage, for longer than anybody may have to wait."""
        self.starved = True
        self.repair_everything(1)
        self.site.calls, self.site.request = 0xFFFF, stage
        self._wait(self.site.longest_promise + 400)

    @rule(tenths=some_tenths)
    def flash(self, tenths: int) -> None:
        self.site.flash_wanted = not self.site.flash_wanted
        self._wait(tenths)

    @precondition(lambda self: self.site.phase is not FlashPhase.FLASHING)
    @rule(through_flash=st.booleans(), tenths=some_tenths)
    def swap_the_plan(self, through_flash: bool, tenths: int) -> None:
        self.site.swap_through_flash = through_flash
        self._wait(tenths)

    @rule()
    def restart_the_controller(self) -> None:
        self.site.restart_controller()

    @rule(tenths=st.integers(1, 50))
    def cut_the_power(self, tenths: int) -> None:
        self.site.power_cut(tenths)


def run(examples: int, steps: int, *phases: Phase) -> None:
    """Let chance write so many courses of events; without phases it also shrinks what breaks."""
    few = settings(
        max_examples=examples,
        stateful_step_count=steps,
        phases=phases or tuple(Phase),
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(HostileSite, settings=few)


def test_no_course_of_events_breaks_anything() -> None:
    run(2000 if PROVING else 25, 50 if PROVING else 30)


@settings(max_examples=100)
@given(junctions())
def test_two_who_compute_a_junction_apart_agree(junction: Junction) -> None:
    plan, card = plan_of(junction), card_of(junction)
    count = range(len(plan.groups))
    for i, j in ((i, j) for i in count for j in count if i != j):
        assert (plan.intergreen[i][j] == NO_CONFLICT) == ((i, j) in card.compatible)
        assert plan.yields[i][j] == ((i, j) in card.yields)
        assert plan.intergreen[i][j] == NO_CONFLICT or card.clearance[i, j] <= plan.intergreen[i][j]
    assert all(plan.stages_serving(group) for group in count)


def hasty_flash(
    self: FlashControl, phase: FlashPhase, state: EngineState, request: int, wanted: bool, start: int = 0
) -> FlashStep:
    if wanted and phase is not FlashPhase.FLASHING and not state.in_transition:
        return FlashStep(FlashPhase.FLASHING, state, KEEP)
    return STEP(self, phase, state, request, wanted, start)


def trusting(self: Engine, now: int, *seen: Any, **more: Any) -> EngineState:
    state = OBSERVED(self, now, *seen, **more)
    return state._replace(since=tuple(since - 500 for since in state.since))


STEP, OBSERVED = FlashControl.step, Engine.observed
BREAKS: dict[str, tuple[type, str, object]] = {
    "every stage is legal at once": (Engine, "legal", lambda self, state: (2 << self.all_red) - 1),
    "yellow is skipped": (Transitions, "ending", lambda self, group, end: [(end, group, 0)]),
    "all red is not waited for": (FlashControl, "step", hasty_flash),
    "a restarted controller takes greens for old": (Engine, "observed", trusting),
    "starts wait for nobody": (Transitions, "_earliest_start", lambda self, g, a, e, now, ending: now),
    "greens end when they like": (
        Transitions, "_late_ends", lambda self, ending, a, s, now: dict.fromkeys(ending, now + 30),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_book_does_not_survive(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*BREAKS[name])
    with pytest.raises(AssertionError):
        run(60, 25, Phase.generate)


def test_without_the_rule_on_waiting_calls_starve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "most_overdue", lambda self, state, grace=0: None)
    machine = HostileSite()
    machine.open(CROOKED[0], at_the_kerb=True)
    with pytest.raises(AssertionError, match="waited"):
        machine.nothing_but_a_stubborn_policy(0)


def test_a_turn_held_for_one_walk_waits_for_the_next_as_well() -> None:
    """Found by the machine: held for a walk, a turn began in the middle of another one's clearance."""
    machine = HostileSite()
    junction = Junction(
        arms=(150, 180, 230, 270, 330, 30),
        lefts=frozenset({1, 2, 3, 5}),
        crossings=(0, 2, 4, 5),
        speeds=(8.3, 13.9, 19.4, 19.4, 19.4, 19.4),
        radius=22.0,
    )
    machine.open(junction, at_the_kerb=False)
    machine.swap_the_plan(False, 59)
    machine.operator(Order.NOTHING, 4, 12)
    machine.operator(Order.HOLD, 12, 135)
    machine.flash(24)
    machine.nothing_but_a_stubborn_policy(2)
