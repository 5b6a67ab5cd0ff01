"""An independent eye on the lamps while the suite runs: a conflict monitor fed over the wire."""

from __future__ import annotations

import time
from dataclasses import replace

from stopline_cabinets.seam import Cabinet
from stopline_cabinets.words import DARK
from stopline_hil.cards import card_from_plan
from stopline_hil.conformance.subject import Subject
from stopline_hil.reports.model import Verdict
from stopline_mmu import Card, Lamp, Monitor, Thresholds
from stopline_signals.errors import CabinetError

BLIND = 2
"""Tenths between two looks, or for one, beyond which nothing is proved across them."""
EYE = Thresholds(conflict=2, dual=2, dark=9, tolerance=2 * BLIND + 2)
"""An interval may seem shorter by one look at each end, and the moments of both are rounded to tenths."""


class LampWatch:
    """Feeds a monitor with what a client reads; a gap in looking, or a slow look, makes it begin anew."""

    def __init__(self, cabinet: Cabinet, subject: Subject) -> None:
        self.samples = 0
        self.gaps = 0
        self._cabinet = cabinet
        self._subject = subject
        self._groups = len(subject.plan.groups)
        card = card_from_plan(subject.plan, EYE)
        self._monitor = Monitor(card if subject.shows_permissive else _colour_blind(card))
        self._last: int | None = None

    async def look(self) -> None:
        """One look; a read that fails is a gap."""
        rate = self._subject.rate
        asked = time.monotonic()
        try:
            state = await self._cabinet.read()
        except CabinetError:
            return
        took = time.monotonic() - asked
        if took * rate * 10 > BLIND:
            return  # nobody knows when within it the lamps were like this
        now = state.time if self._subject.stamps_lamps else int((asked + took / 2) * rate * 10)
        if len(state.aspects) != self._groups or (self._last is not None and now <= self._last):
            return
        if self._last is not None and now - self._last > BLIND:
            self.gaps += 1
            self._monitor.observe(now - 1, [Lamp.FLASH] * self._groups)
        self._last = now
        self.samples += 1
        lamps = [Lamp.FLASH if aspect == DARK else Lamp(aspect) for aspect in state.aspects]
        self._monitor.observe(now, lamps)

    def verdicts(self) -> list[Verdict]:
        """What the monitor has against the lamps."""
        seen = self._monitor.violations
        found = [
            Verdict("lamps break no rule of the conflict monitor", not seen, "; ".join(map(str, seen[:5])))
        ]
        watched = self.samples > 50 and self.gaps * 4 < self.samples
        detail = f"{self.samples} looks, {self.gaps} of them too late"
        return [*found, Verdict("lamps were watched closely enough", watched, detail)]


def _colour_blind(card: Card) -> Card:
    """For eyes that see green and not whether it gives way: pairs that may yield are left out."""
    pairs = card.yields | {(j, i) for i, j in card.yields}
    clearance = {pair: time for pair, time in card.clearance.items() if pair not in pairs}
    return replace(card, compatible=card.compatible | pairs, yields=frozenset(), clearance=clearance)
