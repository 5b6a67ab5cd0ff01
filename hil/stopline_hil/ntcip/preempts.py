"""Preempts at the controller: inputs, states and events around the rule book's preemption."""

from __future__ import annotations

from stopline_hil.ntcip.hires import Code, HiResLog
from stopline_signals.engine import EngineState
from stopline_signals.plan import SignalPlan
from stopline_signals.preemption import PreemptControl, PreemptStatus

_EVENTS = {
    PreemptStatus.ENTRY_STARTED: Code.PREEMPT_ENTRY,
    PreemptStatus.TRACK_SERVICE: Code.PREEMPT_TRACK,
    PreemptStatus.DWELL: Code.PREEMPT_DWELL,
    PreemptStatus.EXIT_STARTED: Code.PREEMPT_EXIT,
    PreemptStatus.MAX_PRESENCE: Code.PREEMPT_MAX_PRESENCE,
}


class Preempts:
    """Preempt n is bit n - 1 of every mask; `inputs` are the cabinet's own, wired ones."""

    def __init__(self, plan: SignalPlan, log: HiResLog, now: int) -> None:
        self.inputs = 0
        self.active: int | None = None
        """The one in charge, counted from 0."""
        self._log = log
        self._called = 0
        self.load(plan)
        self.restart(now)

    @property
    def states(self) -> tuple[PreemptStatus, ...]:
        """NTCIP preemptState of each."""
        return self._memory.status

    @property
    def ends_flash(self) -> bool:
        """Whether flash that was asked for ends: one is in charge, or its own input calls, not too long."""
        waiting = PreemptStatus.NOT_ACTIVE_WITH_CALL
        calls = any(self.inputs >> n & 1 and status is waiting for n, status in enumerate(self.states))
        return calls or self.active is not None

    def load(self, plan: SignalPlan) -> None:
        """The rows of the table changed."""
        self._plan = plan
        self._control = PreemptControl(plan)

    def restart(self, now: int) -> None:
        """None is active."""
        self._memory = self._control.start(now)
        self._quiet = True
        self.active = None

    def tick(self, now: int, state: EngineState, remote: int, *, held: bool = False) -> int | None:
        """Follow the inputs; the stage asked for, None when no preempt has a say. While `held` all wait."""
        called = self.inputs | remote
        if self._quiet and not called and not self._called:
            return None
        for number in range(len(self._plan.preempts)):
            if (called ^ self._called) >> number & 1:
                code = Code.PREEMPT_CALL_ON if called >> number & 1 else Code.PREEMPT_CALL_OFF
                self._log.add(now, code, number + 1)
        self._called = called
        before = self._memory.status
        decision = self._control.decide(self._memory, state, called, held=held)
        self._memory, self.active = decision.memory, decision.active
        self._quiet = all(status is PreemptStatus.NOT_ACTIVE for status in self._memory.status)
        for number, (old, new) in enumerate(zip(before, self._memory.status, strict=True), start=1):
            if new is not old and new in _EVENTS:
                self._log.add(now, _EVENTS[new], number)
        return decision.stage
