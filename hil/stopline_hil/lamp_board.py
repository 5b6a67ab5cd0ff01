"""From a cabinet's lamps to the letters SUMO shows, and the referee who reads them back."""

from __future__ import annotations

from collections.abc import Sequence

from stopline_envs.junction import lamp_letters
from stopline_envs.monitor import LampWatch
from stopline_envs.plans import PlanSet
from stopline_mmu import Lamp, Violation

FLASHING = "o"
"""SUMO's letter for a head out of service: yellow flashing, the road's own right of way holds."""


class LampBoard:
    """One signal's heads in SUMO.

    The referee's card comes from the network's right of way, not from the plan the cabinet runs.
    """

    def __init__(self, plan_set: PlanSet, signal: str) -> None:
        program = plan_set.programs[signal]
        self._watch = LampWatch(plan_set.network, plan_set.movements[signal], program)
        self._groups = plan_set.plans[signal].groups
        self._letters = lamp_letters(plan_set.plans[signal], program)
        self._blank = ["r"] * len(program.phases[0].state)

    @property
    def total(self) -> int:
        """Violations the referee saw."""
        return self._watch.monitor.total

    def letters(self, lamps: Sequence[Lamp]) -> str:
        """The state string for what the groups show."""
        if all(lamp is Lamp.FLASH for lamp in lamps):
            return FLASHING * len(self._blank)
        state = list(self._blank)
        for group, lamp, own in zip(self._groups, lamps, self._letters, strict=True):
            for link in group.links:
                state[link] = own[lamp]
        return "".join(state)

    def judge(self, second: int, shown: str) -> list[Violation]:
        """Show the referee what SUMO shows in the second that begins now."""
        before = self._watch.monitor.total
        self._watch.observe(second, shown)
        return self._watch.monitor.violations[before:]
