"""Leases: one operator at a time per junction or group, each grant numbered, each grant expiring."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, replace

from stopline_controller.clock import Clock
from stopline_controller.identity import RANKS, Role
from stopline_signals.errors import StoplineError

REPLAY_WINDOW = 64
"""Request numbers below the highest seen that may still arrive, each once."""


class LeaseError(StoplineError):
    """A lease that was not granted or is no longer good; says who holds the junction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to override one junction, or some groups of it, until `expires` (controller seconds)."""

    lease_id: str
    junction: str
    token: int
    """Fencing token: grows with every grant of the junction, so an old holder's late command is refused."""
    operator: str
    priority: int
    expires: float
    reason: str
    groups: int = 0
    """Groups it covers (mask); 0: the whole junction."""
    role: Role = Role.OPERATOR
    owner: str = ""
    """Name in the holder's certificate; empty without one."""

    @property
    def rank(self) -> tuple[int, int]:
        """Role first, then priority."""
        return RANKS[self.role], self.priority

    def overlaps(self, other_groups: int) -> bool:
        """Whether it covers any of those groups (0: the whole junction)."""
        return not self.groups or not other_groups or bool(self.groups & other_groups)


class LeaseBook:
    """The leases of all junctions; may be used from several threads."""

    def __init__(self, clock: Clock, max_ttl: float, first_token: int = 1) -> None:
        """Grant leases of at most `max_ttl` seconds; tokens go on from `first_token` after a restart."""
        self._clock = clock
        self._max_ttl = max_ttl
        self._lock = threading.RLock()
        self._leases: dict[str, Lease] = {}
        self._token = first_token - 1
        self._requests: dict[str, _Window] = {}

    def offer(
        self,
        junction: str,
        operator: str,
        ttl: float,
        reason: str,
        priority: int = 0,
        *,
        groups: int = 0,
        role: Role = Role.OPERATOR,
        owner: str = "",
    ) -> Lease:
        """The lease of the junction, or of groups of it, that may be granted now; it is none until `enter`.

        LeaseError while somebody else of at least this rank holds part of what it covers.
        """
        if not operator or not reason:
            raise LeaseError("a lease needs the operator's name and a reason; both go into the audit log")
        with self._lock:
            lease = Lease(
                lease_id=secrets.token_hex(8),
                junction=junction,
                token=self._token + 1,
                operator=operator,
                priority=priority,
                expires=self._until(ttl),
                reason=reason,
                groups=groups,
                role=role,
                owner=owner,
            )
            for held in self.overlapping(lease):
                if (held.operator, held.owner) != (operator, owner) and held.rank >= lease.rank:
                    raise LeaseError(self._taken(held))
            return lease

    def overlapping(self, lease: Lease) -> list[Lease]:
        """The leases in force that one on offer would end."""
        return [held for held in self.at(lease.junction) if held.overlaps(lease.groups)]

    def enter(self, lease: Lease) -> None:
        """Put what `offer` returned in force; LeaseError when another grant came between.

        What the same operator held before of it, and what was held at a lower rank, ends.
        """
        with self._lock:
            if lease.token <= self._token:
                raise LeaseError("another lease was granted meanwhile; acquire again")
            self._token = lease.token
            for held in self.overlapping(lease):
                self._drop(held)
            self._leases[lease.lease_id] = lease
            self._requests[lease.lease_id] = _Window()

    def renew(self, lease_id: str, token: int, ttl: float) -> Lease:
        """Extend a lease from now on; LeaseError when it is no longer in force."""
        with self._lock:
            lease = self.renewal(lease_id, token, ttl)
            self._leases[lease_id] = lease
            return lease

    def renewal(self, lease_id: str, token: int, ttl: float) -> Lease:
        """The lease as `renew` would extend it now, LeaseError as there; nothing changes."""
        return replace(self.check(lease_id, token), expires=self._until(ttl))

    def release(self, lease_id: str, token: int) -> Lease:
        """End a lease; LeaseError when it is no longer in force."""
        with self._lock:
            lease = self.check(lease_id, token)
            self._drop(lease)
            return lease

    def check(self, lease_id: str, token: int) -> Lease:
        """The lease, if it is in force and the token is its own; LeaseError otherwise."""
        with self._lock:
            lease = self._leases.get(lease_id)
            if lease is None or lease.expires <= self._clock.seconds():
                raise LeaseError(
                    f"lease {lease_id} expired, was released or was taken over; acquire a new one"
                )
            if lease.token != token:
                raise LeaseError(f"fencing token {token} is not that of lease {lease_id}; acquire again")
            return lease

    def fresh(self, lease_id: str, sequence: int) -> bool:
        """Whether a request with this number is new under the lease; it is taken note of."""
        with self._lock:
            window = self._requests.get(lease_id)
            return window is not None and window.take(sequence)

    def good(self, lease: Lease) -> bool:
        """Whether that very grant is still in force."""
        with self._lock:
            held = self._leases.get(lease.lease_id)
            return held is not None and held.expires > self._clock.seconds()

    def holder(self, junction: str, groups: int = 0) -> Lease | None:
        """A lease in force that covers any of the groups (0: anything of the junction)."""
        return next((lease for lease in self.at(junction) if lease.overlaps(groups)), None)

    def at(self, junction: str) -> list[Lease]:
        """The leases in force at a junction."""
        return [lease for lease in self.all() if lease.junction == junction]

    def all(self) -> list[Lease]:
        """All leases in force."""
        now = self._clock.seconds()
        with self._lock:
            return [lease for lease in self._leases.values() if lease.expires > now]

    def expire(self) -> list[Lease]:
        """Remove and return the leases whose time is over."""
        if not self._leases:
            return []
        now = self._clock.seconds()
        with self._lock:
            over = [lease for lease in self._leases.values() if lease.expires <= now]
            for lease in over:
                self._drop(lease)
            return over

    def _drop(self, lease: Lease) -> None:
        del self._leases[lease.lease_id]
        del self._requests[lease.lease_id]

    def _taken(self, held: Lease) -> str:
        left = held.expires - self._clock.seconds()
        what = "groups of it are" if held.groups else "it is"
        return (
            f"junction {held.junction}: {what} held by {held.operator} ({held.role}, priority "
            f"{held.priority}) for another {left:.0f} s ({held.reason}); wait, ask them to release it, or "
            "acquire with a higher role or priority"
        )

    def _until(self, ttl: float) -> float:
        if not 0 < ttl <= self._max_ttl:
            raise LeaseError(
                f"a lease of {ttl:g} s is not possible here; ask for up to {self._max_ttl:g} s and renew"
            )
        return self._clock.seconds() + ttl


class _Window:
    """Request numbers seen under one lease: the highest, and which of those just below it."""

    def __init__(self) -> None:
        self._highest = 0
        self._seen = 0

    def take(self, sequence: int) -> bool:
        if sequence > self._highest:
            shift = min(sequence - self._highest, REPLAY_WINDOW)
            self._seen = (self._seen << shift | 1) & ((1 << REPLAY_WINDOW) - 1)
            self._highest = sequence
            return True
        behind = self._highest - sequence
        if sequence <= 0 or behind >= REPLAY_WINDOW or self._seen >> behind & 1:
            return False
        self._seen |= 1 << behind
        return True
