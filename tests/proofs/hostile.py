"""Chance with ill will: requests nobody sane would make, calls that come and go, a clock on every wait."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from stopline_signals import KEEP, SignalPlan
from tests.proofs.bounds import promises

Requests = Callable[[random.Random, int], int]
"""What is asked for, given a source of chance and the number of stages."""
REQUESTS: dict[str, Requests] = {
    "any stage": lambda rng, stages: int(rng.random() * stages),
    "keep": lambda rng, stages: KEEP,
    "always the first": lambda rng, stages: 0,
    "always the last": lambda rng, stages: stages - 1,
    "flip every second": lambda rng, stages: (0, stages - 1)[rng.random() < 0.5],
    "no such stage": lambda rng, stages: (stages + 1, 99, -2, 1 << 20)[int(rng.random() * 4)],
    "anything": lambda rng, stages: rng.choice((KEEP, -2, stages + 1, *range(stages))),
}
"""None of them asks for all red, which a policy cannot have: the wait it causes is its operator's."""
RATES = (0.01, 0.05, 0.4, 1.0)
"""Chance per second that a group gets a call; 1: everybody calls all the time."""


@dataclass(slots=True)
class Day:
    """What happened at one junction; `longest` is the longest wait as a share of what is promised."""

    decisions: int = 0
    changes: int = 0
    violations: int = 0
    longest: float = 0.0
    refused: int = 0
    late: list[str] = field(default_factory=list[str])
    unused: list[int] = field(default_factory=list[int])

    @property
    def clean(self) -> bool:
        """No violation, nobody served late, and every stage entered."""
        return not self.violations and not self.late and not self.unused


class Crowd:
    """Calls that come at random, stay until served, and are sometimes given up."""

    def __init__(self, rng: random.Random, groups: int) -> None:
        self._rng = rng
        self._groups = groups
        self._rate = RATES[1]
        self.calls = 0

    def change_mood(self) -> None:
        """From now on another amount of traffic."""
        self._rate = self._rng.choice(RATES)

    def pass_second(self, lit: int) -> None:
        """One second with the groups of mask `lit` at green: the served leave, others come."""
        rng = self._rng
        group = 1 << int(rng.random() * self._groups)
        if self._rate == 1:
            self.calls = (1 << self._groups) - 1
        elif not self.calls & group:
            self.calls |= group if rng.random() < self._rate * self._groups else 0
        elif lit & group or rng.random() < 0.01:
            self.calls &= ~group


class Waits:
    """Measures from lamps and calls alone how long each standing call waits; times in tenths."""

    def __init__(self, plan: SignalPlan, day: Day, every: int) -> None:
        """`every` (tenths) is the time between two decisions."""
        self._plan, self._day = plan, day
        self._bounds = promises(plan, every)
        self._served = sum(1 << g for g in range(len(plan.groups)) if plan.stages_serving(g))
        self._since = [0] * len(plan.groups)
        self._waiting = 0

    def look(self, now: int, calls: int, lit: int) -> None:
        """Note who waits now."""
        waiting = calls & ~lit & self._served
        changed = waiting ^ self._waiting
        self._waiting = waiting
        while changed:
            group = (changed & -changed).bit_length() - 1
            changed &= changed - 1
            if waiting >> group & 1:
                self._since[group] = now
            else:
                self._end(now, group)

    def finish(self, now: int) -> None:
        """The day is over; who still waits counts as well."""
        self.look(now, 0, 0)

    def _end(self, now: int, group: int) -> None:
        waited, bound = now - self._since[group], self._bounds[group]
        self._day.longest = max(self._day.longest, waited / bound)
        if waited > bound:
            name = self._plan.groups[group].name
            self._day.late.append(f"{name} waited {waited / 10} s at {now / 10} s, promised {bound / 10} s")
