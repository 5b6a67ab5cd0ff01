"""From a cabinet's lamps to the letters SUMO shows, and the referee who reads them back."""

from __future__ import annotations

from collections.abc import Sequence

from stopline_envs.monitor import card_of
from stopline_envs.plans import PlanSet
from stopline_mmu import Lamp, Monitor, Violation, lamps_from_letters
from stopline_signals.plan import GroupKind, SignalPlan


class LampBoard:
    """One signal's heads in SUMO.

    The referee's card comes from the network's right of way, not from the plan the cabinet runs.
    """

    def __init__(self, plan_set: PlanSet, signal: str) -> None:
        program = plan_set.programs[signal]
        count = len(program.phases[0].state)
        self.referee = Monitor(card_of(plan_set.network, plan_set.movements[signal], count))
        self._groups = plan_set.plans[signal].groups
        self._letters = _letters(plan_set.plans[signal], [phase.state for phase in program.phases])
        self._blank = ["r"] * count

    def letters(self, lamps: Sequence[Lamp]) -> str:
        """The state string for what the groups show; 'o' (yellow flashing) for a group out of service."""
        state = list(self._blank)
        for group, lamp, own in zip(self._groups, lamps, self._letters, strict=True):
            for link in group.links:
                state[link] = "o" if lamp is Lamp.FLASH else own[lamp]
        return "".join(state)

    def judge(self, now: int, shown: str) -> list[Violation]:
        """Show the referee what SUMO shows at `now` (tenths)."""
        return self.referee.observe(now, lamps_from_letters(shown))


def _letters(plan: SignalPlan, states: Sequence[str]) -> tuple[str, ...]:
    """Per group the letters of red, yellow, permissive and green.

    SUMO has no pedestrian clearance lamp: nobody may start, so it is red. A head that the network only ever
    shows as an arrow to stop at first stays one.
    """
    letters: list[str] = []
    for group in plan.groups:
        own = {state[link] for state in states for link in group.links}
        permissive = "s" if "s" in own and not own & set("goO") else "g"
        yellow = "r" if group.kind is GroupKind.PEDESTRIAN else "y"
        letters.append(f"r{yellow}{permissive}G")
    return tuple(letters)
