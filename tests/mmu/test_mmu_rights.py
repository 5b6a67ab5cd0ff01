"""Who may run with whom and from when on: permissive rights, clearances, and what cannot be known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stopline_mmu import Card, Channel, Monitor, Rule, Thresholds, Violation, lamps_from_letters
from stopline_mmu.monitor import KEPT

# channels: main, left (gives way to main), side
CARD = Card(
    channels=(
        Channel(name="main", min_green=50, min_change=30, min_red=20),
        Channel(name="left", min_green=50, min_change=30, min_red=20),
        Channel(name="side", min_green=50, min_change=30, min_red=20),
    ),
    yields=frozenset({(1, 0)}),
    clearance={(0, 1): 60, (1, 0): 60},
    default_clearance=50,
)
Shown = tuple[tuple[int, str], ...]


def judge(shown: Shown, card: Card = CARD) -> list[Violation]:
    monitor = Monitor(card)
    return [v for time, state in shown for v in monitor.observe(time, lamps_from_letters(state))]


LEGAL: dict[str, Shown] = {
    "permissive beside what it gives way to": ((0, "rrr"), (50, "Grr"), (60, "Ggr")),
    "and the other way round": ((0, "rrr"), (50, "rgr"), (60, "Ggr")),
    "permissive right after the flow it gives way to": ((0, "Grr"), (60, "yrr"), (90, "rgr")),
    "the flow right after the permissive turn": ((0, "rgr"), (60, "ryr"), (90, "Grr")),
    "yellow keeps the right it had": ((0, "Ggr"), (60, "Gyr")),
    "protected a clearance after the flow ended": ((0, "Ggr"), (60, "ygr"), (90, "rgr"), (120, "rGr")),
    "clearance from a green, not from its yellow's end": ((0, "Grr"), (60, "yrr"), (90, "rrr"), (110, "rrG")),
    "minimum green over both rights of one go": ((0, "rrr"), (20, "rgr"), (40, "rGr"), (70, "ryr")),
    "two samples at one moment": ((0, "Grr"), (0, "Grr"), (60, "yrr")),
    "red of unknown age": ((0, "rrr"), (1, "Grr")),
    "green of unknown age": ((0, "Grr"), (1, "yrr")),
    "yellow of unknown age": ((0, "yrr"), (1, "rrr")),
    "red-yellow before green": ((0, "rrr"), (50, "urr"), (60, "Grr")),
    "after flash nothing is known": ((0, "ooo"), (10, "rrr"), (11, "Grr")),
}


@pytest.mark.parametrize("shown", LEGAL.values(), ids=LEGAL)
def test_what_is_right_stays_silent(shown: Shown) -> None:
    assert judge(shown) == []


WRONG: dict[str, tuple[Shown, Rule, tuple[str, ...], int]] = {
    "permissive beside what it does not give way to": (
        ((0, "rrG"), (60, "rgG")), Rule.CONFLICT, ("left", "side"), 0,
    ),
    "protected beside the flow": (((0, "Grr"), (60, "GGr")), Rule.CONFLICT, ("main", "left"), 0),
    "the flow yields to nobody": (((0, "rGr"), (60, "gGr")), Rule.CONFLICT, ("main", "left"), 0),
    "yellow of a protected turn beside the flow": (
        ((0, "rGr"), (60, "ryr"), (70, "Gyr")), Rule.CONFLICT, ("main", "left"), 0,
    ),
    "a yellow from nowhere": (((0, "Grr"), (60, "Gry")), Rule.CONFLICT, ("main", "side"), 0),
    "permissive turned protected too early": (
        ((0, "Ggr"), (60, "ygr"), (90, "rgr"), (119, "rGr")), Rule.CLEARANCE, ("main", "left"), 59,
    ),
    "protected end hidden by a permissive restart": (
        ((0, "rGr"), (60, "ryr"), (90, "rrr"), (110, "rgr"), (119, "Ggr")),
        Rule.CLEARANCE, ("left", "main"), 59,
    ),
    "permissive gets no discount from a stranger": (
        ((0, "rrG"), (60, "rry"), (90, "rrr"), (109, "rgr")), Rule.CLEARANCE, ("side", "left"), 49,
    ),
    "the flow gives no discount to side": (
        ((0, "Grr"), (60, "yrr"), (90, "rrr"), (109, "rrg")), Rule.CLEARANCE, ("main", "side"), 49,
    ),
    "a permissive turn owes side its clearance": (
        ((0, "rgr"), (60, "ryr"), (90, "rrr"), (109, "rrG")), Rule.CLEARANCE, ("left", "side"), 49,
    ),
    "green of a known age": (((0, "rrr"), (30, "Grr"), (79, "yrr")), Rule.SHORT_GREEN, ("main",), 49),
    "yellow of a known age": (((0, "Grr"), (60, "yrr"), (89, "rrr")), Rule.SHORT_YELLOW, ("main",), 29),
    "red of a known age": (
        ((0, "Grr"), (60, "yrr"), (90, "rrr"), (109, "Grr")), Rule.SHORT_RED, ("main",), 19,
    ),
    "red-yellow does not count as green": (
        ((0, "Grr"), (60, "yrr"), (90, "rrr"), (100, "urr"), (105, "Grr")), Rule.SHORT_RED, ("main",), 15,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("shown", "rule", "channels", "measured"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_and_measured(
    shown: Shown, rule: Rule, channels: tuple[str, ...], measured: int
) -> None:
    found = judge(shown)
    assert [(v.rule, v.channels, v.measured) for v in found] == [(rule, channels, measured)]
    assert found[0].time == shown[-1][0]
    assert all(name in str(found[0]) for name in channels)


def test_the_words_carry_the_figures() -> None:
    (short,) = judge(((0, "Grr"), (60, "yrr"), (89, "rrr")))
    assert str(short) == "8.9 s short_yellow: main lasted 2.9 s, at least 3.0 s is due"
    (early,) = judge(((0, "Grr"), (60, "yrr"), (90, "rrr"), (109, "rrG")))
    assert str(early) == "10.9 s clearance: side started 4.9 s after main ended, at least 5.0 s is due"
    gappy = replace(CARD, thresholds=Thresholds(max_gap=10))
    (gap,) = judge(((5, "rrr"), (15, "rrr"), (26, "rrr")), gappy)
    assert str(gap) == "2.6 s sample_gap: no lamps seen for 1.1 s"
    assert (gap.measured, gap.required) == (11, 10)


def test_a_lasting_fault_is_measured_from_its_first_sample() -> None:
    patient = replace(CARD, thresholds=Thresholds(conflict=4))
    found = judge(((10, "GrG"), (12, "GrG"), (14, "GrG"), (16, "GrG")), patient)
    assert [(v.time, v.rule, v.measured, v.required) for v in found] == [(14, Rule.CONFLICT, 4, 4)]


def test_a_dark_head_hides_how_long_the_next_red_lasted() -> None:
    found = judge(((0, "Grr"), (60, "Orr"), (70, "rrr"), (75, "Grr")))
    assert [v.rule for v in found] == [Rule.DARK]


def test_violations_beyond_what_is_kept_are_still_counted() -> None:
    monitor = Monitor(CARD)
    for time in range(KEPT + 50):
        monitor.observe(2 * time, lamps_from_letters("Orr"))
        monitor.observe(2 * time + 1, lamps_from_letters("rrr"))
    assert len(monitor.violations) == KEPT
    assert monitor.total == KEPT + 50


def test_the_order_of_channels_does_not_matter() -> None:
    turned = Card(channels=CARD.channels, yields=frozenset({(0, 1)}))  # now main is the one that gives way
    assert judge(((0, "grr"), (60, "gGr")), turned) == []
    assert [v.rule for v in judge(((0, "Grr"), (60, "GGr")), turned)] == [Rule.CONFLICT]
