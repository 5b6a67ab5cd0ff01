"""The monitor trips on every seeded mutant with exactly the right rule, and never on a legal sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stopline_mmu import NEMA_TS2, Card, Channel, Lamp, Monitor, Rule, Violation, lamps_from_letters

# north/south through, the left turn that gives way to it, the side street, the crossing of the side street
# (walks with the main road), and a crossing of the main road without a clearance lamp of its own.
MAIN, LEFT, SIDE, PED, BARE = range(5)
CARD = Card(
    channels=(
        Channel(name="main", min_green=60, min_change=33, min_red=20),
        Channel(name="left", min_green=50, min_change=30, min_red=20),
        Channel(name="side", min_green=50, min_change=30, min_red=20),
        Channel(name="ped", pedestrian=True, min_green=70, min_change=80),
        Channel(name="bare", pedestrian=True, min_green=50, min_change=0),
    ),
    compatible=frozenset({(MAIN, PED), (LEFT, PED), (SIDE, BARE)}),
    yields=frozenset({(LEFT, MAIN)}),
    clearance={
        (MAIN, LEFT): 50, (MAIN, SIDE): 53, (MAIN, BARE): 50,
        (LEFT, MAIN): 45, (LEFT, SIDE): 52, (LEFT, BARE): 48,
        (SIDE, MAIN): 47, (SIDE, LEFT): 46, (SIDE, PED): 41, (PED, SIDE): 100, (PED, BARE): 90,
        (BARE, MAIN): 120, (BARE, LEFT): 110, (BARE, PED): 60,
    },
)  # fmt: skip
STAGES: tuple[dict[int, Lamp], ...] = (
    {MAIN: Lamp.GREEN, LEFT: Lamp.PERMISSIVE, PED: Lamp.GREEN},
    {MAIN: Lamp.GREEN, PED: Lamp.GREEN},
    {LEFT: Lamp.GREEN, PED: Lamp.GREEN},
    {SIDE: Lamp.GREEN, BARE: Lamp.GREEN},
    {SIDE: Lamp.GREEN},
    {},
)
Sequence = list[list[Lamp]]


def legal(stages: list[int], dwell: list[int]) -> Sequence:
    """One row per tenth: stage after stage, every interval at its least plus the dwell."""
    rows: Sequence = [[Lamp.RED] * 5 for _ in range(150)]
    now: dict[int, Lamp] = {}
    ended: dict[int, int] = {}
    for number, extra in zip(stages, dwell, strict=True):
        wanted = STAGES[number]
        # a head that changes its right (permissive to protected or back) ends first, like any other
        ending = [c for c, lamp in now.items() if wanted.get(c) is not lamp]
        starting = [c for c, lamp in wanted.items() if now.get(c) is not lamp]
        ended.update(dict.fromkeys(ending, len(rows)))
        need = [ended[i] + CARD.clearance.get((i, j), 0) - len(rows) for i in ended for j in starting]
        need += [CARD.channels[c].min_change for c in ending]
        need += [CARD.channels[c].min_change + CARD.channels[c].min_red for c in ending if c in starting]
        kept = {c: lamp for c, lamp in now.items() if c not in ending}
        for tenth in range(max(need, default=0)):
            change = {c: Lamp.YELLOW for c in ending if tenth < CARD.channels[c].min_change}
            rows.append([(kept | change).get(c, Lamp.RED) for c in range(5)])
        now = dict(wanted)
        rows += [[now.get(c, Lamp.RED) for c in range(5)] for _ in range(70 + extra)]
    return rows


def watch(rows: Sequence, card: Card = CARD, step: int = 1) -> list[Violation]:
    monitor = Monitor(card)
    return [v for time in range(0, len(rows), step) for v in monitor.observe(time, rows[time])]


def rules(rows: Sequence, card: Card = CARD) -> list[tuple[Rule, tuple[str, ...]]]:
    return [(violation.rule, violation.channels) for violation in watch(rows, card)]


stage_lists = st.lists(st.tuples(st.integers(0, len(STAGES) - 1), st.integers(0, 60)), min_size=1, max_size=8)


@given(stage_lists)
@settings(max_examples=150, deadline=None)
def test_a_legal_sequence_never_trips(steps: list[tuple[int, int]]) -> None:
    rows = legal([stage for stage, _ in steps], [extra for _, extra in steps])
    assert watch(rows) == []


def first_row(rows: Sequence, channel: int, lamp: Lamp, after: int = 0) -> int:
    return next(t for t in range(after, len(rows)) if rows[t][channel] is lamp)


def base() -> Sequence:
    return legal([0, 3, 2, 4, 1], [20, 20, 20, 20, 20])


def conflict(rows: Sequence) -> None:
    rows[first_row(rows, MAIN, Lamp.GREEN) + 70][SIDE] = Lamp.GREEN


def short_yellow(rows: Sequence) -> None:
    start = first_row(rows, MAIN, Lamp.YELLOW)
    for t in range(start + 32, start + 33):
        rows[t][MAIN] = Lamp.RED


def skipped_yellow(rows: Sequence) -> None:
    start = first_row(rows, MAIN, Lamp.YELLOW)
    for t in range(start, start + 33):
        rows[t][MAIN] = Lamp.RED


def short_ped_clearance(rows: Sequence) -> None:
    start = first_row(rows, PED, Lamp.YELLOW)
    for t in range(start + 79, start + 80):
        rows[t][PED] = Lamp.RED


def skipped_ped_clearance(rows: Sequence) -> None:
    start = first_row(rows, PED, Lamp.YELLOW)
    for t in range(start, start + 80):
        rows[t][PED] = Lamp.RED


def short_clearance(rows: Sequence) -> None:
    """The crossing ends ten seconds before the side street starts: start it one tenth earlier."""
    rows[first_row(rows, SIDE, Lamp.GREEN) - 1][SIDE] = Lamp.GREEN


def short_green(rows: Sequence) -> None:
    start = first_row(rows, SIDE, Lamp.GREEN)
    end = first_row(rows, SIDE, Lamp.RED, start)
    for t in range(start + 49, end):
        rows[t][SIDE] = Lamp.YELLOW if t < start + 79 else Lamp.RED


def short_walk(rows: Sequence) -> None:
    """Walk starts late, so that it lasts 6.9 s of the 7 s due."""
    start = first_row(rows, PED, Lamp.GREEN)
    end = first_row(rows, PED, Lamp.YELLOW)
    for t in range(start, end - 69):
        rows[t][PED] = Lamp.RED


def yellow_to_green(rows: Sequence) -> None:
    start = first_row(rows, MAIN, Lamp.YELLOW)
    for t in range(start + 10, start + 20):
        rows[t][MAIN] = Lamp.GREEN
    for t in range(start + 20, start + 53):
        rows[t][MAIN] = Lamp.YELLOW


def short_red(rows: Sequence) -> None:
    """The side street is red for 1.9 s only and green again, nothing else changes."""
    middle = first_row(rows, SIDE, Lamp.GREEN, first_row(rows, LEFT, Lamp.GREEN))
    rows[middle + 60 : middle + 60] = [
        *([lamp if c != SIDE else Lamp.YELLOW for c, lamp in enumerate(rows[middle])] for _ in range(30)),
        *([lamp if c != SIDE else Lamp.RED for c, lamp in enumerate(rows[middle])] for _ in range(19)),
        *([*rows[middle]] for _ in range(60)),
    ]


def dark(rows: Sequence) -> None:
    rows[100][BARE] = Lamp.DARK


def dual(rows: Sequence) -> None:
    rows[100][SIDE] = Lamp.DUAL


def partial_flash(rows: Sequence) -> None:
    rows[100][SIDE] = Lamp.FLASH


def protected_against_permissive(rows: Sequence) -> None:
    """The left turn gets a protected green while the opposing traffic runs."""
    rows[first_row(rows, MAIN, Lamp.GREEN) + 75][LEFT] = Lamp.GREEN


def crossing_clearance(rows: Sequence) -> None:
    """A crossing without a clearance lamp: its matrix alone protects the walkers."""
    end = first_row(rows, BARE, Lamp.RED, first_row(rows, BARE, Lamp.GREEN))
    rows[first_row(rows, LEFT, Lamp.GREEN, end) - 1][LEFT] = Lamp.GREEN


MUTANTS: list[tuple[Callable[[Sequence], None], Rule, tuple[str, ...]]] = [
    (conflict, Rule.CONFLICT, ("side",)),
    (short_yellow, Rule.SHORT_YELLOW, ("main",)),
    (skipped_yellow, Rule.SKIPPED_YELLOW, ("main",)),
    (short_ped_clearance, Rule.SHORT_PED_CLEARANCE, ("ped",)),
    (skipped_ped_clearance, Rule.SKIPPED_PED_CLEARANCE, ("ped",)),
    (short_clearance, Rule.CLEARANCE, ("ped", "side")),
    (short_green, Rule.SHORT_GREEN, ("side",)),
    (short_walk, Rule.SHORT_WALK, ("ped",)),
    (yellow_to_green, Rule.YELLOW_TO_GREEN, ("main",)),
    (short_red, Rule.SHORT_RED, ("side",)),
    (dark, Rule.DARK, ("bare",)),
    (dual, Rule.DUAL, ("side",)),
    (partial_flash, Rule.PARTIAL_FLASH, ("side",)),
    (protected_against_permissive, Rule.CONFLICT, ("main", "left")),
    (crossing_clearance, Rule.CLEARANCE, ("bare", "left")),
]


@pytest.mark.parametrize(("mutate", "rule", "channels"), MUTANTS, ids=[m[0].__name__ for m in MUTANTS])
def test_each_mutant_trips_its_rule(
    mutate: Callable[[Sequence], None], rule: Rule, channels: tuple[str, ...]
) -> None:
    rows = base()
    assert watch(rows) == []
    mutate(rows)
    found = rules(rows)
    assert found, "the mutant went unnoticed"
    assert found[0][0] is rule
    assert set(channels) <= set(found[0][1])
    # one sample of a second green also ends too early and skips its yellow: those are true as well
    if mutate not in (conflict, protected_against_permissive):
        assert {name for name, _ in found} == {rule}


def test_latches_until_reset_and_goes_on_counting() -> None:
    monitor = Monitor(CARD)
    rows = base()
    dark(rows)
    short_yellow(rows)
    for time, lamps in enumerate(rows):
        monitor.observe(time, lamps)
    assert monitor.tripped is not None
    assert monitor.tripped.rule is Rule.DARK
    assert monitor.counts == {Rule.DARK: 1, Rule.SHORT_YELLOW: 1}
    assert [violation.rule for violation in monitor.violations] == [Rule.DARK, Rule.SHORT_YELLOW]
    monitor.reset()
    assert monitor.tripped is None
    assert monitor.total == 0


def test_a_lasting_fault_is_one_violation() -> None:
    rows = [[Lamp.RED, Lamp.RED, Lamp.RED, Lamp.RED, Lamp.DARK] for _ in range(50)]
    assert len(watch(rows)) == 1


@pytest.mark.parametrize(("tenths", "trips"), [(2, False), (4, False), (5, True)])
def test_nema_thresholds_bridge_a_flicker(tenths: int, trips: bool) -> None:
    card = replace(CARD, thresholds=NEMA_TS2)
    rows = base()
    start = first_row(rows, MAIN, Lamp.GREEN) + 70
    for t in range(start, start + tenths):
        rows[t][BARE] = Lamp.GREEN
    assert (Rule.CONFLICT in {rule for rule, _ in rules(rows, card)}) is trips


@pytest.mark.parametrize(("tenths", "trips"), [(14, False), (16, True)])
def test_a_flashing_dont_walk_conflicts_after_one_and_a_half_seconds(tenths: int, trips: bool) -> None:
    """And at once on the strict card, whatever the pedestrian channel shows."""
    channels = (Channel(name="ped", pedestrian=True, min_change=100), Channel(name="side"))
    rows = [[Lamp.GREEN, Lamp.RED]] * 100 + [[Lamp.YELLOW, Lamp.RED]] * 20
    rows += [[Lamp.YELLOW, Lamp.GREEN]] * tenths + [[Lamp.YELLOW, Lamp.RED]] * 80
    strict = rules(rows, Card(channels=channels))
    assert strict[0] == (Rule.CONFLICT, ("ped", "side"))
    nema = rules(rows, Card(channels=channels, thresholds=NEMA_TS2))
    assert (Rule.CONFLICT in {rule for rule, _ in nema}) is trips


@pytest.mark.parametrize(("flash", "trips"), [(0, True), (59, True), (60, False), (300, False)])
def test_power_up_begins_with_flash(flash: int, trips: bool) -> None:
    card = replace(CARD, thresholds=replace(NEMA_TS2, max_gap=0))
    count = len(CARD.channels)
    monitor = Monitor(card)
    for time in range(flash):
        assert monitor.observe(time, [Lamp.FLASH] * count) == []
    found = monitor.observe(flash, [Lamp.RED] * count)
    assert [violation.rule for violation in found] == [Rule.POWER_UP_FLASH] * trips
    assert monitor.observe(flash + 1, [Lamp.RED] * count) == []
    monitor.observe(flash + 2, [Lamp.FLASH] * count)
    assert monitor.observe(flash + 3, [Lamp.RED] * count) == [], "a later flash is no power-up"
    monitor.reset()
    monitor.observe(flash + 4, [Lamp.RED] * count)
    assert monitor.tripped is not None, "after a visit it is one again"


def test_nema_yellow_is_27_of_30_tenths() -> None:
    card = replace(CARD, thresholds=NEMA_TS2)
    for length, trips in ((27, False), (26, True)):
        rows = base()
        start = first_row(rows, LEFT, Lamp.YELLOW)
        for t in range(start + length, start + 30):
            rows[t][LEFT] = Lamp.RED
        assert (Rule.SHORT_YELLOW in {rule for rule, _ in rules(rows, card)}) is trips


def test_yellow_trap_is_judged_for_oncoming_pairs() -> None:
    rows = legal([0, 1], [20, 60])
    trap = replace(CARD, oncoming=frozenset({(LEFT, MAIN)}))
    assert watch(rows) == []
    assert (Rule.YELLOW_TRAP, ("left", "main")) in rules(rows, trap)


def test_protected_left_may_not_turn_permissive_as_its_opponent_starts() -> None:
    monitor = Monitor(CARD)
    seen = [lamps_from_letters(state) for state in ("rrrrr", "rGrrr", "Ggrrr")]
    found = [v for time, lamps in zip((0, 200, 300), seen, strict=True) for v in monitor.observe(time, lamps)]
    assert [(v.rule, v.channels, v.measured) for v in found] == [(Rule.CLEARANCE, ("left", "main"), 0)]


def test_a_whole_junction_on_flash_is_out_of_service_not_a_fault() -> None:
    monitor = Monitor(CARD)
    states = ("GgrGr", "ooooO", "ooooO", "rrrrr", "rrGrG")
    found = [v for n, state in enumerate(states) for v in monitor.observe(n * 100, lamps_from_letters(state))]
    assert found == []


def test_a_missing_sample_is_noticed_when_a_gap_limit_is_set() -> None:
    monitor = Monitor(replace(CARD, thresholds=replace(CARD.thresholds, max_gap=3)))
    red = [Lamp.RED] * 5
    assert monitor.observe(0, red) == []
    assert monitor.observe(3, red) == []
    assert [v.rule for v in monitor.observe(7, red)] == [Rule.SAMPLE_GAP]


def test_misuse_is_refused() -> None:
    monitor = Monitor(CARD)
    monitor.observe(10, [Lamp.RED] * 5)
    with pytest.raises(ValueError, match="forwards only"):
        monitor.observe(9, [Lamp.RED] * 5)
    with pytest.raises(ValueError, match="5 channels"):
        monitor.observe(11, [Lamp.RED] * 4)


@given(st.lists(st.lists(st.sampled_from(list(Lamp)), min_size=5, max_size=5), min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_whatever_is_shown_two_greens_that_conflict_always_trip(rows: Sequence) -> None:
    monitor = Monitor(CARD)
    for time, lamps in enumerate(rows):
        monitor.observe(time, lamps)
        if lamps[MAIN] is Lamp.GREEN and lamps[SIDE] is Lamp.GREEN:
            assert monitor.counts[Rule.CONFLICT] >= 1
