"""SUMO's actuated programs: least greens and passage times that a static reading does not see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from stopline_envs.plans.net import Phase, Program
from stopline_signals.errors import NetworkError
from stopline_signals.plan import GroupKind, SignalGroup, SignalPlan
from stopline_signals.timing import tenths

KINDS = frozenset({"actuated", "delay_based"})
MAX_GAP_S = 3.0
"""SUMO's own default."""


def with_actuated_times(plan: SignalPlan, program: Program) -> SignalPlan:
    """The plan with the minDur and max-gap of its actuated program; no minimum gets shorter than it was.

    Raises:
        NetworkError: max-gap is not a number.
    """
    if program.kind not in KINDS:
        return plan
    text = program.params.get("max-gap", str(MAX_GAP_S))
    try:
        passage = tenths(float(text))
    except ValueError:
        raise NetworkError(f"{program.where}: max-gap={text!r} is not a number; correct it") from None
    return replace(plan, groups=tuple(_timed(group, program, passage) for group in plan.groups))


def _timed(group: SignalGroup, program: Program, passage: int) -> SignalGroup:
    if group.kind is GroupKind.PEDESTRIAN:
        return group
    least = tenths(min(_shortest_greens(program, group.links[0]), default=0.0))
    minimum = max(group.min_green, least)
    return replace(group, min_green=minimum, max_green=max(group.max_green, minimum), passage=passage)


def _shortest_greens(program: Program, link: int) -> Iterable[float]:
    """Least length of each unbroken green of a link around the cycle, s."""
    shows = [phase.state[link] in "gG" for phase in program.phases]
    if all(shows) or not any(shows):
        return
    count = len(shows)
    for start in (k for k in range(count) if shows[k] and not shows[k - 1]):
        length, at = 0.0, start
        while shows[at % count]:
            length += _least(program.phases[at % count])
            at += 1
        yield length


def _least(phase: Phase) -> float:
    return phase.timing.get("minDur", phase.duration)
