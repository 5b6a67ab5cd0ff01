"""Faults of lamps, relays and clocks: each takes a sound stream of lamps and spoils it in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stopline_mmu import Card, Lamp, Rule
from tests.mmu.driven_lamps import Row

Rows = list[list[int]]
Spoil = Callable[[Rows, Card], None]
RED, YELLOW, PERMISSIVE, GREEN = 0, 1, 2, 3


def vehicle_yellow_a_tenth_short(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, YELLOW, RED)
    rows[at - 1][channel] = RED


def vehicle_yellow_halved(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, YELLOW, RED)
    _paint(rows, channel, at - card.channels[channel].min_change // 2, at, RED)


def yellow_skipped(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, GREEN, YELLOW)
    _paint(rows, channel, at, _until(rows, channel, at), RED)


def permissive_yellow_skipped(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, PERMISSIVE, YELLOW)
    _paint(rows, channel, at, _until(rows, channel, at), RED)


def clearance_of_people_cut(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, YELLOW, RED, people=True)
    _paint(rows, channel, at - (at - _began(rows, channel, at - 1)) + 10, at, RED)


def clearance_of_people_skipped(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, GREEN, YELLOW, people=True)
    _paint(rows, channel, at, _until(rows, channel, at), RED)


def green_of_a_second(rows: Rows, card: Card) -> None:
    """Green ends after a second, in its full yellow."""
    at, channel = _first(rows, card, RED, GREEN)
    yellow = card.channels[channel].min_change
    _paint(rows, channel, at + 10, at + 10 + yellow, YELLOW)
    _paint(rows, channel, at + 10 + yellow, max(_until(rows, channel, at), at + 11 + yellow), RED)


def walk_a_tenth_short(rows: Rows, card: Card) -> None:
    """Walk is lit late."""
    at, channel = _first(rows, card, RED, GREEN, people=True)
    end = _until(rows, channel, at)
    _paint(rows, channel, at, end - card.channels[channel].min_green + 1, RED)


def walk_of_a_blink(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, RED, GREEN, people=True)
    _paint(rows, channel, at + 1, _until(rows, channel, at), YELLOW)


def conflicting_green_for_a_tenth(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, RED, GREEN)
    rows[at + 20][_foe(card, channel)] = GREEN


def conflicting_yellow_for_a_tenth(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, RED, GREEN)
    rows[at + 20][_foe(card, channel)] = YELLOW


def walk_into_traffic(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, RED, GREEN)
    rows[at + 20][_foe(card, channel, people=True)] = GREEN


def traffic_into_a_clearing_walk(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, GREEN, YELLOW, people=True)
    rows[at + 5][_foe(card, channel)] = GREEN


def relay_welded_at_green(rows: Rows, card: Card) -> None:
    """A green that never goes out while the junction goes on."""
    at, channel = _first(rows, card, GREEN, YELLOW)
    _paint(rows, channel, at, len(rows), GREEN)


def yellow_stuck(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, YELLOW, RED)
    _paint(rows, channel, at, len(rows), YELLOW)


def lamp_dark_for_a_tenth(rows: Rows, card: Card) -> None:
    rows[300][0] = Lamp.DARK


def whole_head_burnt_out(rows: Rows, card: Card) -> None:
    _paint(rows, 1, 400, len(rows), Lamp.DARK)


def red_and_green_at_once(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, RED, GREEN)
    _paint(rows, channel, at + 5, at + 9, Lamp.DUAL)


def green_flickers_red(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, RED, GREEN)
    rows[at + 30][channel] = RED


def yellow_flickers_green(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, GREEN, YELLOW)
    rows[at + 10][channel] = GREEN


def back_to_green_out_of_yellow(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, YELLOW, RED)
    _paint(rows, channel, at - 1, at + 60, GREEN)


def green_again_after_a_second_of_red(rows: Rows, card: Card) -> None:
    at, channel = _first(rows, card, YELLOW, RED)
    _paint(rows, channel, at + 10, at + 80, GREEN)


def one_head_flashes(rows: Rows, card: Card) -> None:
    _paint(rows, 2, 500, 520, Lamp.FLASH)


def flashing_arrow_shown_as_a_green_one(rows: Rows, card: Card) -> None:
    """A turn that should give way is told it need not."""
    for row in rows:
        for turn, other in card.yields:
            if (row[turn], row[other]) == (PERMISSIVE, GREEN):
                row[turn] = GREEN
                return
    raise LookupError("no turn beside what it gives way to")


def trapped_turn(rows: Rows, card: Card) -> None:
    """The turn ends while the traffic it crosses stays green."""
    oncoming = dict(card.oncoming)
    for at, row in enumerate(rows):
        for turn, other in oncoming.items():
            both = [(row[turn], row[other]), (rows[at - 55][turn], rows[at - 55][other])]
            if at > 55 and both == [(PERMISSIVE, GREEN)] * 2:
                _paint(rows, turn, at, at + 30, YELLOW)
                _paint(rows, turn, at + 30, len(rows), RED)
                _paint(rows, other, at, at + 40, GREEN)
                return
    raise LookupError("no permissive turn beside its oncoming traffic")


def two_cables_swapped(rows: Rows, card: Card) -> None:
    """The first two conflicting heads show each other's lamps."""
    foe = _foe(card, 0)
    for row in rows:
        row[0], row[foe] = row[foe], row[0]


def lamps_frozen(rows: Rows, card: Card) -> None:
    """The driver board hangs in the middle of a yellow and comes back ten seconds later."""
    at, _ = _first(rows, card, GREEN, YELLOW)
    rows[at + 5 : at + 105] = [list(rows[at + 5]) for _ in range(100)]
    channel = next(g for g, lamp in enumerate(rows[at + 5]) if lamp == YELLOW)
    rows[at + 105][channel] = GREEN


LAMP_MUTANTS: tuple[tuple[Spoil, frozenset[Rule]], ...] = (
    (vehicle_yellow_a_tenth_short, frozenset({Rule.SHORT_YELLOW})),
    (vehicle_yellow_halved, frozenset({Rule.SHORT_YELLOW})),
    (yellow_skipped, frozenset({Rule.SKIPPED_YELLOW})),
    (permissive_yellow_skipped, frozenset({Rule.SKIPPED_YELLOW})),
    (clearance_of_people_cut, frozenset({Rule.SHORT_PED_CLEARANCE})),
    (clearance_of_people_skipped, frozenset({Rule.SKIPPED_PED_CLEARANCE})),
    (green_of_a_second, frozenset({Rule.SHORT_GREEN})),
    (walk_a_tenth_short, frozenset({Rule.SHORT_WALK})),
    (walk_of_a_blink, frozenset({Rule.SHORT_WALK})),
    (conflicting_green_for_a_tenth, frozenset({Rule.CONFLICT})),
    (conflicting_yellow_for_a_tenth, frozenset({Rule.CONFLICT})),
    (walk_into_traffic, frozenset({Rule.CONFLICT})),
    (traffic_into_a_clearing_walk, frozenset({Rule.CONFLICT})),
    (relay_welded_at_green, frozenset({Rule.CONFLICT})),
    (yellow_stuck, frozenset({Rule.CONFLICT})),
    (lamp_dark_for_a_tenth, frozenset({Rule.DARK})),
    (whole_head_burnt_out, frozenset({Rule.DARK})),
    (red_and_green_at_once, frozenset({Rule.DUAL})),
    (green_flickers_red, frozenset({Rule.SHORT_GREEN, Rule.SKIPPED_YELLOW})),
    (yellow_flickers_green, frozenset({Rule.YELLOW_TO_GREEN})),
    (back_to_green_out_of_yellow, frozenset({Rule.YELLOW_TO_GREEN})),
    (green_again_after_a_second_of_red, frozenset({Rule.SHORT_RED})),
    (one_head_flashes, frozenset({Rule.PARTIAL_FLASH})),
    (flashing_arrow_shown_as_a_green_one, frozenset({Rule.CONFLICT})),
    (trapped_turn, frozenset({Rule.YELLOW_TRAP})),
    (two_cables_swapped, frozenset({Rule.CONFLICT})),
    (lamps_frozen, frozenset({Rule.YELLOW_TO_GREEN})),
)
"""Each fault and the rules of which the monitor must report at least one."""


def spoilt(rows: Sequence[Row], spoil: Spoil, card: Card) -> Rows:
    """A copy of the stream with the fault in it.

    Raises:
        LookupError: the stream has no place for this fault.
    """
    copy = [list(row) for row in rows]
    spoil(copy, card)
    return copy


def _first(rows: Rows, card: Card, before: int, now: int, *, people: bool = False) -> tuple[int, int]:
    """Time and channel of the first such change, well inside the stream."""
    for at in range(200, len(rows) - 400):
        for channel, lamp in enumerate(rows[at]):
            fits = card.channels[channel].pedestrian == people
            if fits and lamp == now and rows[at - 1][channel] == before:
                return at, channel
    raise LookupError(f"no change from {before} to {now}")


def _until(rows: Rows, channel: int, at: int) -> int:
    """When the lamp shown at `at` goes out."""
    return next(t for t in range(at, len(rows)) if rows[t][channel] != rows[at][channel])


def _began(rows: Rows, channel: int, at: int) -> int:
    return next(t + 1 for t in range(at, -1, -1) if rows[t][channel] != rows[at][channel])


def _foe(card: Card, channel: int, *, people: bool = False) -> int:
    """A channel that may never run with this one, not even giving way."""
    for other, spec in enumerate(card.channels):
        pairs = {(channel, other), (other, channel)}
        if other != channel and spec.pedestrian == people and not pairs & (card.compatible | card.yields):
            return other
    raise LookupError(f"nobody conflicts with channel {channel}")


def _paint(rows: Rows, channel: int, start: int, end: int, lamp: int) -> None:
    for row in rows[start:end]:
        row[channel] = lamp
