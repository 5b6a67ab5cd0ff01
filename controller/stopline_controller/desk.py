"""The operators' desk: leases and overrides as requested, judged, recorded and answered."""

from __future__ import annotations

import contextlib
import math
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from stopline_controller.arbiter import Arbiter
from stopline_controller.audit import AuditLog, Entry
from stopline_controller.clock import Clock
from stopline_controller.identity import NOBODY, Identity
from stopline_controller.judging import Case, judge
from stopline_controller.junction import JunctionControl
from stopline_controller.leases import Lease, LeaseError
from stopline_controller.overrides import (
    TWO_PERSONS,
    Answer,
    Override,
    OverrideBook,
    Status,
    Verb,
    Wanted,
)
from stopline_controller.refusals import RefusalLog
from stopline_controller.snapshots import Hub
from stopline_controller.texts import LONGEST_NAME, too_long
from stopline_signals.engine import KEEP
from stopline_signals.errors import StoplineError

MOST_GROUPS = 64
"""Groups that one request may name."""
REFUSALS = ("lease-refused", "override", "confirmation-refused", "call-refused")
"""Kinds of records of what was refused; that of an override says so by its status."""


class InvalidRequest(StoplineError):
    """A request that cannot be meant, whatever the junction does; names the field and its limit."""


class Request(NamedTuple):
    """An override as it came in; `groups` by name, `not_after` in seconds from now (0: no limit)."""

    lease_id: str
    token: int
    verb: Verb
    stage: int = KEEP
    groups: tuple[str, ...] = ()
    pattern: int = 0
    key: str = ""
    sequence: int = 0
    not_after: float = 0.0
    dry_run: bool = False


class Grant(NamedTuple):
    """A lease as asked for."""

    junction: str
    operator: str
    ttl: float
    reason: str
    priority: int = 0
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Pending:
    """An override that waits for its second person."""

    override: Override
    request: Request
    expires: float


class _Judged(NamedTuple):
    """An answer, and what makes it true once its record is in the audit log."""

    answer: Answer
    effect: Callable[[], None]


class Desk:
    """What operators may do; everything is committed to the audit log before it takes effect.

    Used from the services' thread; the control thread may act on what is in the books at any moment.
    """

    def __init__(
        self,
        clock: Clock,
        arbiter: Arbiter,
        controls: Mapping[str, JunctionControl],
        overrides: OverrideBook,
        audit: AuditLog,
        hub: Hub,
        confirm_within: float = 60.0,
    ) -> None:
        """`confirm_within` is how long a second person has, seconds."""
        self._clock = clock
        self._arbiter = arbiter
        self._controls = controls
        self._overrides = overrides
        self._leases = overrides.leases
        self._audit = audit
        self._hub = hub
        self._confirm_within = confirm_within
        self._pending: dict[str, _Pending] = {}
        self._refusals = {kind: RefusalLog(audit, clock, kind) for kind in REFUSALS}
        self._lock = threading.Lock()

    def acquire(self, grant: Grant, who: Identity = NOBODY) -> Lease:
        """Grant a lease; LeaseError when it is refused, InvalidRequest when a text is too long."""
        junction, operator = grant.junction, grant.operator or who.name
        self._fit(who, {"operator": grant.operator}, grant.groups, reason=grant.reason)
        try:
            lease = self._leases.offer(
                junction,
                operator,
                grant.ttl,
                grant.reason,
                grant.priority,
                groups=self._mask(junction, grant.groups),
                role=who.role,
                owner=who.name if who.verified else "",
            )
        except LeaseError as error:
            self._refused("lease-refused", junction, operator, who, str(error))
            raise
        # One grant at a time between offer and entry: the services have one thread.
        ended = self._leases.overlapping(lease)
        self._audit.append([self._granted(lease, grant, who), *self._taken_over(lease, ended, who)])
        self._leases.enter(lease)
        for held in ended:
            self._overrides.remove(held)
        return lease

    def renew(self, lease_id: str, token: int, ttl: float, who: Identity = NOBODY) -> Lease:
        """Let a lease end `ttl` seconds from now; LeaseError when it is over, or another person's."""
        self._fit(who, {"lease_id": lease_id})
        self._own(self._leases.check(lease_id, token), who)
        lease = self._leases.renewal(lease_id, token, ttl)
        self._record("lease-renewed", lease.junction, lease.operator, who, lease=lease_id, ttl=ttl)
        return self._leases.renew(lease_id, token, ttl)

    def release(self, lease_id: str, token: int, who: Identity = NOBODY) -> None:
        """End a lease and what it holds; LeaseError when it is not in force, or another person's."""
        self._fit(who, {"lease_id": lease_id})
        lease = self._own(self._leases.check(lease_id, token), who)
        self._record("lease-released", lease.junction, lease.operator, who, lease=lease_id)
        with contextlib.suppress(LeaseError):  # expired meanwhile: it has ended all the same
            self._leases.release(lease_id, token)
        self._overrides.remove(lease)

    def override(self, request: Request, who: Identity = NOBODY) -> Answer:
        """Judge, record and place an override; says what becomes of it, InvalidRequest when it is none."""
        names = {"lease_id": request.lease_id, "idempotency_key": request.key}
        self._fit(who, names, request.groups, not_after_s=request.not_after)
        content = request._replace(sequence=0)
        known = self._overrides.answered(request.lease_id, request.key, content)
        if known is not None:
            return known
        try:
            lease = self._own(self._leases.check(request.lease_id, request.token), who)
        except LeaseError as error:
            return self._answered("", "", request, _rejected(str(error)), who)
        if who.verified and not request.key and not request.sequence and not request.dry_run:
            answer = _rejected(
                "number your requests or give each an idempotency key, so that a replay can be told"
            )
            return self._answered(lease.junction, lease.operator, request, answer, who)
        if (
            request.sequence
            and not request.dry_run
            and not self._leases.fresh(lease.lease_id, request.sequence)
        ):
            answer = _rejected(
                f"request {request.sequence} came before under this lease or is too old: a replay"
            )
            return self._answered(lease.junction, lease.operator, request, answer, who)
        judged = self._judged(lease, request)
        answer = self._answered(lease.junction, lease.operator, request, judged.answer, who)
        if not request.dry_run:
            judged.effect()
            self._overrides.remember(lease.lease_id, request.key, content, answer)
        return answer

    def confirm(self, confirmation: str, operator: str, who: Identity = NOBODY) -> Answer:
        """The second person's word; it has to be another person's than the lease's."""
        self._fit(who, {"confirmation_id": confirmation, "operator": operator})
        second = Identity(who.name or operator, who.role, who.verified)
        with self._lock:
            pending = self._pending.get(confirmation)
            if pending is not None and pending.expires <= self._clock.seconds():
                del self._pending[confirmation]
                pending = None
            if pending is None:
                reason = "no override waits for this confirmation; it lapsed, was confirmed, or never was"
                return self._confirmed("", second, confirmation, _rejected(reason))
            lease = pending.override.lease
            if not second.name or second.name in (lease.owner or lease.operator, lease.operator):
                reason = f"{lease.operator} asked for it; another person has to confirm, by name"
                return self._confirmed(lease.junction, second, confirmation, _rejected(reason))
            del self._pending[confirmation]
        if not self._leases.good(lease):
            reason = "the lease it was asked under ended"
            return self._confirmed(lease.junction, second, confirmation, _rejected(reason))
        answer = judge(self._case(lease.junction), pending.override.wanted, lease)
        answer = self._confirmed(lease.junction, second, confirmation, answer)
        if answer.status is not Status.REJECTED:
            self._overrides.place(pending.override)
        return answer

    def _judged(self, lease: Lease, request: Request) -> _Judged:
        """Judge a request; nothing is done yet."""
        if request.verb is Verb.RELEASE:
            answer = Answer(status=Status.ACCEPTED, reason="handed back; the lease stays")
            return _Judged(answer, lambda: self._overrides.remove(lease))
        try:
            wanted = self._wanted(lease, request)
        except LeaseError as error:
            return _Judged(_rejected(str(error)), _nothing)
        not_after = self._clock.seconds() + request.not_after if request.not_after else 0.0
        override = Override(lease=lease, wanted=wanted, not_after=not_after)
        answer = judge(self._case(lease.junction), wanted, lease)
        if answer.status is Status.REJECTED or request.dry_run:
            return _Judged(answer, _nothing)
        if request.verb in TWO_PERSONS:
            return self._await_second(override, request)
        return _Judged(answer, lambda: self._overrides.place(override))

    def _await_second(self, override: Override, request: Request) -> _Judged:
        confirmation = secrets.token_hex(4)
        answer = Answer(
            status=Status.PENDING_CONFIRMATION,
            reason=f"{request.verb} needs a second person",
            confirmation=confirmation,
            confirm_within=self._confirm_within,
        )
        return _Judged(answer, lambda: self._wait(confirmation, override, request))

    def _wait(self, confirmation: str, override: Override, request: Request) -> None:
        now = self._clock.seconds()
        with self._lock:
            for key in [key for key, waiting in self._pending.items() if waiting.expires <= now]:
                del self._pending[key]
            self._pending[confirmation] = _Pending(override, request, now + self._confirm_within)

    def _wanted(self, lease: Lease, request: Request) -> Wanted:
        """The request in terms of the plan; LeaseError naming what the junction does not have."""
        control = self._controls[lease.junction]
        snapshot = self._hub.latest.get(lease.junction)
        groups = self._mask(lease.junction, request.groups)
        stage = request.stage
        if request.verb is Verb.HOLD:
            groups = groups or lease.groups
            seen = snapshot.now if snapshot else None
            stage = KEEP if lease.groups or seen is None else seen.state.stage
        elif request.verb in TWO_PERSONS:
            stage = control.engine.all_red
        return Wanted(request.verb, stage, groups, request.pattern)

    def _case(self, junction: str) -> Case:
        return Case(self._controls[junction], self._hub.latest.get(junction), self._arbiter)

    def _mask(self, junction: str, names: Sequence[str]) -> int:
        plan = self._controls[junction].plan
        known = {group.name: index for index, group in enumerate(plan.groups)}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise LeaseError(
                f"junction {junction} has no group {', '.join(unknown)}; it has {', '.join(known)}"
            )
        return sum(1 << known[name] for name in set(names))

    def _own(self, lease: Lease, who: Identity) -> Lease:
        """The lease, if it is this person's."""
        if lease.owner and lease.owner != who.name:
            raise LeaseError(f"lease {lease.lease_id} is {lease.owner}'s, not {who.name or 'yours'}")
        return lease

    def _fit(
        self,
        who: Identity,
        names: Mapping[str, str],
        groups: Sequence[str] = (),
        *,
        reason: str = "",
        not_after_s: float = 0.0,
    ) -> None:
        """InvalidRequest naming the field that is too long, or a time that is none; that is counted."""
        for log in self._refusals.values():
            log.settle()
        problem = next(_misfits(names, groups, reason, not_after_s), "")
        if problem:
            self._refused("call-refused", "", "", who, problem)
            raise InvalidRequest(problem)

    def _confirmed(self, junction: str, second: Identity, confirmation: str, answer: Answer) -> Answer:
        detail = {"confirmation": confirmation, "status": str(answer.status)}
        if answer.status is Status.REJECTED:
            sequence = self._refused(
                "confirmation-refused", junction, second.name, second, answer.reason, **detail
            )
        else:
            sequence = self._record(
                "override-confirmed", junction, second.name, second, why=answer.reason, **detail
            )
        return replace(answer, audit_sequence=sequence)

    def _answered(
        self, junction: str, operator: str, request: Request, answer: Answer, who: Identity
    ) -> Answer:
        if request.dry_run:
            return answer
        detail: dict[str, object] = {
            "verb": str(request.verb),
            "stage": None if request.stage == KEEP else request.stage,
            "groups": list(request.groups),
            "pattern": request.pattern,
            "status": str(answer.status),
            "confirmation": answer.confirmation,
        }
        if answer.status is Status.REJECTED:
            sequence = self._refused("override", junction, operator, who, answer.reason, **detail)
        else:
            sequence = self._record("override", junction, operator, who, why=answer.reason, **detail)
        return replace(answer, audit_sequence=sequence)

    def _granted(self, lease: Lease, grant: Grant, who: Identity) -> Entry:
        return self._entry(
            "lease",
            lease.junction,
            lease.operator,
            who,
            lease=lease.lease_id,
            token=lease.token,
            reason=grant.reason,
            ttl=grant.ttl,
            priority=grant.priority,
            groups=list(grant.groups),
        )

    def _taken_over(self, lease: Lease, ended: Sequence[Lease], who: Identity) -> list[Entry]:
        return [
            self._entry("lease-taken-over", lease.junction, lease.operator, who, taken_from=held.operator)
            for held in ended
            if held.operator != lease.operator
        ]

    def _record(self, kind: str, junction: str, operator: str, who: Identity, **detail: object) -> int:
        """Commit a record; returns its sequence number, 0 when it was lost."""
        return self._audit.append([self._entry(kind, junction, operator, who, **detail)])[0]

    def _refused(
        self, kind: str, junction: str, operator: str, who: Identity, why: str, **detail: object
    ) -> int:
        """Record a refusal, or count it when this caller had many; returns the sequence number or 0.

        By the certificate: a name that is only said would be another one at each call.
        """
        speaker = who.name if who.verified else ""
        return self._refusals[kind].note(
            speaker, why, junction=junction, actor=operator, detail=_detail(who, detail), each=True
        )

    def _entry(self, kind: str, junction: str, operator: str, who: Identity, **detail: object) -> Entry:
        return Entry(kind, self._clock.tenths(), junction, operator, _detail(who, detail))


def _detail(who: Identity, detail: Mapping[str, object]) -> dict[str, object]:
    """What is kept of a record's detail, with who it was where a certificate says so."""
    kept = {name: value for name, value in detail.items() if value not in ("", [], None)}
    return kept | ({"certificate": who.name, "role": str(who.role)} if who.verified else {})


def _misfits(
    names: Mapping[str, str], groups: Sequence[str], reason: str, not_after_s: float
) -> Iterator[str]:
    """What no request may have: the field and its limit."""
    yield from too_long(names, reason)
    if len(groups) > MOST_GROUPS:
        yield f"groups are at most {MOST_GROUPS}, not {len(groups)}"
    if any(len(name) > LONGEST_NAME for name in groups):
        yield f"groups have names of at most {LONGEST_NAME} characters"
    if not (math.isfinite(not_after_s) and not_after_s >= 0):
        yield f"not_after_s is in seconds from now, 0 for no limit, not {not_after_s}"


def _nothing() -> None:
    """The effect of what was refused or is only asked about."""


def _rejected(reason: str) -> Answer:
    return Answer(status=Status.REJECTED, reason=reason)
