"""Fully actuated control, tuned by rule from the installed program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stopline_agents.baselines.demand import asked_or_kept
from stopline_policy.seam import JunctionView
from stopline_signals.detectors import calls_from, near_calls_from
from stopline_signals.plan import GroupKind, SignalPlan

PASSAGE_S = 1.0
"""Extension after the near zone (0-50 m) has emptied; the zone itself holds the green for some 3.5 s."""
MAX_GREEN_FACTOR = 1.0
"""Maximum green as a multiple of the program's split: the field uses up to 1.5; the split itself did best on
generated networks (`benchmarks/_policies/tuning.py`)."""


class Actuated:
    """Stages in the program's order; a stage ends by gap-out or at its maximum, uncalled ones are skipped.

    The maximum starts to run with the first call of another stage, as at a NEMA controller, and the green
    rests where it is while nobody else calls.
    """

    name = "actuated"
    decision_interval = 1.0

    def __init__(self, *, passage_s: float = PASSAGE_S, max_green_factor: float = MAX_GREEN_FACTOR) -> None:
        """Times by rule; see the module's constants."""
        self._passage = round(passage_s * 10)
        self._factor = max_green_factor
        self._junctions: dict[str, _Junction] = {}

    def reset(self, plans: Sequence[SignalPlan]) -> None:
        """Work out stage order and maximum greens from the programs."""
        self._junctions = {plan.junction: _Junction.of(plan, self._factor) for plan in plans}

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        """Keep the stage in force, or the next called stage of the order."""
        junctions = self._junctions
        return [
            asked_or_kept(view, junctions[view.plan.junction].decide(view, self._passage)) for view in views
        ]


@dataclass(slots=True)
class _Junction:
    order: tuple[int, ...]
    max_green: dict[int, int]
    """Per stage of the order, tenths."""
    groups: tuple[int, ...]
    """Bit mask of groups per stage."""
    vehicles: int
    """Bit mask of the groups that extend a green."""
    stage: int = -1
    last_seen: int = 0
    opposed_since: int | None = field(default=None)

    @classmethod
    def of(cls, plan: SignalPlan, factor: float) -> _Junction:
        order, splits = _order_and_splits(plan)
        return cls(
            order=order,
            max_green={stage: round(split * factor) for stage, split in zip(order, splits, strict=True)},
            groups=tuple(_mask(stage.groups) for stage in plan.stages),
            vehicles=_mask(
                i for i, group in enumerate(plan.groups) if group.kind is not GroupKind.PEDESTRIAN
            ),
        )

    def decide(self, view: JunctionView, passage: int) -> int:
        state = view.state
        if state.stage != self.stage:
            self.stage, self.opposed_since = state.stage, None
        if state.now < state.settled_at:
            self.last_seen = state.now
            return state.stage
        following = self._next_called(calls_from(view.plan, view.readings))
        if following is None:
            self.opposed_since = None
            return state.stage
        if self.opposed_since is None:
            self.opposed_since = state.now
        return following if self._over(view, following, passage) else state.stage

    def _next_called(self, calls: int) -> int | None:
        """The next stage of the order that turns a calling group green which is red now."""
        waiting = calls & ~self.groups[self.stage]
        start = self.order.index(self.stage) + 1 if self.stage in self.order else 0
        for stage in (*self.order[start:], *self.order[:start]):
            if stage != self.stage and self.groups[stage] & waiting:
                return stage
        return None

    def _over(self, view: JunctionView, following: int, passage: int) -> bool:
        ending = self.groups[self.stage] & ~self.groups[following] & self.vehicles
        present = near_calls_from(view.plan, view.readings) & ending
        if present:
            self.last_seen = view.state.now
        gap_out = not present and view.state.now - self.last_seen >= passage
        opposed = view.state.now - (self.opposed_since or view.state.now)
        return gap_out or opposed >= self.max_green.get(self.stage, 0)


def _order_and_splits(plan: SignalPlan) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Stage order and split (tenths) of each; without a program all stages at their groups' max green."""
    program = plan.program
    if program is None:
        splits = tuple(
            min(plan.groups[g].max_green for g in stage.groups) if stage.groups else 0
            for stage in plan.stages
        )
        return tuple(range(len(plan.stages))), splits
    starts = [step.green_at for step in program.steps]
    longest: dict[int, int] = {}
    for step, end in zip(program.steps, [*starts[1:], starts[0] + program.cycle], strict=True):
        longest[step.stage] = max(longest.get(step.stage, 0), end - step.green_at)
    return tuple(longest), tuple(longest.values())


def _mask(groups: Iterable[int]) -> int:
    mask = 0
    for group in groups:
        mask |= 1 << group
    return mask
