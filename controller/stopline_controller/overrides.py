"""Operator overrides: a stage wanted under a lease, gone when the lease is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from stopline_controller.leases import Lease, LeaseBook
from stopline_controller.sources import Proposal, Source

REMEMBERED_KEYS = 1000


class Status(StrEnum):
    """Answer to an override."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    PENDING_SAFE_POINT = "pending safe point"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of an override; `earliest` in tenths from now, `blocking` the source in the way."""

    status: Status
    reason: str = ""
    blocking: Source | None = None
    earliest: int = 0
    audit_sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A stage an operator wants; begun before `not_after` (controller seconds; 0: any time) or never."""

    lease: Lease
    verb: str
    stage: int
    not_after: float = 0.0


class OverrideBook:
    """The override in force at each junction; it ends with its lease. May be used from several threads."""

    def __init__(self, leases: LeaseBook) -> None:
        self.leases = leases
        self._lock = threading.Lock()
        self._placed: dict[str, Override] = {}
        self._answers: OrderedDict[tuple[str, str], Answer] = OrderedDict()

    def place(self, override: Override) -> None:
        """Put an override in the place of the one before."""
        with self._lock:
            self._placed[override.lease.junction] = override

    def remove(self, junction: str) -> None:
        """Take the override of a junction away; its lease stays."""
        with self._lock:
            self._placed.pop(junction, None)

    def proposal(self, junction: str, now: float, current_stage: int) -> Proposal | None:
        """What the centre asks of the junction at `now` (controller seconds)."""
        with self._lock:
            placed = self._placed.get(junction)
            if placed is None:
                return None
            holder = self.leases.holder(junction)
            lapsed = 0 < placed.not_after < now and placed.stage != current_stage
            if holder is None or holder.token != placed.lease.token or lapsed:
                del self._placed[junction]
                return None
            # The stage was reached in time, so the deadline is met for good.
            if placed.not_after and placed.stage == current_stage:
                self._placed[junction] = Override(lease=placed.lease, verb=placed.verb, stage=placed.stage)
        reason = f"{placed.verb} by {placed.lease.operator}: {placed.lease.reason}"
        return Proposal(Source.CENTRE, placed.stage, reason, placed.lease.lease_id)

    def answered(self, lease_id: str, key: str) -> Answer | None:
        """The answer given before to this idempotency key under this lease."""
        with self._lock:
            return self._answers.get((lease_id, key)) if key else None

    def remember(self, lease_id: str, key: str, answer: Answer) -> None:
        """Keep an answer for its idempotency key."""
        if not key:
            return
        with self._lock:
            self._answers[lease_id, key] = answer
            while len(self._answers) > REMEMBERED_KEYS:
                self._answers.popitem(last=False)
