"""The judge: lamp outputs and times in, violations out; latches like the card in a cabinet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from stopline_mmu.config import Card, Channel, card_from_table
from stopline_mmu.lamps import Lamp
from stopline_mmu.violations import Rule, Violation
from stopline_mmu.ways import GREENISH, MOVING, STOPPED, Timers, Way, rights, way_between

Fault = tuple[Rule, tuple[int, ...]]
KEPT = 10_000
"""Violations kept in full; later ones are only counted."""
KEPT_WAYS = 4096
"""Lamp changes remembered; a junction shows a few hundred."""


def monitor_from_table(table: Mapping[str, Any]) -> Monitor:
    """A monitor programmed from plain data; see ``card_from_table`` for the keys."""
    return Monitor(card_from_table(table))


class Monitor:
    """Watches one junction's lamps. Knows its card and what it was shown, nothing else.

    It goes on judging after the first violation, so a referee can count, but ``tripped`` keeps the
    first one until ``reset``.
    """

    def __init__(self, card: Card) -> None:
        self.card = card
        count = len(card.channels)
        both = card.compatible | {(j, i) for i, j in card.compatible}
        self._foes = [[j for j in range(count) if j != i and (i, j) not in both] for i in range(count)]
        self._yields = card.yields
        self._ways: dict[bytes, Way | None] = {}
        self.reset()

    def twin(self) -> Monitor:
        """A monitor with the same card, shown nothing yet; changes of lamps worked out once serve both."""
        other = Monitor(self.card)
        other._ways = self._ways
        return other

    def reset(self) -> None:
        """Clear the latch and forget every timer, as after a visit to the cabinet."""
        self.tripped: Violation | None = None
        self.violations: list[Violation] = []
        self.counts: Counter[Rule] = Counter()
        self._time: int | None = None
        self._powered: int | None = None
        self._steady = not self.card.thresholds.power_up_flash
        self._open: dict[Fault, int] = {}
        self._reported: set[Fault] = set()
        self._forget()

    @property
    def total(self) -> int:
        """How many violations there were since the last reset."""
        return self.counts.total()

    def observe(self, time: int, lamps: Sequence[Lamp | int]) -> list[Violation]:
        """Judge one sample (time in tenths, one lamp per channel); returns the new violations.

        Raises:
            ValueError: time runs backwards, or the number of lamps is not the card's.
        """
        shown = tuple(lamps)
        if len(shown) != len(self.card.channels):
            raise ValueError(f"monitor has {len(self.card.channels)} channels, was shown {len(shown)} lamps")
        if self._time is not None and time < self._time:
            raise ValueError(f"monitor at {self._time / 10} s was shown {time / 10} s: runs forwards only")
        found = self._gap(time)
        self._time = time
        if len(self._open) != len(self._reported) or not self._as_before(time, shown):
            found += self._judge(time, tuple(Lamp(lamp) for lamp in shown))
        return self._keep(found)

    def _forget(self) -> None:
        count = len(self.card.channels)
        self._lamps: tuple[Lamp, ...] | None = None
        self._since: list[int | None] = [None] * count
        self._moving_since: list[int | None] = [None] * count
        self._ended: list[int | None] = [None] * count
        self._protected_end: list[int | None] = [None] * count
        self._right: list[Lamp] = [Lamp.GREEN] * count
        self._timers = Timers(self._since, self._moving_since, self._ended, self._protected_end)
        self._key = b""

    def _as_before(self, time: int, shown: tuple[Lamp | int, ...]) -> bool:
        """Whether nothing changed, or only as it may and after long enough; a look-up, not a judgement."""
        if shown == self._lamps:
            return True
        if self._lamps is None or self._open:
            return False
        if not self._key:
            self._right = list(rights(self._lamps, self._right))
            self._key = bytes((*self._lamps, *self._right))
        key = self._key + bytes(shown)
        if key not in self._ways and len(self._ways) < KEPT_WAYS:
            lamps = tuple(Lamp(lamp) for lamp in shown)
            self._ways[key] = way_between(self.card, self._foes, self._lamps, lamps, self._right)
        way = self._ways.get(key)
        if way is None or not way.passes(time, self._timers):
            return False
        self._key = way.key
        self._lamps = way.lamps
        self._right = list(way.right)
        return True

    def _keep(self, found: list[Violation]) -> list[Violation]:
        if found:
            self.tripped = self.tripped or found[0]
            self.counts.update(violation.rule for violation in found)
            self.violations += found[: max(0, KEPT - len(self.violations))]
        return found

    def _gap(self, time: int) -> list[Violation]:
        limit = self.card.thresholds.max_gap
        if not limit or self._time is None or time - self._time <= limit:
            return []
        detail = f"no lamps seen for {(time - self._time) / 10} s"
        return [Violation(time, Rule.SAMPLE_GAP, (), detail, time - self._time, limit)]

    def _judge(self, time: int, lamps: tuple[Lamp, ...]) -> list[Violation]:
        self._key = b""
        self._powered = time if self._powered is None else self._powered
        if Lamp.FLASH in lamps and all(lamp in (Lamp.FLASH, Lamp.DARK) for lamp in lamps):
            self._forget()  # the whole junction flashes: out of service, nothing to compare with afterwards
            self._lamps = lamps
            return self._lasting(time, {})
        before = self._lamps
        found = self._started(time, lamps)
        changed = [i for i, lamp in enumerate(lamps) if before is None or before[i] != lamp]
        if before is not None:
            for i in changed:
                found += self._leaving(i, before[i], lamps[i], time, lamps)
        starts = [] if before is None else [i for i in changed if self._starts(i, before[i], lamps[i])]
        for i in changed:
            self._enter(i, None if before is None else before[i], lamps[i], time)
        self._lamps = lamps
        present = self._present(lamps)
        found += self._lasting(time, present)
        for i in starts:
            found += self._cleared(i, lamps, time, present)
        return found

    def _started(self, time: int, lamps: tuple[Lamp, ...]) -> list[Violation]:
        """The first steady lamps since power-up: flash must have come first, for long enough."""
        if self._steady or all(lamp is Lamp.DARK for lamp in lamps):
            return []
        self._steady = True
        flashed, least = (
            time - (time if self._powered is None else self._powered),
            self.card.thresholds.power_up_flash,
        )
        if flashed >= least:
            return []
        text = f"steady lamps {flashed / 10} s after power-up, at least {least / 10} s of flash are due"
        return [Violation(time, Rule.POWER_UP_FLASH, (), text, flashed, least)]

    def _leaving(self, i: int, old: Lamp, new: Lamp, time: int, lamps: tuple[Lamp, ...]) -> list[Violation]:
        """Rules about the interval that channel i just ended."""
        channel = self.card.channels[i]
        found: list[Violation] = []
        if old in GREENISH and (new in STOPPED or new is Lamp.YELLOW):
            rule = Rule.SHORT_WALK if channel.pedestrian else Rule.SHORT_GREEN
            found += self._short(rule, channel, self._moving_since[i], time, channel.min_green)
            if new is not Lamp.YELLOW and channel.min_change:
                skipped = Rule.SKIPPED_PED_CLEARANCE if channel.pedestrian else Rule.SKIPPED_YELLOW
                found.append(Violation(time, skipped, (channel.name,), f"{channel.name} went green to red"))
        elif old is Lamp.YELLOW and new in GREENISH:
            text = f"{channel.name} went from yellow back to green"
            found.append(Violation(time, Rule.YELLOW_TO_GREEN, (channel.name,), text))
        elif old is Lamp.YELLOW and new in STOPPED:
            rule = Rule.SHORT_PED_CLEARANCE if channel.pedestrian else Rule.SHORT_YELLOW
            found += self._short(rule, channel, self._since[i], time, channel.min_change)
        elif old in STOPPED and new in MOVING:
            found += self._short(Rule.SHORT_RED, channel, self._since[i], time, channel.min_red)
        if old is Lamp.PERMISSIVE and new is Lamp.YELLOW:
            found += self._trap(i, lamps, time)
        return found

    def _short(
        self, rule: Rule, channel: Channel, since: int | None, time: int, least: int
    ) -> list[Violation]:
        if since is None or time - since >= least - self.card.thresholds.tolerance:
            return []
        text = f"{channel.name} lasted {(time - since) / 10} s, at least {least / 10} s is due"
        return [Violation(time, rule, (channel.name,), text, time - since, least)]

    def _trap(self, i: int, lamps: tuple[Lamp, ...], time: int) -> list[Violation]:
        names = self.card.channels
        return [
            Violation(
                time,
                Rule.YELLOW_TRAP,
                (names[i].name, names[j].name),
                f"{names[i].name} turns yellow while the oncoming {names[j].name} stays green",
            )
            for j, lamp in enumerate(lamps)
            if lamp is Lamp.GREEN and (i, j) in self.card.oncoming
        ]

    def _starts(self, i: int, old: Lamp, new: Lamp) -> bool:
        """True when channel i just got a right it did not have: a start, or permissive turned protected."""
        gained = new is Lamp.GREEN and self._right[i] is Lamp.PERMISSIVE
        return new in MOVING and (old not in MOVING or gained)

    def _enter(self, i: int, old: Lamp | None, new: Lamp, time: int) -> None:
        """Start the timers of what channel i shows now."""
        known = time if old is not None and old not in (Lamp.FLASH, Lamp.DARK, Lamp.DUAL) else None
        if not (old in STOPPED and new in STOPPED):  # red-yellow is still red
            self._since[i] = known
        if old is Lamp.GREEN:
            self._protected_end[i] = time
        if old in GREENISH and new not in GREENISH:
            self._ended[i] = time
        if new in MOVING and old not in MOVING:
            self._moving_since[i] = known
        if new in GREENISH:
            self._right[i] = new
        elif new is Lamp.YELLOW and old not in GREENISH:  # a yellow from nowhere: judge it as protected
            self._right[i] = Lamp.GREEN
            self._ended[i] = self._protected_end[i] = time

    def _present(self, lamps: tuple[Lamp, ...]) -> dict[Fault, int]:
        """Faults visible in this very sample, each with the time (tenths) it may last."""
        limits = self.card.thresholds
        moving = [i for i, lamp in enumerate(lamps) if lamp in MOVING]
        walking = {i for i in moving if self.card.channels[i].pedestrian and lamps[i] is Lamp.YELLOW}
        present: dict[Fault, int] = {
            (Rule.CONFLICT, (i, j)): limits.walk_flash if walking & {i, j} else limits.conflict
            for i in moving
            for j in self._foes[i]
            if i < j and lamps[j] in MOVING and not self._excused(i, j)
        }
        for i, lamp in enumerate(lamps):
            if lamp is Lamp.DARK:
                present[Rule.DARK, (i,)] = limits.dark
            elif lamp is Lamp.DUAL:
                present[Rule.DUAL, (i,)] = limits.dual
            elif lamp is Lamp.FLASH:
                present[Rule.PARTIAL_FLASH, (i,)] = limits.dark
        return present

    def _excused(self, i: int, j: int) -> bool:
        """A conflicting pair may run while the permissive one gives way to the other."""
        return (self._right[i] is Lamp.PERMISSIVE and (i, j) in self._yields) or (
            self._right[j] is Lamp.PERMISSIVE and (j, i) in self._yields
        )

    def _lasting(self, time: int, present: dict[Fault, int]) -> list[Violation]:
        """Report each fault once, when it has lasted as long as its threshold."""
        self._open = {key: self._open.get(key, time) for key in present}
        self._reported &= set(present)
        found: list[Violation] = []
        for key, limit in present.items():
            if key not in self._reported and time - self._open[key] >= limit:
                self._reported.add(key)
                rule, channels = key
                names = tuple(self.card.channels[i].name for i in channels)
                text = _WORDS[rule].format(*names)
                found.append(Violation(time, rule, names, text, time - self._open[key], limit))
        return found

    def _cleared(
        self, j: int, lamps: tuple[Lamp, ...], time: int, present: dict[Fault, int]
    ) -> list[Violation]:
        """Clearance from every foe's end of green to this start of channel j."""
        card = self.card
        found: list[Violation] = []
        for i in self._foes[j]:
            if lamps[j] is Lamp.PERMISSIVE and (j, i) in self._yields:
                continue
            if (Rule.CONFLICT, (min(i, j), max(i, j))) in present:
                continue  # already reported as what it is
            ended = self._protected_end[i] if (i, j) in self._yields else self._ended[i]
            least = card.clearance.get((i, j), card.default_clearance)
            if ended is None or time - ended >= least - card.thresholds.tolerance:
                continue
            first, second = card.channels[i].name, card.channels[j].name
            gap = (time - ended) / 10
            text = f"{second} started {gap} s after {first} ended, at least {least / 10} s is due"
            found.append(Violation(time, Rule.CLEARANCE, (first, second), text, time - ended, least))
        return found


_WORDS = {
    Rule.CONFLICT: "{0} and {1} run together",
    Rule.DARK: "{0} shows nothing",
    Rule.DUAL: "{0} shows more than one colour",
    Rule.PARTIAL_FLASH: "{0} flashes while other channels do not",
}
