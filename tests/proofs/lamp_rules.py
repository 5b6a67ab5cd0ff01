"""What a road user may see, as a pure step function: the independent checker of the exhaustive search.

It reads lamps and the plan only, keeps its own clocks, and shares no code with the engine. Ages are capped
at the longest time any rule asks about, so that a finite search meets finitely many views.
"""

from __future__ import annotations

from typing import NamedTuple

from stopline_signals import NO_CONFLICT, Aspect, SignalPlan

RED, YELLOW, PERMISSIVE, GREEN = map(int, Aspect)


class View(NamedTuple):
    """Per group: the lamp, how long it has been in this state of movement, how long ago its green ended.

    `right` is the last green shown: what a group is still entitled to while it is yellow. `age` runs from the
    start of green, of yellow, or of red. All ages are capped.
    """

    lamps: tuple[int, ...]
    right: tuple[int, ...]
    age: tuple[int, ...]
    ended: tuple[int, ...]


class LampRules:
    """Steps views of one plan; `problems` of a step is empty when no rule is broken."""

    def __init__(self, plan: SignalPlan) -> None:
        self._groups = plan.groups
        self._count = range(len(plan.groups))
        self._minimum = [g.walk if g.kind == "pedestrian" else g.min_green for g in plan.groups]
        self._change = [g.clearance if g.kind == "pedestrian" else g.yellow for g in plan.groups]
        self._revert = max(plan.red_revert, 1)
        self._oncoming = [[plan.group_index(name) for name in g.oncoming] for g in plan.groups]
        self._intergreen = plan.intergreen
        self._yields = plan.yields
        times = [*self._minimum, *self._change, self._revert]
        self._cap = max(*times, *(value for row in plan.intergreen for value in row)) + 1

    def first(self, lamps: tuple[int, ...]) -> View:
        """The view at the start: what is shown has been shown for ever."""
        old = (self._cap,) * len(lamps)
        return View(lamps, (GREEN,) * len(lamps), old, old)

    def step(self, view: View, lamps: tuple[int, ...]) -> tuple[View, list[str]]:
        """The view one tick later, and the rules that were broken on the way."""
        cap = self._cap
        older = tuple([a if a == cap else a + 1 for a in view.age])
        ended = tuple([a if a == cap else a + 1 for a in view.ended])
        if lamps == view.lamps:
            return View(lamps, view.right, older, ended), self._overdue_yellows(lamps, older)
        problems: list[str] = []
        age, ends, right = list(older), list(ended), list(view.right)
        for g in self._count:
            was, now = view.lamps[g], lamps[g]
            if was == now:
                continue
            problems += self._changed(g, was, now, older[g], lamps)
            if (was >= PERMISSIVE) != (now >= PERMISSIVE) or now < PERMISSIVE:
                age[g] = 0
            if was >= PERMISSIVE and now < was:
                ends[g] = 0
            if now >= PERMISSIVE:
                right[g] = now
        after = View(lamps, tuple(right), tuple(age), tuple(ends))
        for g in self._count:
            if lamps[g] >= PERMISSIVE and view.lamps[g] < lamps[g]:
                problems += self._too_early(g, after)
        problems += self._together(after) + self._overdue_yellows(lamps, age)
        return after, problems

    def _changed(self, g: int, was: int, now: int, lasted: int, lamps: tuple[int, ...]) -> list[str]:
        """Rules about the interval that just ended."""
        name = self._groups[g].name
        found: list[str] = []
        if was >= PERMISSIVE and now < was:
            if now != (YELLOW if self._change[g] else RED):
                found.append(f"{name} left green for {Aspect(now).name}")
            if lasted < self._minimum[g]:
                found.append(f"{name} was green for {lasted} of {self._minimum[g]}")
            trapped = [j for j in self._oncoming[g] if was == PERMISSIVE and lamps[j] >= PERMISSIVE]
            if trapped:
                found.append(f"{name} is trapped: its oncoming traffic stays green")
        elif was == YELLOW:
            if now != RED:
                found.append(f"{name} went from yellow to {Aspect(now).name}")
            if lasted != self._change[g]:
                found.append(f"{name} changed for {lasted} instead of {self._change[g]}")
        elif was == RED:
            if now == YELLOW:
                found.append(f"{name} went from red to yellow")
            if lasted < self._revert:
                found.append(f"{name} was red for {lasted} of {self._revert}")
        return found

    def _too_early(self, g: int, view: View) -> list[str]:
        """Clearances owed to group g, which starts now, by everybody who has left.

        A permissive start owes none to those it gives way to: it would have to wait for them anyway.
        """
        found: list[str] = []
        for foe in self._count:
            owed = self._intergreen[foe][g]
            if owed == NO_CONFLICT or (view.lamps[g] == PERMISSIVE and self._yields[g][foe]):
                continue
            if view.ended[foe] < owed:
                found.append(f"{self._groups[g].name} started {view.ended[foe]} of {owed} after {foe}")
        return found

    def _together(self, view: View) -> list[str]:
        moving = [g for g in self._count if view.lamps[g] != RED]
        return [
            f"{self._groups[i].name} and {self._groups[j].name} move together"
            for i in moving
            for j in moving
            if i < j and self._conflict(i, j, view.right)
        ]

    def _conflict(self, i: int, j: int, right: tuple[int, ...]) -> bool:
        if self._intergreen[i][j] == NO_CONFLICT:
            return False
        waits = right[i] == PERMISSIVE and self._yields[i][j]
        return not waits and not (right[j] == PERMISSIVE and self._yields[j][i])

    def _overdue_yellows(self, lamps: tuple[int, ...], age: list[int] | tuple[int, ...]) -> list[str]:
        return [
            f"{self._groups[g].name} still changes after {age[g]}"
            for g in self._count
            if lamps[g] == YELLOW and age[g] >= self._change[g]
        ]
