"""After an emergency: who has waited longest is served first, then the junction is its policy's again."""

from __future__ import annotations

from dataclasses import dataclass

from stopline_signals.engine import KEEP, EngineState
from stopline_signals.plan import SignalPlan
from stopline_signals.vehicles import Urgency, Wish

LONGEST_S = 60.0
"""A debt that is not paid by then is the policy's and the guard's business."""


@dataclass(slots=True)
class Debt:
    """What one junction owes; stage and time (seconds) are set when it is first asked for it."""

    vehicle: str
    stage: int = KEEP
    since: float = 0.0


class Debts:
    """The debts of some junctions, one each at most."""

    def __init__(self) -> None:
        self._owed: dict[str, Debt] = {}

    def note(self, junction: str, vehicle: str) -> None:
        """An emergency that had the junction is through."""
        self._owed[junction] = Debt(vehicle)

    def owing(self, junction: str) -> bool:
        """Whether somebody has still to be served first."""
        return junction in self._owed

    def forget(self, junction: str) -> None:
        """Another emergency comes: who waits for it is seen when that one is through."""
        self._owed.pop(junction, None)

    def wish(self, junction: str, plan: SignalPlan, state: EngineState, now: float) -> Wish | None:
        """The stage of those who wait longest, until its green begins."""
        debt = self._owed.get(junction)
        if debt is None:
            return None
        if debt.stage == KEEP:
            debt.stage, debt.since = longest_waiting(plan, state), now
        served = debt.stage == state.stage and not state.in_transition
        if served or debt.stage == KEEP or now - debt.since > LONGEST_S:
            self.forget(junction)
            return None
        reason = f"{plan.stages[debt.stage].name} has waited longest while {debt.vehicle} came through"
        return Wish(Urgency.RECOVERY, debt.stage, debt.vehicle, reason)


def longest_waiting(plan: SignalPlan, state: EngineState) -> int:
    """The stage whose groups have waited longest, the first of equals; KEEP when nobody waits."""
    waits = [debt_of(plan, stage, state) for stage in range(len(plan.stages))]
    longest = max(waits)
    return waits.index(longest) if longest > 0 else KEEP


def debt_of(plan: SignalPlan, stage: int, state: EngineState) -> int:
    """Longest wait (tenths) of the groups that a stage serves."""
    waiting = (state.waiting_since[group] for group in plan.stages[stage].groups)
    return max((state.now - since for since in waiting if since >= 0), default=0)
