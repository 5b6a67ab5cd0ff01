"""What operators want of single groups while somebody else decides about stages: calls, omits and holds.

They change what the sources below the centre may choose, never what the timing rules allow. An omit or a
hold keeps nobody waiting for ever: the guard's starvation rule comes back after the centre's grace.
"""

from __future__ import annotations

from typing import NamedTuple

from stopline_cabinets.words import Can, stages_omitted
from stopline_controller.sources import GRACE, Source
from stopline_signals.detectors import DetectorReading
from stopline_signals.engine import NOT_WAITING, Engine, EngineState
from stopline_signals.guard import Guard
from stopline_signals.plan import DetectorKind, SignalPlan


class Wishes(NamedTuple):
    """Masks of groups: to call, to omit, to keep green."""

    calls: int = 0
    omits: int = 0
    holds: int = 0

    def carried(self, can: Can) -> tuple[int, int]:
        """The calls and omits that a cabinet takes."""
        return self.calls * (Can.CALL in can), self.omits * (Can.OMIT in can)


NO_WISHES = Wishes()


def closed_stages(plan: SignalPlan, wishes: Wishes) -> int:
    """Mask of the stages that are not to be chosen: with an omitted group, or without a held one."""
    closed = stages_omitted(plan, wishes.omits)
    if wishes.holds:
        for number, stage in enumerate(plan.stages):
            served = sum(1 << group for group in stage.groups)
            if wishes.holds & ~served:
                closed |= 1 << number
    return closed


class Choice(NamedTuple):
    """What sources below the centre may choose, and the state by which the guard judges them."""

    allowed: int
    state: EngineState


def restrict(engine: Engine, guard: Guard, state: EngineState, wishes: Wishes) -> Choice:
    """Apply wishes to what the guard allows.

    Groups that wait because of a wish count as having begun to wait later by the centre's grace; when one of
    them is overdue even so, the guard's rule stands and nothing is closed any more.
    """
    closed = closed_stages(engine.plan, wishes)
    if not closed and not wishes.omits:
        return Choice(guard.allowed(state), state)
    judged = _deferred(engine.plan, state, closed, wishes.omits)
    allowed = guard.allowed(judged)
    if engine.most_overdue(judged) is not None:
        return Choice(allowed, judged)
    return Choice(allowed & ~closed | allowed & 1 << state.stage, judged)


def with_calls(
    plan: SignalPlan, readings: tuple[DetectorReading, ...], calls: int
) -> tuple[DetectorReading, ...]:
    """Readings in which every called group has somebody waiting, so that a policy sees it too."""
    if not calls:
        return readings
    kinds = (DetectorKind.NEAR_ZONE, DetectorKind.BUTTON)
    return tuple(
        reading._replace(vehicles=max(reading.vehicles, 1), queued=max(reading.queued, 1))
        if calls >> detector.group & 1 and detector.kind in kinds and reading.healthy
        else reading
        for detector, reading in zip(plan.detectors, readings, strict=True)
    )


def _deferred(plan: SignalPlan, state: EngineState, closed: int, omits: int) -> EngineState:
    grace = GRACE[Source.CENTRE]
    waiting = tuple(
        min(since + grace, state.now)
        if since != NOT_WAITING and (omits >> group & 1 or _only_in(plan, group, closed))
        else since
        for group, since in enumerate(state.waiting_since)
    )
    return state._replace(waiting_since=waiting)


def _only_in(plan: SignalPlan, group: int, closed: int) -> bool:
    return all(closed >> stage & 1 for stage in plan.stages_serving(group))
