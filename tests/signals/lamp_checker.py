"""A second reading of the rules, for the tests: walks lamp samples and shares no code with the engine."""

from __future__ import annotations

from stopline_signals import NO_CONFLICT, Aspect, SignalPlan

GREENS = (Aspect.PERMISSIVE, Aspect.GREEN)


class LampChecker:
    """Feed it every tenth of a second; `problems` lists what no driver should ever see."""

    def __init__(self, plan: SignalPlan) -> None:
        self.plan = plan
        self.problems: list[str] = []
        self._before: tuple[int, ...] | None = None
        self._since = [0] * len(plan.groups)
        self._ended: list[int | None] = [None] * len(plan.groups)

    def see(self, now: int, aspects: tuple[int, ...]) -> None:
        if self._before is not None:
            changed = [
                (group, old, new)
                for group, (old, new) in enumerate(zip(self._before, aspects, strict=True))
                if old != new
            ]
            for group, old, new in changed:
                self._changed(now, group, old, new, aspects)
                self._since[group] = now
            for group, _, new in changed:  # after the ends of this very moment, whatever their index
                if new in GREENS:
                    self._clearances(now, group, Aspect(new), self._before)
        self._pairs(now, aspects)
        self._before = aspects

    def _changed(self, now: int, group: int, old: int, new: int, aspects: tuple[int, ...]) -> None:
        spec, lasted = self.plan.groups[group], now - self._since[group]
        if (old in GREENS and new not in GREENS) or (old, new) == (Aspect.GREEN, Aspect.PERMISSIVE):
            self._ended[group] = now
            self._require(
                new == Aspect.YELLOW or not spec.change, now, f"{spec.name} skipped its change interval"
            )
            self._require(
                lasted >= spec.minimum, now, f"{spec.name} green lasted {lasted}, minimum {spec.minimum}"
            )
        if old == Aspect.PERMISSIVE and new == Aspect.YELLOW:
            trapped = [name for name in spec.oncoming if aspects[self.plan.group_index(name)] in GREENS]
            self._require(not trapped, now, f"{spec.name} is trapped by {trapped}")
        if old == Aspect.YELLOW:
            self._require(new == Aspect.RED, now, f"{spec.name} went from yellow to {new}")
            self._require(
                lasted == spec.change, now, f"{spec.name} change lasted {lasted}, not {spec.change}"
            )
        if new in GREENS and old == Aspect.RED and self._ended[group] is not None:
            self._require(lasted >= self.plan.red_revert, now, f"{spec.name} red lasted only {lasted}")

    def _clearances(self, now: int, group: int, shown: Aspect, before: tuple[int, ...]) -> None:
        for foe, ended in enumerate(self._ended):
            needed = self.plan.intergreen[foe][group]
            if needed == NO_CONFLICT or ended is None:
                continue
            if ended == now and self.plan.compatible(foe, Aspect(before[foe]), group, shown):
                # It was to start beside the foe, one of them giving way: that the foe ends at the very tick
                # at which they would have been green together takes nothing away.
                continue
            self._require(
                now - ended >= needed, now, f"intergreen {foe} -> {group} was {now - ended}, not {needed}"
            )

    def _pairs(self, now: int, aspects: tuple[int, ...]) -> None:
        moving = [g for g, aspect in enumerate(aspects) if aspect != Aspect.RED]
        for i in moving:
            for j in moving:
                if i < j and not self._may_move_together(i, j, aspects):
                    self._require(False, now, f"{i} and {j} conflict as {aspects[i]} and {aspects[j]}")

    def _may_move_together(self, i: int, j: int, aspects: tuple[int, ...]) -> bool:
        if self.plan.intergreen[i][j] == NO_CONFLICT:
            return True
        # Clearing together with the foe it gave way to is fine; a protected green beside a moving foe is not.
        if aspects[i] in GREENS and aspects[j] in GREENS:
            return self.plan.compatible(i, Aspect(aspects[i]), j, Aspect(aspects[j]))
        return self.plan.yields[i][j] or self.plan.yields[j][i]

    def _require(self, holds: bool, now: int, problem: str) -> None:
        if not holds:
            self.problems.append(f"{now}: {problem}")
