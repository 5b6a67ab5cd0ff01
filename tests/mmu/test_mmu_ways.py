"""A monitor that looks changes up judges exactly as one that works every change out."""

from __future__ import annotations

import random

import pytest

from stopline_mmu import Card, Channel, Lamp, Monitor
from stopline_mmu.config import Thresholds
from stopline_mmu.ways import MOVING

ORDINARY = (Lamp.RED, Lamp.YELLOW, Lamp.PERMISSIVE, Lamp.GREEN)
LIKELY = {
    Lamp.RED: (Lamp.GREEN, Lamp.PERMISSIVE, Lamp.RED_YELLOW),
    Lamp.RED_YELLOW: (Lamp.GREEN, Lamp.RED),
    Lamp.GREEN: (Lamp.YELLOW, Lamp.PERMISSIVE),
    Lamp.PERMISSIVE: (Lamp.YELLOW, Lamp.GREEN),
    Lamp.YELLOW: (Lamp.RED,),
}


def a_card(rng: random.Random) -> Card:
    count = rng.randint(2, 5)
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
    yields = frozenset(pair for pair in pairs if rng.random() < 0.2)
    return Card(
        channels=tuple(
            Channel(
                name=str(i),
                pedestrian=rng.random() < 0.3,
                min_green=rng.choice((0, 20, 40)),
                min_change=rng.choice((0, 30)),
                min_red=rng.choice((0, 0, 20)),
            )
            for i in range(count)
        ),
        compatible=frozenset(pair for pair in pairs if rng.random() < 0.6),
        yields=yields,
        oncoming=frozenset(pair for pair in yields if rng.random() < 0.3),
        clearance={pair: rng.choice((0, 20, 50)) for pair in pairs if rng.random() < 0.7},
        thresholds=Thresholds(conflict=rng.choice((0, 4)), tolerance=rng.choice((0, 3))),
    )


def next_lamps(rng: random.Random, lamps: tuple[Lamp, ...]) -> tuple[Lamp, ...]:
    """Mostly what a signal does, now and then anything."""
    wild = rng.random() < 0.05
    return tuple(
        rng.choice(tuple(Lamp) if wild else LIKELY.get(lamp, ORDINARY)) if rng.random() < 0.4 else lamp
        for lamp in lamps
    )


def memory(monitor: Monitor) -> tuple[object, ...]:
    return (
        monitor._since,
        monitor._moving_since,
        monitor._ended,
        monitor._protected_end,
        # Which green a red channel last had is nobody's business.
        [right for right, lamp in zip(monitor._right, monitor._lamps or (), strict=False) if lamp in MOVING],
        monitor._lamps,
        monitor._open,
        monitor._reported,
        monitor.counts,
        monitor.tripped,
    )


@pytest.mark.parametrize("seed", range(8))
def test_looking_up_equals_working_out(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    taken = found = 0
    for _ in range(40):
        card = a_card(rng)
        quick, plain = Monitor(card), Monitor(card)
        monkeypatch.setattr(plain, "_as_before", lambda _, shown, plain=plain: shown == plain._lamps)
        time, lamps = 0, tuple(rng.choice(ORDINARY) for _ in card.channels)
        for _ in range(150):
            time += rng.choice((1, 2, 10, 20, 30, 50, 80))
            lamps = next_lamps(rng, lamps)
            before = len(quick._ways)
            seen = quick.observe(time, lamps)
            assert seen == plain.observe(time, lamps)
            assert memory(quick) == memory(plain)
            found += len(seen)
            taken += len(quick._ways) == before
    assert taken > 500  # changes looked up, not met for the first time
    assert found > 500


def test_the_same_change_is_judged_by_its_times_every_time() -> None:
    card = Card(channels=(Channel(name="a", min_green=40), Channel(name="b")), clearance={(0, 1): 70})
    monitor = Monitor(card)
    rows = [(Lamp.GREEN, Lamp.RED), (Lamp.YELLOW, Lamp.RED), (Lamp.RED, Lamp.RED), (Lamp.RED, Lamp.GREEN)]
    back = [(Lamp.RED, Lamp.YELLOW), (Lamp.RED, Lamp.RED)]
    time, found = 0, []
    monitor.observe(time, (Lamp.RED, Lamp.RED))
    for short in ((), (), (0,), (), (1,), (3,), (), (2,)):
        for step, lamps in enumerate([*rows, *back]):
            time += 20 if step in short else 40
            found.append(bool(monitor.observe(time, lamps)))
    assert sum(found) == 4  # a green, a clearance, a yellow with the clearance after it


def test_lamps_given_as_numbers_are_the_same_lamps() -> None:
    card = Card(channels=(Channel(name="a"), Channel(name="b")))
    one, other = Monitor(card), Monitor(card)
    for time, lamps in enumerate([(0, 0), (3, 0), (1, 0), (0, 0), (0, 3), (0, 1), (0, 0), (3, 3), (5, 3)]):
        assert one.observe(100 * time, lamps) == other.observe(100 * time, [Lamp(lamp) for lamp in lamps])
    assert memory(one) == memory(other)
    with pytest.raises(ValueError, match="9"):
        one.observe(2000, (9, 0))


def test_a_twin_knows_the_ways_and_nothing_that_was_shown() -> None:
    card = Card(channels=(Channel(name="a", min_green=40), Channel(name="b")), clearance={(0, 1): 70})
    first = Monitor(card)
    course = [(Lamp.RED, Lamp.RED), (Lamp.GREEN, Lamp.RED), (Lamp.YELLOW, Lamp.RED), (Lamp.GREEN, Lamp.GREEN)]
    found = [first.observe(20 * step, lamps) for step, lamps in enumerate(course)]
    assert first.tripped is not None
    twin = first.twin()
    assert (twin.tripped, twin.total, memory(twin)) == (None, 0, memory(Monitor(card)))
    assert [twin.observe(20 * step, lamps) for step, lamps in enumerate(course)] == found
    assert twin._ways is first._ways
