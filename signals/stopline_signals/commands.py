"""Two rules about commands to a cabinet: not too many, and the lamps do what was asked.

Invariants (n) and (o) of the safety case. Both are pure: what they remember goes in and comes out. Whoever
finds a discrepancy stops commanding, which leaves the cabinet to its local plan, and raises an alarm.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from stopline_signals.engine import KEEP, Engine, EngineState
from stopline_signals.transition import PERMISSIVE, YELLOW

NEVER = -1


class CommandRate:
    """At most `most` commands in any `window` tenths; what is over that waits, nothing is queued."""

    def __init__(self, most: int, window: int) -> None:
        """Bind to the limit; both at least 1."""
        self._most, self._window = max(most, 1), max(window, 1)

    def take(self, sent: tuple[int, ...], now: int) -> tuple[tuple[int, ...], bool]:
        """Whether one more may be sent at `now` (tenths); `sent` are the times of earlier ones, () at first.

        A clock that ran backwards (a cabinet restarted) forgets what was sent after it.
        """
        recent = tuple(at for at in sent if now - self._window < at <= now)
        if len(recent) >= self._most:
            return recent, False
        return (*recent, now), True


class Discrepancy(StrEnum):
    """How a cabinet differs from what it was asked."""

    NOT_FOLLOWED = "the cabinet does not enter the stage it was asked for"
    OTHER_LAMPS = "the lamps are not those of the stage in force"


class ReadBackMemory(NamedTuple):
    """Since when (tenths, NEVER: not) something asked could have been followed, and lamps were wrong."""

    due_since: int = NEVER
    wrong_since: int = NEVER


class ReadBack:
    """Holds what a cabinet shows against what it was asked and against the plan."""

    def __init__(self, engine: Engine, patience: int = 20) -> None:
        """`patience` is how long (tenths) a discrepancy may last: ticks of the cabinet, delay of the wire."""
        self._engine, self._patience = engine, patience
        groups = range(len(engine.plan.groups))
        stages = (*engine.plan.stages, None)
        self._lamps = tuple(
            tuple(0 if stage is None else int(stage.aspect(group)) for group in groups) for stage in stages
        )
        self._on_demand = tuple(group.on_demand for group in engine.plan.groups)

    def see(
        self, memory: ReadBackMemory, state: EngineState, asked: int
    ) -> tuple[ReadBackMemory, Discrepancy | None]:
        """Judge a state read back while `asked` (a stage, KEEP for nothing) is the command in force.

        Who asks for another stage every moment does not set the time anew: a cabinet that follows nobody is
        found all the same.
        """
        due = asked not in (KEEP, state.stage) and bool(self._engine.legal(state) >> asked & 1)
        due_since = _since(memory.due_since, due, state.now)
        wrong_since = _since(memory.wrong_since, self._wrong(state), state.now)
        memory = ReadBackMemory(due_since, wrong_since)
        if self._over(wrong_since, state.now):
            return memory, Discrepancy.OTHER_LAMPS
        return memory, Discrepancy.NOT_FOLLOWED if self._over(due_since, state.now) else None

    def _over(self, since: int, now: int) -> bool:
        return since != NEVER and now - since > self._patience

    def _wrong(self, state: EngineState) -> bool:
        """Whether a settled stage shows other lamps than its own; what changes by itself is left out."""
        if state.in_transition or not 0 <= state.stage < len(self._lamps):
            return not state.in_transition
        return bool(self.differing(state))

    def differing(self, state: EngineState) -> list[int]:
        """The groups whose lamps are not those of the stage in force, a stage of the plan or all red."""
        found = zip(state.aspects, self._lamps[state.stage], self._on_demand, strict=True)
        return [group for group, lamps in enumerate(found) if _differs(*lamps)]


def _since(before: int, holds: bool, now: int) -> int:
    if not holds:
        return NEVER
    return now if before == NEVER or before > now else before


def _differs(shown: int, due: int, on_demand: bool) -> bool:
    """A yellow may run on into the stage, and an on-demand group comes and goes within it."""
    if on_demand:
        return shown >= PERMISSIVE > due
    return shown not in (due, YELLOW) or (shown == YELLOW and due >= PERMISSIVE)
