"""The operators' desk: leases and overrides as requested, judged, recorded and answered."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
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
from stopline_controller.snapshots import Hub
from stopline_signals.engine import KEEP


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


class Desk:
    """What operators may do; everything is committed to the audit log before it is answered."""

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
        self._lock = threading.Lock()

    def acquire(self, grant: Grant, who: Identity = NOBODY) -> Lease:
        """Grant a lease; LeaseError when it is refused."""
        junction, operator = grant.junction, grant.operator or who.name
        try:
            groups = self._mask(junction, grant.groups)
            before = [lease for lease in self._leases.at(junction) if lease.overlaps(groups)]
            lease = self._leases.acquire(
                junction,
                operator,
                grant.ttl,
                grant.reason,
                grant.priority,
                groups=groups,
                role=who.role,
                owner=who.name if who.verified else "",
            )
        except LeaseError as error:
            self._record("lease-refused", junction, operator, who, why=str(error))
            raise
        self._record(
            "lease",
            junction,
            operator,
            who,
            lease=lease.lease_id,
            token=lease.token,
            reason=grant.reason,
            ttl=grant.ttl,
            priority=grant.priority,
            groups=list(grant.groups),
        )
        for held in before:
            self._overrides.remove(held)
            if held.operator != operator:
                self._record("lease-taken-over", junction, operator, who, taken_from=held.operator)
        return lease

    def renew(self, lease_id: str, token: int, ttl: float, who: Identity = NOBODY) -> Lease:
        """Extend a lease; LeaseError when it is not in force, or another person's."""
        self._own(self._leases.check(lease_id, token), who)
        lease = self._leases.renew(lease_id, token, ttl)
        self._record("lease-renewed", lease.junction, lease.operator, who, lease=lease_id, ttl=ttl)
        return lease

    def release(self, lease_id: str, token: int, who: Identity = NOBODY) -> None:
        """End a lease and what it holds; LeaseError when it is not in force, or another person's."""
        self._own(self._leases.check(lease_id, token), who)
        lease = self._leases.release(lease_id, token)
        self._overrides.remove(lease)
        self._record("lease-released", lease.junction, lease.operator, who, lease=lease_id)

    def override(self, request: Request, who: Identity = NOBODY) -> Answer:
        """Judge, record and place an override; says what becomes of it."""
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
        answer = self._answered(lease.junction, lease.operator, request, self._judged(lease, request), who)
        if not request.dry_run:
            self._overrides.remember(lease.lease_id, request.key, content, answer)
        return answer

    def confirm(self, confirmation: str, operator: str, who: Identity = NOBODY) -> Answer:
        """The second person's word; it has to be another person's than the lease's."""
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
        answer = self._place(pending.override)
        return self._confirmed(lease.junction, second, confirmation, answer)

    def _judged(self, lease: Lease, request: Request) -> Answer:
        """Judge a request and, unless it is a dry run, place it."""
        if request.verb is Verb.RELEASE:
            if not request.dry_run:
                self._overrides.remove(lease)
            return Answer(status=Status.ACCEPTED, reason="handed back; the lease stays")
        try:
            wanted = self._wanted(lease, request)
        except LeaseError as error:
            return _rejected(str(error))
        not_after = self._clock.seconds() + request.not_after if request.not_after else 0.0
        override = Override(lease=lease, wanted=wanted, not_after=not_after)
        answer = judge(self._case(lease.junction), wanted, lease)
        if answer.status is Status.REJECTED or request.dry_run:
            return answer
        if request.verb in TWO_PERSONS:
            return self._await_second(override, request)
        return self._place(override)

    def _place(self, override: Override) -> Answer:
        answer = judge(self._case(override.lease.junction), override.wanted, override.lease)
        if answer.status is not Status.REJECTED:
            self._overrides.place(override)
        return answer

    def _await_second(self, override: Override, request: Request) -> Answer:
        now = self._clock.seconds()
        with self._lock:
            for key in [key for key, waiting in self._pending.items() if waiting.expires <= now]:
                del self._pending[key]
            confirmation = secrets.token_hex(4)
            self._pending[confirmation] = _Pending(override, request, now + self._confirm_within)
        return Answer(
            status=Status.PENDING_CONFIRMATION,
            reason=f"{request.verb} needs a second person",
            confirmation=confirmation,
            confirm_within=self._confirm_within,
        )

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

    def _confirmed(self, junction: str, second: Identity, confirmation: str, answer: Answer) -> Answer:
        sequence = self._record(
            "override-confirmed" if answer.status is not Status.REJECTED else "confirmation-refused",
            junction,
            second.name,
            second,
            confirmation=confirmation,
            status=str(answer.status),
            why=answer.reason,
        )
        return replace(answer, audit_sequence=sequence)

    def _answered(
        self, junction: str, operator: str, request: Request, answer: Answer, who: Identity
    ) -> Answer:
        if request.dry_run:
            return answer
        sequence = self._record(
            "override",
            junction,
            operator,
            who,
            verb=str(request.verb),
            stage=None if request.stage == KEEP else request.stage,
            groups=list(request.groups),
            pattern=request.pattern,
            status=str(answer.status),
            why=answer.reason,
            confirmation=answer.confirmation,
        )
        return replace(answer, audit_sequence=sequence)

    def _record(self, kind: str, junction: str, operator: str, who: Identity, **detail: object) -> int:
        detail = {name: value for name, value in detail.items() if value not in ("", [], None)}
        if who.verified:
            detail |= {"certificate": who.name, "role": str(who.role)}
        return self._audit.append([Entry(kind, self._clock.tenths(), junction, operator, detail)])[0]


def _rejected(reason: str) -> Answer:
    return Answer(status=Status.REJECTED, reason=reason)
