"""What the timing engine remembers and answers with: plain records, made thousands of times a second."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeVar

from stopline_signals.events import Event
from stopline_signals.transition import Change

KEEP = -1
"""Request that asks for nothing new."""

LONG_AGO = -36_000
NOT_WAITING = -1


class EngineState(NamedTuple):
    """Everything the engine remembers; per-group tuples follow the plan's group order.

    `stage` is in force, or being entered while `now < settled_at`. `since` is when each aspect began,
    `ended` the last end of green, `waiting_since` when an unserved call began (-1: none), `pending` the
    changes to come, `called` the calls (bit mask) that `waiting_since` has taken note of.
    """

    now: int
    stage: int
    settled_at: int
    aspects: tuple[int, ...]
    since: tuple[int, ...]
    ended: tuple[int, ...]
    waiting_since: tuple[int, ...]
    pending: tuple[Change, ...]
    called: int = 0

    @property
    def in_transition(self) -> bool:
        """Whether the stage is still being entered."""
        return self.now < self.settled_at


class Advanced(NamedTuple):
    """Result of `Engine.advance`."""

    state: EngineState
    events: list[Event]


class Lit(NamedTuple):
    """What the groups that show green mean for the next request: a function of the aspects alone.

    `mask` are those groups; `minima` has for each its index, its minimum, and the stages that do not end it.
    """

    mask: int
    minima: tuple[tuple[int, int, int], ...]


class Run(NamedTuple):
    """Result of `Engine.run`: the state at the end, and each change of the lamps on the way.

    `shown` has the moment of each change (tenths) and the lamps from then on.
    """

    state: EngineState
    shown: list[tuple[int, tuple[int, ...]]]


_Record = TypeVar("_Record")


class _Maker(Protocol):
    """Makes a NamedTuple of its fields, all of them and in order."""

    def __call__(self, kind: type[_Record], fields: tuple[object, ...], /) -> _Record: ...


# A NamedTuple's own constructor is Python; the tuple's builds the same record in a third of the time.
new: _Maker = vars(tuple)["__new__"]


def passed_to(now: int, state: EngineState) -> EngineState:
    """The same state at another time; several times cheaper than `_replace`."""
    return new(EngineState, (now, *state[1:]))
