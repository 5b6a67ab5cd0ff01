"""Exhaustive search over the real engine and guard: every state that can be reached, every request in each.

Why a finite search covers an endless run. Engine and guard use times only in differences, so a state may be
moved to one common `now`. Each difference is only ever compared with a limit, and past the limit the answer
no longer changes:

* `since` is compared with the minimum, for groups that show green: the age is capped there, and forgotten for
  groups that do not show green;
* `ended` is compared with intergreens and with change + red revert: capped at the longest of them;
* `settled_at` is compared with `now`: what has passed is now; `pending` lies in the future and is finite;
* `waiting_since` is read through `Engine.most_overdue` alone, as the excess over the group's limit. Below 0
  the excess is kept; there are finitely many. From 0 on only the order of the excesses counts (the most
  overdue is served first) and all grow alike, so an overdue group keeps its rank instead of its age;
* `called` is read for groups that do not show green, where it equals who waits.

Two states with the same normal form therefore answer every request alike and lead to states with the same
normal form. `test_normal_forms_answer_as_their_states_do` checks that on long random walks. The checker's
view is part of the searched state, so a rule about history is judged on every history.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import NamedTuple

from stopline_signals import KEEP, Engine, EngineState, Guard, SignalPlan
from stopline_signals.transition import PERMISSIVE, Change
from tests.proofs.lamp_rules import LampRules, View

NOW = 1000
"""The time every normal form is moved to; late enough for all that is remembered to lie after 0."""
UNKNOWN = 99
"""A stage no plan has."""
RESTART = 1000
"""Added to a stage: the engine starts up anew, in that stage, as it does on the way out of flash."""
Lamps = tuple[int, int, tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[Change, ...]]
"""stage, settled_at, aspects, since, ended and pending of a normal form"""
Waiting = tuple[tuple[int, ...], int]
"""waiting_since and called of a normal form"""


class Node(NamedTuple):
    """What the search knows of a moment: the engine's normal form and the checker's view."""

    state: EngineState
    view: View


class Unsafe(AssertionError):
    """A reachable state breaks a rule; the message has the way there."""


class Found:
    """The explored graph: nodes in order of discovery, edges as parallel arrays.

    `waits` is the mask of groups that wait all along an edge with their call held; `free` says that a policy
    can take the edge: it is not an operator's who keeps the junction at all red.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.parents: list[tuple[int, int, int]] = []
        self.sources, self.targets = array("i"), array("i")
        self.waits, self.free = array("b"), array("b")

    def way_to(self, node: int) -> list[tuple[int, int]]:
        """Verdicts and calls that lead from a start to the node."""
        way: list[tuple[int, int]] = []
        while node >= 0:
            node, stage, calls = self.parents[node]
            way.append((stage, calls))
        return way[-2::-1]


class Search:
    """Explores one plan, tick by tick.

    `guarded` puts the guard between requests and engine. Without it every request reaches the engine raw, all
    that the guard could ever let through among them, and at all red the junction may also start up anew. Who
    waits is then left out of the normal form: it can only keep a walk from starting, and so can a call that
    is not there. With `every` > 0 a decision is taken every so many ticks: it counts at once, and nothing is
    asked in between, which is how the simulator runs a junction.
    """

    def __init__(
        self, plan: SignalPlan, calls: Iterable[int], *, guarded: bool = True, every: int = 0
    ) -> None:
        self.plan = plan
        self.engine = Engine(plan)
        self.guard = Guard(self.engine)
        self.rules = LampRules(plan)
        self._calls = tuple(calls)
        self._judged: dict[tuple[View, tuple[int, ...]], tuple[View, list[str]]] = {}
        self._guarded = guarded
        self._every = every
        self._requests = (KEEP, *range(len(plan.stages) + 1), UNKNOWN, -UNKNOWN)
        self._groups = list(range(len(plan.groups)))
        self._minimum = [group.minimum for group in plan.groups]
        longest = max(value for row in plan.intergreen for value in row)
        changes = max(group.change for group in plan.groups)
        self._horizon = max(longest, changes + max(plan.red_revert, 1))
        self._nobody: Waiting = (-1,) * len(plan.groups), 0
        # Most states differ from others in their lamps or in who waits, not in both.
        self._lamps: dict[tuple[object, ...], Lamps] = {}
        self._who_waits: dict[tuple[int, tuple[int, ...]], Waiting] = {}

    def run(self, most: int = 1_000_000) -> Found:
        """Explore everything that can be reached from a start in any stage.

        Raises:
            Unsafe: the checker found a broken rule.
            MemoryError: there are more states than `most`.
        """
        found, numbers = Found(), dict[Node, int]()
        for stage in range(len(self.plan.stages)):
            state = self.engine.start(NOW, stage)
            _number(Node(self.normal(state), self.rules.first(state.aspects)), (-1, stage, 0), numbers, found)
        at = 0
        while at < len(found.nodes):
            if at > most:
                raise MemoryError(f"{self.plan.junction}: more than {most} states")
            self._expand(at, numbers, found)
            at += 1
        return found

    def normal(self, state: EngineState) -> EngineState:
        """The state moved to NOW, with everything forgotten that cannot matter any more."""
        key = (*state[:6], state.pending)
        lamps = self._lamps.get(key)
        if lamps is None:
            lamps = self._lamps[key] = self._normal_lamps(state)
        stage, settled_at, aspects, since, ended, pending = lamps
        waiting, called = self._waiting(state.now, state.waiting_since)
        return EngineState(NOW, stage, settled_at, aspects, since, ended, waiting, pending, called)

    def _normal_lamps(self, state: EngineState) -> Lamps:
        now, shift, aspects, since = state.now, NOW - state.now, state.aspects, state.since
        return (
            state.stage,
            max(state.settled_at, now) + shift,
            aspects,
            tuple(
                [
                    max(since[g], now - self._minimum[g]) + shift if aspects[g] >= PERMISSIVE else NOW
                    for g in self._groups
                ]
            ),
            tuple([max(end, now - self._horizon) + shift for end in state.ended]),
            tuple([(due + shift, group, aspect) for due, group, aspect in state.pending]),
        )

    def verdicts(self, state: EngineState) -> dict[int, bool]:
        """The requests that can reach the engine now, and whether a policy can bring each about."""
        if not self._guarded:
            stages = range(len(self.plan.stages))
            restarts = [RESTART + stage for stage in stages] if self._may_restart(state) else []
            return dict.fromkeys((KEEP, *stages, self.engine.all_red, *restarts), True)
        granted = [self.guard.decide(state, request).stage for request in self._requests]
        # All red is held by operators and flash only: a wait that they cause is theirs.
        return {stage: stage != self.engine.all_red or state.in_transition for stage in granted}

    def _may_restart(self, state: EngineState) -> bool:
        """Whether flash, or another plan, may begin: the condition FlashControl asks for."""
        return state.stage == self.engine.all_red and not state.in_transition and not any(state.aspects)

    def _waiting(self, now: int, waiting_since: tuple[int, ...]) -> Waiting:
        if not self._guarded:
            return self._nobody
        known = self._who_waits.get((now, waiting_since))
        if known is not None:
            return known
        limits = self.engine.limits
        excess = {g: now - s - limits[g] for g, s in enumerate(waiting_since) if s >= 0}
        overdue = sorted({value for value in excess.values() if value >= 0})
        for g, value in excess.items():
            if value >= 0:
                excess[g] = overdue.index(value)
        waiting = tuple([NOW - limits[g] - excess[g] if g in excess else -1 for g in self._groups])
        self._who_waits[now, waiting_since] = found = waiting, sum(1 << g for g in excess)
        return found

    def _expand(self, at: int, numbers: dict[Node, int], found: Found) -> None:
        state, view = found.nodes[at]
        self._judged.clear()
        for stage, free in self.verdicts(state).items():
            for calls in self._calls:
                after, seen = self._walk(state, view, stage, calls, found, at)
                node = Node(self.normal(after), seen)
                found.sources.append(at)
                found.targets.append(_number(node, (at, stage, calls), numbers, found))
                found.waits.append(_held(state, after, calls))
                found.free.append(free)

    def _walk(
        self, state: EngineState, view: View, stage: int, calls: int, found: Found, at: int
    ) -> tuple[EngineState, View]:
        if stage >= RESTART:
            state = self.engine.advance(self.engine.start(NOW, stage - RESTART), KEEP, calls, NOW + 1).state
            return state, self._show(state, view, stage, calls, found, at)
        if not self._every:
            state = self.engine.advance(state, stage, calls, NOW + 1).state
            return state, self._show(state, view, stage, calls, found, at)
        for tick in range(self._every):
            request = KEEP if tick else stage
            state = self.engine.advance(state, request, calls, NOW + tick).state
            view = self._show(state, view, stage, calls, found, at)
        return self.engine.advance(state, KEEP, calls, NOW + self._every).state, view

    def _show(self, state: EngineState, view: View, stage: int, calls: int, found: Found, at: int) -> View:
        # Most requests and calls show the same lamps a tick later.
        judged = self._judged.get((view, state.aspects))
        if judged is None:
            judged = self._judged[view, state.aspects] = self.rules.step(view, state.aspects)
        view, problems = judged
        if problems:
            way = [*found.way_to(at), (stage, calls)]
            raise Unsafe(f"{self.plan.junction}: {problems[0]}; verdicts and calls: {way}\n{self.plan}")
        return view


def _number(node: Node, parent: tuple[int, int, int], numbers: dict[Node, int], found: Found) -> int:
    number = numbers.setdefault(node, len(found.nodes))
    if number == len(found.nodes):
        found.nodes.append(node)
        found.parents.append(parent)
    return number


def _held(before: EngineState, after: EngineState, calls: int) -> int:
    """Mask of the groups that wait before and after with one and the same call."""
    held = 0
    for g, since in enumerate(after.waiting_since):
        if since >= 0 and since == before.waiting_since[g] and calls >> g & 1:
            held |= 1 << g
    return held
