"""The lamp changes a cabinet's transition has still to make, which no cabinet tells.

Without them nobody could say when the next stage may be asked for: a group that is not green yet has its
whole minimum before it. They are computed from the last look before the transition, by the same engine, and
moved to the end that the cabinet does tell.
"""

from __future__ import annotations

from stopline_signals.engine import Engine, EngineState, shown_green
from stopline_signals.plan import Aspect

Changes = tuple[tuple[int, int, int], ...]

TOLERANCE = 20
"""Tenths by which our end of the transition may differ from the cabinet's before ours counts as wrong."""


def changes_to_come(engine: Engine, previous: EngineState | None, state: EngineState, calls: int) -> Changes:
    """The pending changes of a state read back in transition; `previous` is the one read back before."""
    if not 0 <= state.stage <= engine.all_red:
        return ()
    expected = _expected(engine, previous, state, calls)
    if expected is None or abs(state.settled_at - expected.settled_at) > TOLERANCE:
        return _at_the_end(engine, state, calls)
    shift = state.settled_at - expected.settled_at
    return tuple(
        (due + shift, group, aspect) for due, group, aspect in expected.pending if due + shift > state.now
    )


def _expected(
    engine: Engine, previous: EngineState | None, state: EngineState, calls: int
) -> EngineState | None:
    if previous is None:
        return None
    if previous.stage == state.stage:
        # Already on the way at the last look, and foreseen then.
        return previous if previous.pending else None
    begun = engine.advance(previous._replace(now=state.now), state.stage, calls, state.now).state
    return begun if begun.stage == state.stage else None


def _at_the_end(engine: Engine, state: EngineState, calls: int) -> Changes:
    """When nothing is known of the way: everything that is missing comes with its end."""
    plan = engine.plan
    stage = plan.stages[state.stage] if state.stage < len(plan.stages) else None
    changes: list[tuple[int, int, int]] = []
    for group, shown in enumerate(state.aspects):
        asleep = plan.groups[group].on_demand and not calls >> group & 1 and not shown_green(shown)
        wanted = Aspect.RED if stage is None or asleep else stage.aspect(group)
        if shown != wanted:
            changes.append((state.settled_at, group, int(wanted)))
    return tuple(changes)
