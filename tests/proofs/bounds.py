"""How long a call may wait: what the guard promises, computed from the plan alone."""

from __future__ import annotations

from stopline_signals import Engine, SignalPlan


def promises(plan: SignalPlan, every: int = 0) -> list[int]:
    """Per group the longest wait the guard promises, whatever is asked, in the plan's own time unit.

    Once a call is over its limit nobody can be served twice before it: who was served is less overdue. So at
    most every group goes first, each for a minimum and a transition, after the transition that may be
    running; where decisions are `every` so many ticks apart, each of them may come that much later.
    """
    engine = Engine(plan)
    stages = range(len(plan.stages) + 1)
    way = max(engine.worst_transition(a, b) for a in stages for b in stages)
    turn = max(group.minimum for group in plan.groups) + way + every
    return [limit + way + every + len(plan.groups) * turn for limit in engine.limits]
