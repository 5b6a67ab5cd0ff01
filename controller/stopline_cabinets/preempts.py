"""Which preempts a cabinet has, and which of them serves a stage.

A preempt is asked for like anything else, by a plan: `PlanCommand(seq, (), ttl, kind=Kind.PREEMPT,
pattern=number)`. It ends with the plan's life, with the lease and with the heartbeat, so a controller that
dies leaves none behind.
"""

from __future__ import annotations

from dataclasses import replace

from stopline_signals.plan import Preempt, SignalPlan

MAX_MADE_UP = 16
MADE_UP_PRESENCE = 1800
"""Longest presence of a made-up input (tenths)."""


def preempts_of(plan: SignalPlan) -> tuple[Preempt, ...]:
    """The plan's preempts, else an emergency input for each stage, as a technician would wire it."""
    if plan.preempts:
        return plan.preempts
    return tuple(
        Preempt(
            name=f"emergency {stage.name}",
            dwell=index,
            priority=index + 1,
            min_duration=50,
            max_presence=MADE_UP_PRESENCE,
        )
        for index, stage in enumerate(plan.stages[:MAX_MADE_UP])
    )


def preempt_for(plan: SignalPlan, stage: int) -> int | None:
    """Number (from 1) of the emergency preempt that dwells in a stage, never a railway's; None if none."""
    for number, preempt in enumerate(preempts_of(plan), start=1):
        if preempt.dwell == stage and not preempt.rail:
            return number
    return None


def with_preempts(plan: SignalPlan) -> SignalPlan:
    """The plan with its preempts written out."""
    return replace(plan, preempts=preempts_of(plan))
