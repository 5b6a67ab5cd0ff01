"""A junction under everybody's hands at once, and two who watch every tenth of a second.

The cabinet's engine runs the lamps. The controller decides on what it reads back from the cabinet, as at the
kerb, or on the engine's own state, as in the simulator. The lamp checker judges by the plan, the conflict
monitor by its own card and its own clock.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from stopline_mmu import Card, Lamp, Monitor
from stopline_signals import KEEP, NO_CONFLICT, Engine, EngineState, Guard, SignalPlan
from stopline_signals.flash import FlashControl, FlashPhase
from stopline_signals.plan import Aspect
from stopline_signals.preemption import PreemptControl
from tests.proofs.bounds import promises
from tests.signals.lamp_checker import LampChecker

GRACE = 600
"""Tenths an emergency vehicle or an operator may keep a call waiting longer than a policy."""
CLOCK = 123_457
"""What the monitor's clock is ahead of ours."""


class Order(Enum):
    """What an operator wants of a junction."""

    NOTHING = 0
    HOLD = 1
    ALL_RED = 2


class Controller:
    """Everything above the cabinet; a restart makes a new one, which remembers nothing."""

    def __init__(self, plan: SignalPlan, now: int) -> None:
        self.engine = Engine(plan)
        self.guard = Guard(self.engine)
        self.preempts = PreemptControl(plan)
        self.memory = self.preempts.start(now)
        self.flash = FlashControl(self.engine)
        self.seen: EngineState | None = None


class Site:
    """One junction; `tick` lets a tenth pass and raises AssertionError when anything is wrong."""

    def __init__(self, plan: SignalPlan, card: Card, *, at_the_kerb: bool) -> None:
        self.plans = (plan, another_timing(plan))
        self.monitor = Monitor(card)
        self.at_the_kerb = at_the_kerb
        self.request, self.inputs, self.order, self.held = KEEP, 0, Order.NOTHING, 0
        self.calls = self.dead = self.stuck = self.flooding = 0
        self.flash_wanted = False
        self.swap_through_flash: bool | None = None
        """Another plan is wanted: after flashing, or straight out of all red; None: it is not."""
        self.now = 0
        self.phase = FlashPhase.STEADY
        self.plan, self.engine = plan, Engine(plan)
        self.state = self.engine.start(0)
        self._power_up(plan)

    def tick(self) -> None:
        """One tenth: decide, act, look."""
        calls = self._perceived()
        state = self._read_back(calls)
        request = self._flash(state, self._decide(state))
        if self.phase is FlashPhase.FLASHING:
            self._show_flash()
            return
        self.state = self.engine.advance(self.state, request, calls, self.now + 1).state
        self.now = self.state.now
        self._look(calls)

    @property
    def longest_promise(self) -> int:
        """Tenths after which no standing call of the plan in force may be unserved."""
        return max(self._bounds)

    def restart_controller(self) -> None:
        """The controller's process dies and comes back; the cabinet goes on."""
        self.controller = Controller(self.plan, self.now)
        self._undisturbed = self.now

    def power_cut(self, tenths: int) -> None:
        """The cabinet goes dark, flashes, and starts up."""
        self.now += tenths
        self._show_flash()
        self._power_up(self.plan)

    def _power_up(self, plan: SignalPlan, stage: int = 0) -> None:
        self.plan, self.engine = plan, Engine(plan)
        self.state = self.engine.start(self.now, stage)
        self.checker = LampChecker(plan)
        self._bounds = promises(plan, 2)
        self._since: list[int | None] = [None] * len(plan.groups)
        self._standing = 0
        self.phase = FlashPhase.STEADY
        self.restart_controller()
        self._look(0)

    def _perceived(self) -> int:
        everybody = (1 << len(self.plan.groups)) - 1
        flood = self.flooding if self.now % 2 else 0
        return (self.calls & ~self.dead | self.stuck | flood) & everybody

    def _read_back(self, calls: int) -> EngineState:
        """The state the controller decides on, which never allows what the cabinet's own does not."""
        if not self.at_the_kerb:
            return self.state
        seen, state = self.controller.seen, self.state
        running = state.in_transition
        self.controller.seen = read = self.controller.engine.observed(
            self.now, state.stage, state.aspects, previous=seen, in_transition=running, calls=calls
        )
        assert not self.controller.engine.legal(read) & ~self.engine.legal(state), (read, state)
        return read

    def _decide(self, state: EngineState) -> int:
        """Emergency before operator before policy; whoever it is, the guard has the last word."""
        controller = self.controller
        decision = controller.preempts.decide(controller.memory, state, self.inputs)
        controller.memory = decision.memory
        request, grace = self.request, 0
        if decision.stage is not None:
            request, grace = decision.stage, GRACE
        elif self.order is Order.ALL_RED:
            request, grace = self.engine.all_red, GRACE
        elif self.order is Order.HOLD:
            request, grace = self.held, GRACE
        if grace or request == self.engine.all_red:
            self._undisturbed = self.now + 1
        verdict = controller.guard.decide(state, request, grace)
        assert controller.engine.legal(state) >> verdict.stage & 1, (verdict, state)
        wanted = state.stage if request == KEEP else request
        assert (verdict.reason is None) == (verdict.stage == wanted), (verdict, request)
        return verdict.stage

    def _flash(self, state: EngineState, request: int) -> int:
        """Into flash, out of it, and to another plan; all three only out of a settled all red."""
        wanted = self.flash_wanted or self.swap_through_flash is not None
        step = self.controller.flash.step(self.phase, state, request, wanted)
        if self.phase is FlashPhase.FLASHING and not self.flash_wanted:
            self._power_up(self._next_plan() if self.swap_through_flash else self.plan)
            return KEEP
        if step.phase is FlashPhase.FLASHING and not self.flash_wanted and not self.swap_through_flash:
            self._power_up(self._next_plan(), len(self.plan.stages) - 1)
            return KEEP
        self.phase = step.phase
        if self.phase is FlashPhase.STEADY:
            return step.request
        self._undisturbed = self.now + 1
        if self.phase is FlashPhase.ENTERING:
            return self.controller.guard.decide(state, step.request, GRACE).stage
        return step.request

    def _next_plan(self) -> SignalPlan:
        self.swap_through_flash = None
        return self.plans[self.plan is self.plans[0]]

    def _show_flash(self) -> None:
        self.now += 1
        self.state = self.state._replace(now=self.now)
        self._undisturbed = self.now
        assert self.monitor.observe(self.now + CLOCK, (Lamp.FLASH,) * len(self.plan.groups)) == []

    def _look(self, calls: int) -> None:
        aspects = self.state.aspects
        self.checker.see(self.now, aspects)
        assert self.checker.problems == []
        assert self.monitor.observe(self.now + CLOCK, aspects) == []
        for group, aspect in enumerate(aspects):
            if not calls >> group & 1 or aspect >= Aspect.PERMISSIVE:
                self._since[group] = None
                continue
            since = self._since[group] = self.now if self._since[group] is None else self._since[group]
            assert since is not None
            waited = self.now - max(since, self._undisturbed)
            assert waited <= self._bounds[group], f"{self.plan.groups[group].name} waited {waited} tenths"


def another_timing(plan: SignalPlan) -> SignalPlan:
    """The same junction with other intervals, none shorter, and the stages in reverse order."""
    groups = tuple(
        replace(group, clearance=group.clearance + 5, walk=group.walk + 10, max_red=group.max_red + 50)
        if group.walk
        else replace(group, yellow=group.yellow + 4, min_green=group.min_green + 15)
        for group in plan.groups
    )
    matrix = tuple(
        tuple(value if value == NO_CONFLICT else value + 5 for value in row) for row in plan.intergreen
    )
    last = len(plan.stages) - 1
    preempts = tuple(
        replace(
            preempt,
            dwell=last - preempt.dwell,
            track_clear=None if preempt.track_clear is None else last - preempt.track_clear,
        )
        for preempt in plan.preempts
    )
    return replace(
        plan,
        groups=groups,
        intergreen=matrix,
        stages=plan.stages[::-1],
        preempts=preempts,
        program=None,
        rings=(),
    )
