"""Lamp changes a monitor has seen before, boiled down to the comparisons of time they call for.

A signal repeats a few hundred changes for ever. What such a change means does not depend on the time; only
whether intervals were long enough does. A way holds those comparisons. When they all hold, nothing is wrong;
when one does not, or the change is wrong whatever the times, the monitor judges it in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stopline_mmu.config import Card
from stopline_mmu.lamps import Lamp

GREENISH = frozenset({Lamp.GREEN, Lamp.PERMISSIVE})
MOVING = frozenset({Lamp.GREEN, Lamp.PERMISSIVE, Lamp.YELLOW})
STOPPED = frozenset({Lamp.RED, Lamp.RED_YELLOW})
ORDINARY = MOVING | STOPPED
Limits = tuple[tuple[int, int], ...]
"""(channel, least tenths)"""


class Timers(NamedTuple):
    """Per channel when (tenths, None: unknown) its indication and movement began and its greens last ended.

    The lists are the monitor's own and change under it.
    """

    since: list[int | None]
    moving: list[int | None]
    ended: list[int | None]
    protected_end: list[int | None]


class Way(NamedTuple):
    """One change of lamps: times that must have passed, and the timers it sets.

    `key` names the lamps and rights it leads to.
    """

    key: bytes
    lamps: tuple[Lamp, ...]
    right: tuple[Lamp, ...]
    shown_for: Limits
    moved_for: Limits
    cleared: Limits
    protected_cleared: Limits
    set_since: tuple[int, ...]
    set_moving: tuple[int, ...]
    set_ended: tuple[int, ...]
    set_protected_end: tuple[int, ...]

    def passes(self, time: int, timers: Timers) -> bool:
        """Whether every interval was long enough; if so, the timers are set."""
        since, moving, ended, protected = timers
        for limits, began in (
            (self.cleared, ended),
            (self.moved_for, moving),
            (self.shown_for, since),
            (self.protected_cleared, protected),
        ):
            for channel, least in limits:
                at = began[channel]
                if at is not None and time - at < least:
                    return False
        for channel in self.set_since:
            since[channel] = time
        for channel in self.set_moving:
            moving[channel] = time
        for channel in self.set_ended:
            ended[channel] = time
        for channel in self.set_protected_end:
            protected[channel] = time
        return True


def way_between(
    card: Card,
    foes: Sequence[Sequence[int]],
    before: Sequence[Lamp],
    lamps: tuple[Lamp, ...],
    right: Sequence[Lamp],
) -> Way | None:
    """The way from one sample to the next; None when it takes more than times to judge it.

    `right` is the last green of each channel before the change, `foes` the channels it must not run with.
    """
    if not ORDINARY.issuperset(before) or not ORDINARY.issuperset(lamps):
        return None
    changed = [i for i, lamp in enumerate(lamps) if before[i] is not lamp]
    if any(_wrong(card, i, before[i], lamps) for i in changed):
        return None
    after = rights(lamps, right)
    if _conflict(card, foes, lamps, after):
        return None
    ends = {i for i in changed if before[i] in GREENISH and lamps[i] not in GREENISH}
    protected_ends = {i for i in changed if before[i] is Lamp.GREEN}
    starts = [i for i in changed if _starts(before[i], lamps[i], right[i])]
    cleared, protected = _clearances(card, foes, lamps, starts)
    if ends & cleared.keys() or protected_ends & protected.keys():
        return None
    return Way(
        bytes((*lamps, *after)),
        lamps,
        after,
        _limits(card, [(i, _least_shown(card, i, before[i], lamps[i])) for i in changed]),
        _limits(card, [(i, card.channels[i].min_green) for i in sorted(ends)]),
        tuple(cleared.items()),
        tuple(protected.items()),
        tuple(i for i in changed if not (before[i] in STOPPED and lamps[i] in STOPPED)),
        tuple(i for i in changed if before[i] not in MOVING and lamps[i] in MOVING),
        tuple(sorted(ends)),
        tuple(sorted(protected_ends)),
    )


def rights(lamps: Sequence[Lamp], before: Sequence[Lamp]) -> tuple[Lamp, ...]:
    """Whose green each channel shows, or its yellow ends; `before` is the same of the lamps until now.

    A channel that is red has none, and counts as protected: which green it last had matters to nobody, and
    told apart would make every change of lamps many ways.
    """
    return tuple(
        lamp if lamp in GREENISH else before[i] if lamp is Lamp.YELLOW else Lamp.GREEN
        for i, lamp in enumerate(lamps)
    )


def _wrong(card: Card, i: int, old: Lamp, lamps: Sequence[Lamp]) -> bool:
    """Whether channel i does what no passing of time makes right, or what is too rare to be worth a way."""
    new = lamps[i]
    if old in GREENISH and new in STOPPED:
        return card.channels[i].min_change > 0
    if old is Lamp.PERMISSIVE and new is Lamp.YELLOW:
        return any(lamp is Lamp.GREEN and (i, j) in card.oncoming for j, lamp in enumerate(lamps))
    return (old is Lamp.YELLOW and new in GREENISH) or (old in STOPPED and new is Lamp.YELLOW)


def _conflict(
    card: Card, foes: Sequence[Sequence[int]], lamps: Sequence[Lamp], right: Sequence[Lamp]
) -> bool:
    moving = [i for i, lamp in enumerate(lamps) if lamp in MOVING]
    for i in moving:
        for j in foes[i]:
            waits = right[i] is Lamp.PERMISSIVE and (i, j) in card.yields
            is_waited_for = right[j] is Lamp.PERMISSIVE and (j, i) in card.yields
            if lamps[j] in MOVING and not waits and not is_waited_for:
                return True
    return False


def _starts(old: Lamp, new: Lamp, right: Lamp) -> bool:
    gained = new is Lamp.GREEN and right is Lamp.PERMISSIVE
    return new in MOVING and (old not in MOVING or gained)


def _least_shown(card: Card, i: int, old: Lamp, new: Lamp) -> int:
    """How long the old indication of channel i must have stood, beside its least green."""
    if old is Lamp.YELLOW and new in STOPPED:
        return card.channels[i].min_change
    return card.channels[i].min_red if old in STOPPED and new in MOVING else 0


def _clearances(
    card: Card, foes: Sequence[Sequence[int]], lamps: Sequence[Lamp], starts: Sequence[int]
) -> tuple[dict[int, int], dict[int, int]]:
    """Per foe the most time that must have passed since its end, and since its protected end."""
    cleared: dict[int, int] = {}
    protected: dict[int, int] = {}
    for j in starts:
        for i in foes[j]:
            if lamps[j] is Lamp.PERMISSIVE and (j, i) in card.yields:
                continue
            least = card.clearance.get((i, j), card.default_clearance) - card.thresholds.tolerance
            if least > 0:
                ends = protected if (i, j) in card.yields else cleared
                ends[i] = max(ends.get(i, 0), least)
    return cleared, protected


def _limits(card: Card, rows: Sequence[tuple[int, int]]) -> Limits:
    """The limits a shortfall can break."""
    tolerance = card.thresholds.tolerance
    return tuple((i, least - tolerance) for i, least in rows if least > tolerance)
