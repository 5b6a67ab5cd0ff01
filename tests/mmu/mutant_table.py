"""Every seeded fault and what the monitor says to it: `python -m tests.mmu.mutant_table`."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stopline_mmu import Monitor, Rule
from stopline_signals import SignalPlan
from tests.mmu.driven_lamps import Place, Row, driven, judged, places
from tests.mmu.engine_mutants import (
    BREAKS,
    all_red_forgotten,
    conflict_forgotten,
    conflicting_pairs,
    driven_broken,
)
from tests.mmu.lamp_mutants import LAMP_MUTANTS, spoilt
from tests.proofs._result import Stopwatch, write_result

PLACES = places()
TENTHS = 5000


@dataclass(frozen=True, slots=True)
class Found:
    """One kind of fault: at how many places or pairs it was put in, at how many the monitor named it."""

    fault: str
    layer: str
    rules: tuple[Rule, ...]
    seeded: int
    caught: int
    said: str

    @property
    def holds(self) -> bool:
        """Caught wherever it was put in."""
        return 0 < self.seeded == self.caught


def everything() -> Iterator[Found]:
    """All faults, one row each."""
    yield from lamps()
    yield from rule_book()
    for place in PLACES:
        yield from pairs(place)


def lamps() -> Iterator[Found]:
    """Faults of lamps, relays and clocks, at every junction that has a place for them."""
    for spoil, rules in LAMP_MUTANTS:
        monitors: list[Monitor] = []
        for place in PLACES:
            try:
                rows = spoilt(sound(place), spoil, place.card)
            except LookupError:
                continue
            monitors.append(judged(place.card, rows))
        yield _row(spoil.__name__.replace("_", " "), "lamps", rules, monitors)


def rule_book() -> Iterator[Found]:
    """Faults of engine and transitions, under random requests or on the way that shows them."""
    for fault in BREAKS:
        chosen = PLACES if fault.way is None else PLACES[:1]
        monitors = [judged(place.card, driven_broken(fault, place.plan, TENTHS)) for place in chosen]
        yield _row(fault.name, "rule book", fault.rules, monitors)


def pairs(place: Place) -> Iterator[Found]:
    """A wrong entry of the matrix, for every pair it can be wrong in."""
    conflicting = conflicting_pairs(place.card)
    ordered = [pair for i, j in conflicting for pair in ((i, j), (j, i))]
    yield _of_pairs(place, "conflict missing in the matrix", Rule.CONFLICT, conflicting, conflict_forgotten)
    yield _of_pairs(place, "all red missing in the matrix", Rule.CLEARANCE, ordered, all_red_forgotten)


def sound(place: Place) -> list[Row]:
    """Eight minutes of a junction with nothing wrong."""
    return _sound(PLACES.index(place))


@functools.cache
def _sound(number: int) -> list[Row]:
    return driven(PLACES[number].plan, TENTHS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, write the result; return 1 when a fault goes unseen or a sound junction trips."""
    parser = argparse.ArgumentParser(prog="python -m tests.mmu.mutant_table")
    parser.add_argument("--out", type=Path, help="write the result here")
    options = parser.parse_args(arguments)
    stopwatch = Stopwatch()
    false_alarms = sum(judged(place.card, sound(place)).total for place in PLACES)
    rows: list[Found] = []
    for row in everything():
        rows.append(row)
        verdict = "caught" if row.holds else "MISSED"
        print(
            f"{verdict} {row.caught:4} of {row.seeded:4}  {row.layer:10} {row.fault:48} {row.said}",
            flush=True,
        )
    holds = all(row.holds for row in rows) and not false_alarms
    print(f"{len(rows)} faults, {sum(r.holds for r in rows)} caught everywhere, {false_alarms} false alarms")
    if options.out:
        figures = {
            "holds": holds,
            "faults": len(rows),
            "seeded": sum(row.seeded for row in rows),
            "caught": sum(row.caught for row in rows),
            "false_alarms": false_alarms,
            "rows": [asdict(row) for row in rows],
        }
        write_result(options.out, "python -m tests.proofs monitor-mutants", stopwatch, figures)
    return 0 if holds else 1


def _row(fault: str, layer: str, rules: frozenset[Rule], monitors: Sequence[Monitor]) -> Found:
    caught = [monitor for monitor in monitors if rules & monitor.counts.keys()]
    said = next((str(v) for m in caught for v in m.violations if v.rule in rules), "")
    return Found(fault, layer, tuple(sorted(rules)), len(monitors), len(caught), said)


def _of_pairs(
    place: Place,
    fault: str,
    rule: Rule,
    chosen: Sequence[tuple[int, int]],
    lamps_of: Callable[[SignalPlan, int, int], list[Row]],
) -> Found:
    said: list[str] = []
    for i, j in chosen:
        names = {place.card.channels[i].name, place.card.channels[j].name}
        monitor = judged(place.card, lamps_of(place.plan, i, j))
        said += [str(v) for v in monitor.violations if v.rule is rule and set(v.channels) == names][:1]
    return Found(f"{fault}, {place.name}", "plan", (rule,), len(chosen), len(said), said[0] if said else "")


if __name__ == "__main__":
    sys.exit(main())
