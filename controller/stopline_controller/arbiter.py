"""The arbiter: which source decides at a junction, and the stack that says why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from stopline_controller.sources import DEFAULT_STACK, Proposal, Source
from stopline_signals.errors import SiteError

SILENT = "asks for nothing"


class Standing(NamedTuple):
    """One source in the stack as published."""

    proposal: Proposal
    active: bool
    in_force: bool


class Ruling(NamedTuple):
    """The proposal that is followed, and the whole stack, highest first."""

    winner: Proposal
    stack: tuple[Standing, ...]


class Arbiter:
    """Follows the highest source that asks for something.

    The order is the site's. It never decides about timing: what wins here still passes the guard.
    """

    def __init__(self, order: Sequence[Source] = DEFAULT_STACK) -> None:
        """SiteError unless every source appears once, the cabinet is first and the local plan last."""
        problem = stack_problem(order)
        if problem:
            raise SiteError(problem)
        self.order = tuple(order)

    def rule(self, proposals: Iterable[Proposal], withheld: Mapping[Source, str] | None = None) -> Ruling:
        """Rule on this moment's proposals; `withheld` says why a source that could ask does not."""
        asked = {proposal.source: proposal for proposal in proposals}
        asked.setdefault(Source.LOCAL, Proposal(Source.LOCAL, reason="no other source asks"))
        reasons = withheld or {}
        winner = next(asked[source] for source in self.order if source in asked)
        stack = tuple(
            Standing(
                asked.get(source) or Proposal(source, reason=reasons.get(source, SILENT)),
                source in asked,
                source is winner.source,
            )
            for source in self.order
        )
        return Ruling(winner, stack)

    def above(self, source: Source) -> tuple[Source, ...]:
        """The sources that outrank `source`, highest first."""
        return self.order[: self.order.index(source)]


def stack_problem(order: Sequence[Source]) -> str | None:
    """What is wrong with a configured stack, or None."""
    missing = [source for source in Source if source not in order]
    if missing or len(order) != len(Source):
        twice = sorted({source for source in order if order.count(source) > 1})
        found = f"missing {', '.join(missing)}" if missing else f"listed twice: {', '.join(twice)}"
        return f"the stack needs every source exactly once ({', '.join(Source)}); {found}"
    if order[0] is not Source.CABINET or order[-1] is not Source.LOCAL:
        return "the stack must begin with 'cabinet' (its manual panel is never fought) and end with 'local'"
    if order[1] is not Source.RAIL:
        return "rail must come right after 'cabinet': it outranks all but the cabinet's own manual and flash"
    if order.index(Source.TRANSIT) < order.index(Source.EMERGENCY):
        return "'emergency' must come before 'transit': a bus never goes before an emergency vehicle"
    return None
