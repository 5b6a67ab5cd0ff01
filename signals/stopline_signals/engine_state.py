"""What the timing engine remembers and answers with: plain records, made thousands of times a second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from stopline_signals.events import Event
from stopline_signals.records import new
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


Shown = list[tuple[int, tuple[int, ...]]]
"""Changes of the lamps: the moment of each (tenths), and the lamps from then on."""


class Run(NamedTuple):
    """Result of `Engine.run`: the state at the end, and each change of the lamps on the way.

    `shown` has the moment of each change (tenths) and the lamps from then on.
    """

    state: EngineState
    shown: Shown


def passed_to(now: int, state: EngineState) -> EngineState:
    """The same state at another time; several times cheaper than `_replace`."""
    return new(EngineState, (now, *state[1:]))


def waits_after(since: tuple[int, ...], calls: int, changed: int, now: int) -> tuple[int, ...]:
    """Since when each group waits once the calls of the `changed` groups (bit mask) are as in `calls`."""
    waiting = list(since)
    while changed:  # as `members`, but asked for each time that somebody comes or goes
        lowest = changed & -changed
        waiting[lowest.bit_length() - 1] = now if calls & lowest else NOT_WAITING
        changed ^= lowest
    return tuple(waiting)


def members(mask: int) -> Iterator[int]:
    """The groups of a bit mask, by index."""
    while mask:
        yield (mask & -mask).bit_length() - 1
        mask &= mask - 1


def end_moment(
    moment: int,
    aspects: list[int],
    events: list[Event],
    calling: list[Event],
    shown: Shown | None,
) -> None:
    """All lamps due at the moment are on: tell them, or the calls that follow them."""
    if shown is not None:
        shown.append((moment, tuple(aspects)))
    events += calling
    calling.clear()
