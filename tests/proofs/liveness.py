"""What the explored graph says about progress: which stages stay in reach, and how long a call can wait."""

from __future__ import annotations

from typing import Any

import numpy as np

from stopline_signals import SignalPlan
from stopline_signals.transition import PERMISSIVE
from tests.proofs.search import Found

Ints = np.ndarray[Any, np.dtype[np.int64]]


def stuck(plan: SignalPlan, found: Found) -> list[str]:
    """Stages that some reachable state cannot reach any more, described; empty when there is no deadlock."""
    sources, targets = _ints(found.sources), _ints(found.targets)
    order = np.argsort(targets, kind="stable")
    into, first = sources[order], np.searchsorted(targets[order], np.arange(len(found.nodes) + 1))
    problems: list[str] = []
    for stage in range(len(plan.stages)):
        goal = [n for n, node in enumerate(found.nodes) if _in_force(plan, node.state, stage)]
        lost = ~_backward(np.array(goal, dtype=np.int64), into, first)
        if lost.any():
            node = int(np.flatnonzero(lost)[0])
            problems.append(f"stage {stage} is out of reach after {found.way_to(node)}: {found.nodes[node]}")
    return problems


def longest_waits(plan: SignalPlan, found: Found, every: int = 0) -> list[int | None]:
    """Per group the most ticks its held call can wait whatever a policy asks; None: without end."""
    sources, targets = _ints(found.sources), _ints(found.targets)
    waits, free = _ints(found.waits), _ints(found.free).astype(bool)
    longest: list[int | None] = []
    for group in range(len(plan.groups)):
        held = free & (waits >> group & 1 == 1)
        depth = _depth(sources[held], targets[held], len(found.nodes))
        longest.append(None if depth is None else (depth + 1) * max(every, 1))
    return longest


def _in_force(plan: SignalPlan, state: Any, stage: int) -> bool:
    shown = all(
        state.aspects[g] >= PERMISSIVE for g in plan.stages[stage].groups if not plan.groups[g].on_demand
    )
    return bool(state.stage == stage and state.settled_at <= state.now and shown)


def _backward(frontier: Ints, into: Ints, first: Ints) -> np.ndarray[Any, np.dtype[np.bool_]]:
    seen = np.zeros(len(first) - 1, dtype=np.bool_)
    seen[frontier] = True
    while len(frontier):
        spans = [into[first[node] : first[node + 1]] for node in frontier]
        before = np.unique(np.concatenate(spans))
        frontier = before[~seen[before]]
        seen[frontier] = True
    return seen


def _depth(sources: Ints, targets: Ints, count: int) -> int | None:
    """Edges on the longest path; None when there is a cycle."""
    depth = 0
    while len(sources):
        # Peel off the edges into nodes that nothing leaves: one layer is one step of the longest path.
        leads_on = np.zeros(count, dtype=np.bool_)
        leads_on[sources] = True
        goes_on = leads_on[targets]
        if goes_on.all():
            return None
        sources, targets = sources[goes_on], targets[goes_on]
        depth += 1
    return depth


def _ints(values: Any) -> Ints:
    return np.frombuffer(values, dtype=values.typecode).astype(np.int64)
