"""Refusals in the audit log: each by its record, and in a flood by their number, so that no disk fills."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stopline_controller.audit import AuditLog, Entry
from stopline_controller.clock import Clock
from stopline_controller.limits import Meter, Rate

RECORDS = Rate(per_s=0.2, burst=50)
"""Records of refusals that one speaker may cause, by the real clock: some 7 MB a day at the most."""
SAME_S = 60.0
"""The same refusal is recorded again after this time, with how often it came in between."""
KEPT_KINDS = 10_000
WORDS = 200
"""Characters of a reason that are kept: parts of it are the speaker's own words."""


class RefusalLog:
    """Writes refusals of one kind; used from one thread."""

    def __init__(self, audit: AuditLog, clock: Clock, kind: str) -> None:
        """`kind` of the records."""
        self._audit = audit
        self._clock = clock
        self._kind = kind
        self._meter = Meter(RECORDS)
        self._seen: dict[tuple[str, str, str, str], float] = {}
        self._written_at = 0.0
        self.refused = 0
        """Refusals so far."""
        self.left_out = 0
        """Of those, how many wait for a record that gives their number."""

    def note(
        self,
        speaker: str,
        why: str,
        *,
        junction: str = "",
        actor: str = "",
        detail: Mapping[str, object] | None = None,
        each: bool = False,
    ) -> int:
        """Record that `speaker` was refused, or count it; `actor` is whom it spoke for.

        `each`: what was told before is recorded again as well, as long as the speaker's records last.
        Returns the record's sequence number, 0 without one.
        """
        self.refused += 1
        # Figures left out: who creeps nearer by another metre each time is told the same each time.
        same = (speaker, junction, actor, re.sub(r"[\d.]+", "#", why[:WORDS]))
        if (not each and self._recent(same)) or self._meter.take(speaker) > 0:
            self.left_out += 1
            return 0
        if not each:
            self._seen[same] = self._clock.seconds()
        return self._write(junction, actor or speaker, {"why": why[:WORDS], **(detail or {})})

    def settle(self) -> None:
        """Write how many were left out since the last record, if any were, once in a while."""
        if self.left_out and self._clock.seconds() - self._written_at >= SAME_S:
            self._write("", "controller", {"why": "repeated or too many to record one by one"})

    def _recent(self, same: tuple[str, str, str, str]) -> bool:
        if len(self._seen) > KEPT_KINDS:
            self._seen.clear()
        at = self._seen.get(same)
        return at is not None and self._clock.seconds() - at < SAME_S

    def _write(self, junction: str, actor: str, detail: dict[str, object]) -> int:
        if self.left_out:
            detail["left_out"] = self.left_out
            self.left_out = 0
        self._written_at = self._clock.seconds()
        return self._audit.append([Entry(self._kind, self._clock.tenths(), junction, actor, detail)])[0]
