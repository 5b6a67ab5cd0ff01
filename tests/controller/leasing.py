"""A lease in one step, as the desk grants it in two with a record in between."""

from __future__ import annotations

from stopline_controller.leases import Lease, LeaseBook


def acquire(
    book: LeaseBook, junction: str, operator: str, ttl: float, reason: str, priority: int = 0
) -> Lease:
    """Offer and enter; LeaseError when it is refused."""
    lease = book.offer(junction, operator, ttl, reason, priority)
    book.enter(lease)
    return lease
