"""Operator overrides: what is wanted under a lease, gone when the lease is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from stopline_cabinets.words import OWN_PATTERN, Can, Kind
from stopline_controller.leases import Lease, LeaseBook
from stopline_controller.sources import Proposal, Source
from stopline_controller.wishes import NO_WISHES, Wishes
from stopline_signals.engine import KEEP, shown_green

KEYS_PER_LEASE = 1000
"""Idempotency keys remembered under one lease; further ones are refused: one forgotten could be replayed."""


class Verb(StrEnum):
    """What an operator may want; the names are those of the interface."""

    HOLD = "hold"
    GO_TO_STAGE = "go_to_stage"
    OMIT = "omit"
    CALL = "call"
    SELECT_PLAN = "select_plan"
    ALL_RED = "all_red"
    FLASH = "flash"
    RELEASE = "release"


NEEDS = {
    Verb.SELECT_PLAN: Can.PATTERN,
    Verb.ALL_RED: Can.ALL_RED,
    Verb.FLASH: Can.FLASH,
    Verb.CALL: Can.CALL,
    Verb.OMIT: Can.OMIT,
}
"""What the cabinet must be able to do; calls and omits this side can keep while it asks for stages."""

OF_GROUPS = frozenset({Verb.HOLD, Verb.OMIT, Verb.CALL, Verb.RELEASE})
"""Verbs a lease of groups takes."""

TWO_PERSONS = frozenset({Verb.ALL_RED, Verb.FLASH})
"""Verbs that need a second person."""

_KINDS = {Verb.ALL_RED: Kind.ALL_RED, Verb.FLASH: Kind.FLASH, Verb.SELECT_PLAN: Kind.PATTERN}


class Wanted(NamedTuple):
    """An override as asked for; `groups` is a mask."""

    verb: Verb
    stage: int = KEEP
    groups: int = 0
    pattern: int = OWN_PATTERN

    @property
    def kind(self) -> Kind:
        """What kind of plan carries it."""
        return _KINDS.get(self.verb, Kind.STAGES)


class Status(StrEnum):
    """Answer to an override."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    PENDING_SAFE_POINT = "pending safe point"
    REJECTED = "rejected"
    PENDING_CONFIRMATION = "pending confirmation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of an override; `earliest` in tenths from now, `blocking` the source in the way."""

    status: Status
    reason: str = ""
    blocking: Source | None = None
    earliest: int = 0
    audit_sequence: int = 0
    confirmation: str = ""
    confirm_within: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What an operator wants; begun before `not_after` (controller seconds; 0: any time) or never."""

    lease: Lease
    wanted: Wanted
    not_after: float = 0.0


@dataclass(slots=True)
class _Placed:
    """All that is placed under one lease: one action on the junction, and wishes for groups."""

    lease: Lease
    action: Override | None = None
    wishes: Wishes = NO_WISHES
    call_until: float = 0.0


class OverrideBook:
    """The overrides in force at each junction; they end with their leases. Any thread may use it."""

    def __init__(self, leases: LeaseBook) -> None:
        self.leases = leases
        self._lock = threading.Lock()
        self._placed: dict[str, dict[str, _Placed]] = {}
        self._answers: OrderedDict[str, dict[str, tuple[object, Answer]]] = OrderedDict()

    def place(self, override: Override) -> None:
        """Put an override in the place of the one of its sort before."""
        lease, wanted = override.lease, override.wanted
        with self._lock:
            at = self._placed.setdefault(lease.junction, {})
            placed = at.setdefault(lease.lease_id, _Placed(lease))
            if wanted.verb is Verb.OMIT:
                placed.wishes = placed.wishes._replace(omits=wanted.groups)
            elif wanted.verb is Verb.CALL:
                placed.wishes = placed.wishes._replace(calls=placed.wishes.calls | wanted.groups)
                placed.call_until = override.not_after
            elif wanted.verb is Verb.HOLD and lease.groups:
                placed.wishes = placed.wishes._replace(holds=wanted.groups)
            else:
                placed.action = override

    def remove(self, lease: Lease) -> None:
        """Take everything under a lease away; the lease stays."""
        with self._lock:
            at = self._placed.get(lease.junction, {})
            at.pop(lease.lease_id, None)
            if not at:
                self._placed.pop(lease.junction, None)

    def placed(self, junction: str) -> bool:
        """Whether anything is wanted of the junction, or was and is still to be dropped."""
        return junction in self._placed

    def proposal(self, junction: str, now: float, current_stage: int, in_force: str = "") -> Proposal | None:
        """What the centre asks of the junction at `now` (controller seconds).

        `in_force` is the holder of the proposal followed last; a deadline that was met is met for good.
        """
        if not self.placed(junction):
            return None
        with self._lock:
            for placed in self._standing(junction):
                action = placed.action
                if action is None:
                    continue
                stage = action.wanted.stage
                begun = in_force == placed.lease.lease_id if stage == KEEP else stage == current_stage
                if action.not_after and begun:
                    action = placed.action = replace(action, not_after=0.0)
                if 0 < action.not_after < now:
                    placed.action = None
                    continue
                return _proposal(placed.lease, action.wanted)
        return None

    def wishes(self, junction: str, now: float, aspects: Sequence[int]) -> Wishes:
        """What is wanted of single groups; a call is over once its group is green."""
        if not self.placed(junction):
            return NO_WISHES
        with self._lock:
            calls, omits, holds = NO_WISHES
            for placed in self._standing(junction):
                if placed.wishes.calls:
                    lapsed = 0 < placed.call_until < now
                    left = 0 if lapsed else _still_called(placed.wishes.calls, aspects)
                    placed.wishes = placed.wishes._replace(calls=left)
                calls |= placed.wishes.calls
                omits |= placed.wishes.omits
                holds |= placed.wishes.holds
            return Wishes(calls, omits & ~calls & ~holds, holds)

    def answered(self, lease_id: str, key: str, request: object) -> Answer | None:
        """The answer given before to this idempotency key; a rejection when it came with another request."""
        if not key:
            return None
        with self._lock:
            known = self._answers.get(lease_id, {})
            if key not in known:
                full = len(known) >= KEYS_PER_LEASE
                reason = f"{KEYS_PER_LEASE} idempotency keys used under this lease; acquire a new one"
                return Answer(status=Status.REJECTED, reason=reason) if full else None
            before, answer = known[key]
        if before != request:
            return Answer(
                status=Status.REJECTED, reason=f"idempotency key {key!r} was used for another request"
            )
        return answer

    def remember(self, lease_id: str, key: str, request: object, answer: Answer) -> None:
        """Keep an answer for its idempotency key, as long as the lease is in force."""
        if not key:
            return
        with self._lock:
            self._answers.setdefault(lease_id, {})[key] = (request, answer)
            live = {lease.lease_id for lease in self.leases.all()}
            for gone in [known for known in self._answers if known not in live]:
                del self._answers[gone]

    def _standing(self, junction: str) -> list[_Placed]:
        """What is placed under leases still in force, newest first; the rest is dropped."""
        at = self._placed.get(junction, {})
        for lease_id in [key for key, placed in at.items() if not self.leases.good(placed.lease)]:
            del at[lease_id]
        if not at:
            self._placed.pop(junction, None)
        return sorted(at.values(), key=lambda placed: -placed.lease.token)


def _proposal(lease: Lease, wanted: Wanted) -> Proposal:
    reason = f"{wanted.verb} by {lease.operator}: {lease.reason}"
    return Proposal(Source.CENTRE, wanted.stage, reason, lease.lease_id, wanted.kind, wanted.pattern)


def _still_called(calls: int, aspects: Sequence[int]) -> int:
    return sum(
        1 << group for group, aspect in enumerate(aspects) if calls >> group & 1 and not shown_green(aspect)
    )
