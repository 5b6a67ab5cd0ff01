"""Leases: one operator at a time per junction, each grant numbered, each grant expiring."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, replace

from stopline_controller.clock import Clock
from stopline_signals.errors import StoplineError


class LeaseError(StoplineError):
    """A lease that was not granted or is no longer good; says who holds the junction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to override one junction until `expires` (seconds of the controller's clock)."""

    lease_id: str
    junction: str
    token: int
    """Fencing token: grows with every grant of the junction, so an old holder's late command is refused."""
    operator: str
    priority: int
    expires: float
    reason: str


class LeaseBook:
    """The leases of all junctions; may be used from several threads."""

    def __init__(self, clock: Clock, max_ttl: float) -> None:
        """Grant leases of at most `max_ttl` seconds."""
        self._clock = clock
        self._max_ttl = max_ttl
        self._lock = threading.RLock()
        self._by_junction: dict[str, Lease] = {}
        self._tokens: dict[str, int] = {}

    def acquire(self, junction: str, operator: str, ttl: float, reason: str, priority: int = 0) -> Lease:
        """Grant the junction; LeaseError while another operator of at least this priority holds it."""
        if not operator or not reason:
            raise LeaseError("a lease needs the operator's name and a reason; both go into the audit log")
        with self._lock:
            held = self.holder(junction)
            if held and held.operator != operator and held.priority >= priority:
                left = held.expires - self._clock.seconds()
                raise LeaseError(
                    f"junction {junction} is held by {held.operator} with priority {held.priority} for "
                    f"another {left:.0f} s ({held.reason}); wait, ask them to release it, or acquire with a "
                    "higher priority"
                )
            token = self._tokens[junction] = self._tokens.get(junction, 0) + 1
            lease = Lease(
                lease_id=secrets.token_hex(8),
                junction=junction,
                token=token,
                operator=operator,
                priority=priority,
                expires=self._until(ttl),
                reason=reason,
            )
            self._by_junction[junction] = lease
            return lease

    def renew(self, lease_id: str, token: int, ttl: float) -> Lease:
        """Extend a lease from now on; LeaseError when it is no longer the one in force."""
        with self._lock:
            lease = replace(self.check(lease_id, token), expires=self._until(ttl))
            self._by_junction[lease.junction] = lease
            return lease

    def release(self, lease_id: str, token: int) -> Lease:
        """End a lease; LeaseError when it is no longer the one in force."""
        with self._lock:
            lease = self.check(lease_id, token)
            del self._by_junction[lease.junction]
            return lease

    def check(self, lease_id: str, token: int) -> Lease:
        """The lease, if it is in force and the token is its own; LeaseError otherwise."""
        now = self._clock.seconds()
        with self._lock:
            for lease in self._by_junction.values():
                if lease.lease_id == lease_id and lease.expires > now:
                    if lease.token != token:
                        raise LeaseError(
                            f"fencing token {token} is not that of lease {lease_id}; acquire again"
                        )
                    return lease
        raise LeaseError(f"lease {lease_id} expired, was released or was taken over; acquire a new one")

    def holder(self, junction: str) -> Lease | None:
        """The lease in force at a junction."""
        with self._lock:
            lease = self._by_junction.get(junction)
            return lease if lease and lease.expires > self._clock.seconds() else None

    def all(self) -> list[Lease]:
        """All leases in force."""
        now = self._clock.seconds()
        with self._lock:
            return [lease for lease in self._by_junction.values() if lease.expires > now]

    def expire(self) -> list[Lease]:
        """Remove and return the leases whose time is over."""
        now = self._clock.seconds()
        with self._lock:
            over = [lease for lease in self._by_junction.values() if lease.expires <= now]
            for lease in over:
                del self._by_junction[lease.junction]
            return over

    def _until(self, ttl: float) -> float:
        if not 0 < ttl <= self._max_ttl:
            raise LeaseError(
                f"a lease of {ttl:g} s is not possible here; ask for up to {self._max_ttl:g} s and renew"
            )
        return self._clock.seconds() + ttl
