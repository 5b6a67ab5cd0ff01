"""From one stage to the next: which groups end, which start, and when.

Groups in both stages stay green. A group that starts waits for the intergreen of every group that ended;
a group that ends does so as late as those intergreens let it, so that a long pedestrian clearance does not
hold traffic at red for nothing. A permissive group never turns yellow while the oncoming flow stays green
(the yellow trap): that flow ends no later, and starts again after its red if the next stage has it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stopline_signals.plan import NO_CONFLICT, Aspect, SignalPlan
from stopline_signals.records import new

RED, YELLOW, PERMISSIVE, GREEN = map(int, Aspect)

KEPT_WAYS = 4096
"""Schedules remembered per plan; a junction uses a few dozen."""

Change = tuple[int, int, int]
"""(due in tenths, group, aspect)"""


class Schedule(NamedTuple):
    """The lamp changes of one transition in time order, and when its last group is green."""

    changes: tuple[Change, ...]
    settled_at: int


class Transitions:
    """Computes schedules for one plan; holds what does not change between calls."""

    def __init__(self, plan: SignalPlan) -> None:
        """Precompute the conflict lists and stage aspects of the plan."""
        count = range(len(plan.groups))
        self._groups = plan.groups
        self._oncoming = tuple(
            tuple(plan.group_index(name) for name in group.oncoming) for group in plan.groups
        )
        self._intergreen = plan.intergreen
        self._foes = tuple(
            tuple((i, plan.intergreen[i][j]) for i in count if plan.intergreen[i][j] != NO_CONFLICT)
            for j in count
        )
        # At least one tick, so that no lamp is ever seen to go from yellow to green.
        self._red_revert = max(plan.red_revert, 1)
        self._changes = tuple(group.change for group in plan.groups)
        self.stage_aspects = tuple(
            tuple(int(stage.aspect(group)) for group in count) for stage in plan.stages
        )
        # One more row than the plan has stages: all red, which nobody but an operator or flash asks for.
        self.stage_aspects = (*self.stage_aspects, (RED,) * len(plan.groups))
        longest = max((value for row in plan.intergreen for value in row), default=0)
        self._horizon = max(longest, max(self._changes) + self._red_revert)
        # All red is reached when every clearance is over: whatever starts up afterwards knows of none.
        self._all_red = len(plan.stages)
        self._cleared = tuple(
            max(change + self._red_revert, *row)
            for change, row in zip(self._changes, plan.intergreen, strict=True)
        )
        self._from_rest: dict[tuple[int, tuple[int, ...], int], Schedule] = {}
        self.on_demand = sum(1 << index for index, group in enumerate(plan.groups) if group.on_demand)

    def wanted(self, stage: int, aspects: Sequence[int], calls: int) -> list[int]:
        """Aspect each group is to show in the stage.

        On-demand groups only when called or already green, and then no more than they show: a walk that
        became protected on the way would begin anew, before the end it has been given.
        """
        wanted = list(self.stage_aspects[stage])
        if self.on_demand:
            for group in range(len(wanted)):
                if self.on_demand >> group & 1:
                    if aspects[group] >= PERMISSIVE:
                        wanted[group] = min(wanted[group], aspects[group])
                    elif not calls >> group & 1:
                        wanted[group] = RED
        return wanted

    def schedule(
        self,
        stage: int,
        aspects: Sequence[int],
        ended: Sequence[int],
        calls: int,
        now: int,
        pending: Sequence[Change] = (),
    ) -> Schedule:
        """Plan the way from the lamps shown now to the stage.

        `aspects` and `ended` (last end of green, tenths) have one entry per group; `calls` is a bit mask;
        `pending` are changes already under way, among them the ends of walks that have begun.
        """
        if pending or now - max(ended) < self._horizon:
            return self._computed(stage, aspects, ended, calls, now, pending)
        # Every clearance is long over: the way is always the same.
        key = (stage, tuple(aspects), calls & self.on_demand)
        way = self._from_rest.get(key)
        if way is None:
            way = self._computed(stage, aspects, (-self._horizon,) * len(aspects), calls, 0, ())
            if len(self._from_rest) < KEPT_WAYS:
                self._from_rest[key] = way
        changes = tuple([(now + due, g, aspect) for due, g, aspect in way[0]])
        return new(Schedule, (changes, now + way[1]))

    def _computed(
        self,
        stage: int,
        aspects: Sequence[int],
        ended: Sequence[int],
        calls: int,
        now: int,
        pending: Sequence[Change],
    ) -> Schedule:
        wanted = self.wanted(stage, aspects, calls)
        ending = self.ending_groups(aspects, wanted)
        starting = [
            g
            for g, aspect in enumerate(wanted)
            if aspect >= PERMISSIVE and (aspects[g] != aspect or g in ending)
        ]
        ends = list(ended)
        for group in ending:
            ends[group] = now
        starts = {group: self._earliest_start(group, aspects, ends, now, ending) for group in starting}
        self._wait_for_walks(starts, aspects, wanted, pending)
        latest = self._late_ends(ending, aspects, starts, now)
        changes = [change for group in ending for change in self.ending(group, latest[group])]
        changes += [
            change for group, start in starts.items() for change in self.starting(group, start, wanted[group])
        ]
        # A stage that only takes groups away is reached when the last of them is red.
        settled_at = max(starts.values(), default=max((due for due, _, _ in changes), default=now))
        if stage == self._all_red:
            settled_at = max(now, *(latest.get(g, end) + self._cleared[g] for g, end in enumerate(ended)))
        return Schedule(tuple(sorted(changes)), settled_at)

    def ending_groups(self, aspects: Sequence[int], wanted: Sequence[int]) -> list[int]:
        """Groups that must leave green: those the stage has not, and oncoming flows of a trapped turn."""
        ending = [g for g, aspect in enumerate(aspects) if aspect >= PERMISSIVE and wanted[g] < aspect]
        for group in ending:  # grows while we walk it: an oncoming flow may itself be a permissive turn
            if aspects[group] == PERMISSIVE:
                ending += [g for g in self._oncoming[group] if aspects[g] >= PERMISSIVE and g not in ending]
        return ending

    def ending(self, group: int, end: int) -> list[Change]:
        """Changes by which a group leaves green at `end`."""
        change = self._changes[group]
        return [(end, group, YELLOW), (end + change, group, RED)] if change else [(end, group, RED)]

    def starting(self, group: int, start: int, aspect: int) -> list[Change]:
        """Changes by which a group becomes green; an on-demand group also ends by itself."""
        begin = [(start, group, aspect)]
        if not self.on_demand >> group & 1:
            return begin
        return begin + self.ending(group, start + self._groups[group].minimum)

    def ready_at(self, group: int, aspects: Sequence[int], ended: Sequence[int]) -> int:
        """Earliest time a group that is red now may start beside the groups that stay green."""
        return self._earliest_start(group, aspects, ended, 0, ())

    def _earliest_start(
        self,
        group: int,
        aspects: Sequence[int],
        ends: Sequence[int],
        now: int,
        ending: Sequence[int],
    ) -> int:
        earliest = now
        if aspects[group] < PERMISSIVE or group in ending:
            earliest = max(now, ends[group] + self._changes[group] + self._red_revert)
        # Also of a foe that stays green, giving way: it may have ended a protected green just before.
        for foe, intergreen in self._foes[group]:
            if ends[foe] + intergreen > earliest:
                earliest = ends[foe] + intergreen
        return earliest

    def _wait_for_walks(
        self, starts: dict[int, int], aspects: Sequence[int], wanted: Sequence[int], pending: Sequence[Change]
    ) -> None:
        """Hold a start that falls behind the end of a walk in the same stage until that walk has cleared."""
        if not self.on_demand:
            return
        running = {
            group: due
            for due, group, aspect in reversed(pending)
            if PERMISSIVE <= aspects[group] <= wanted[group] and aspect < PERMISSIVE
        }
        moved = True
        while moved:  # a start held for one walk may fall behind the end of another
            moved = False
            walks = running | {
                g: start + self._groups[g].minimum for g, start in starts.items() if self.on_demand >> g & 1
            }
            for walk, end in walks.items():
                for group, start in starts.items():
                    intergreen = self._intergreen[walk][group]
                    if intergreen != NO_CONFLICT and end <= start < end + intergreen:
                        starts[group] = end + intergreen
                        moved = True

    def _late_ends(
        self, ending: Sequence[int], aspects: Sequence[int], starts: dict[int, int], now: int
    ) -> dict[int, int]:
        latest = dict.fromkeys(ending, -1)
        for group, start in starts.items():
            for foe, intergreen in self._foes[group]:
                if foe in latest:
                    due = start - intergreen
                    latest[foe] = due if latest[foe] < 0 else min(latest[foe], due)
        for group in ending:
            # A group nothing waits for, and one that restarts as permissive, ends at once.
            if latest[group] < now or group in starts:
                latest[group] = now
        return self._without_yellow_trap(latest, aspects)

    def _without_yellow_trap(self, latest: dict[int, int], aspects: Sequence[int]) -> dict[int, int]:
        turning = [group for group in latest if aspects[group] == PERMISSIVE]
        for _ in turning:
            for group in turning:
                for other in self._oncoming[group]:
                    if other in latest and latest[other] > latest[group]:
                        latest[other] = latest[group]
        return latest
