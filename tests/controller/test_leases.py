"""Leases: one holder, fencing tokens that only grow, and an end to everything."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stopline_controller.leases import Lease, LeaseBook, LeaseError
from stopline_controller.overrides import Override, OverrideBook, Verb, Wanted
from stopline_controller.sources import Source
from tests.controller.leasing import acquire
from tests.controller.manual_clock import ManualClock


def _book(max_ttl: float = 60) -> tuple[ManualClock, LeaseBook]:
    clock = ManualClock()
    return clock, LeaseBook(clock, max_ttl)


def test_a_second_operator_is_told_who_holds_the_junction() -> None:
    _, book = _book()
    acquire(book, "A", "kim", 30, "works")
    with pytest.raises(LeaseError, match="held by kim"):
        acquire(book, "A", "lee", 30, "too")
    assert acquire(book, "B", "lee", 30, "another junction").operator == "lee"


def test_a_higher_priority_takes_over_and_the_old_token_is_dead() -> None:
    _, book = _book()
    old = acquire(book, "A", "kim", 30, "works")
    new = acquire(book, "A", "chief", 30, "emergency", priority=5)
    assert new.token > old.token
    with pytest.raises(LeaseError):
        book.renew(old.lease_id, old.token, 10)
    with pytest.raises(LeaseError):
        book.release(old.lease_id, old.token)
    assert book.check(new.lease_id, new.token) == new


def test_a_lease_ends_by_itself_and_a_late_command_is_refused() -> None:
    clock, book = _book()
    lease = acquire(book, "A", "kim", 30, "works")
    clock.at = 29.9
    book.renew(lease.lease_id, lease.token, 30)
    clock.at = 59.9
    assert book.holder("A") is None
    with pytest.raises(LeaseError, match="expired"):
        book.check(lease.lease_id, lease.token)
    assert [over.lease_id for over in book.expire()] == [lease.lease_id]
    assert acquire(book, "A", "lee", 30, "next").token == lease.token + 1


@pytest.mark.parametrize("ttl", [0, -1, 61, float("inf"), float("nan")])
def test_a_lease_without_end_is_not_granted(ttl: float) -> None:
    _, book = _book()
    with pytest.raises(LeaseError, match="up to 60 s"):
        acquire(book, "A", "kim", ttl, "works")


def test_a_lease_needs_a_name_and_a_reason() -> None:
    _, book = _book()
    for operator, reason in (("", "works"), ("kim", "")):
        with pytest.raises(LeaseError, match="reason"):
            acquire(book, "A", operator, 10, reason)


def test_an_override_ends_with_its_lease() -> None:
    clock, leases = _book()
    overrides = OverrideBook(leases)
    lease = acquire(leases, "A", "kim", 10, "works")
    overrides.place(Override(lease=lease, wanted=Wanted(Verb.HOLD, 2)))
    proposal = overrides.proposal("A", clock.at, 0)
    assert proposal is not None and (proposal.source, proposal.stage) == (Source.CENTRE, 2)
    clock.at = 10.1
    assert overrides.proposal("A", clock.at, 2) is None


def test_an_override_of_a_lease_taken_over_is_gone() -> None:
    clock, leases = _book()
    overrides = OverrideBook(leases)
    overrides.place(Override(lease=acquire(leases, "A", "kim", 10, "works"), wanted=Wanted(Verb.HOLD, 2)))
    acquire(leases, "A", "chief", 10, "mine", priority=1)
    assert overrides.proposal("A", clock.at, 0) is None


def test_an_override_is_renewed_with_its_lease() -> None:
    clock, leases = _book()
    overrides = OverrideBook(leases)
    lease = acquire(leases, "A", "kim", 10, "works")
    overrides.place(Override(lease=lease, wanted=Wanted(Verb.HOLD, 2)))
    clock.at = 9
    leases.renew(lease.lease_id, lease.token, 10)
    clock.at = 18
    assert overrides.proposal("A", clock.at, 0) is not None


def test_a_stage_not_begun_in_time_is_never_begun_but_a_begun_one_stays() -> None:
    clock, leases = _book()
    overrides = OverrideBook(leases)
    lease = acquire(leases, "A", "kim", 60, "works")
    overrides.place(Override(lease=lease, wanted=Wanted(Verb.GO_TO_STAGE, 2), not_after=5.0))
    clock.at = 6
    assert overrides.proposal("A", clock.at, 1) is None
    overrides.place(Override(lease=lease, wanted=Wanted(Verb.GO_TO_STAGE, 2), not_after=10.0))
    clock.at = 9
    assert overrides.proposal("A", clock.at, 2) is not None
    clock.at = 30
    assert overrides.proposal("A", clock.at, 2) is not None


class LeaseMachine(RuleBasedStateMachine):
    """Operators in any order: never two holders, tokens only grow, no lease outlives its time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.book = _book()
        self.granted: list[Lease] = []

    @rule(operator=st.sampled_from(["kim", "lee", "max"]), ttl=st.floats(1, 60), priority=st.integers(0, 2))
    def acquire(self, operator: str, ttl: float, priority: int) -> None:
        before = self.book.holder("A")
        try:
            lease = acquire(self.book, "A", operator, ttl, "any", priority)
        except LeaseError:
            assert before is not None and before.operator != operator and before.priority >= priority
            return
        assert all(lease.token > earlier.token for earlier in self.granted)
        self.granted.append(lease)

    @rule(which=st.integers(0, 50), ttl=st.floats(1, 60))
    def renew(self, which: int, ttl: float) -> None:
        self._use(which, lambda lease: self.book.renew(lease.lease_id, lease.token, ttl))

    @rule(which=st.integers(0, 50))
    def release(self, which: int) -> None:
        if self._use(which, lambda lease: self.book.release(lease.lease_id, lease.token)):
            assert self.book.holder("A") is None

    @rule(seconds=st.floats(0.1, 40))
    def wait(self, seconds: float) -> None:
        self.clock.at += seconds
        self.book.expire()

    @invariant()
    def only_the_newest_lease_counts(self) -> None:
        holder = self.book.holder("A")
        if holder is not None:
            assert holder.token == self.granted[-1].token
            assert self.clock.at < holder.expires <= self.clock.at + 60

    def _use(self, which: int, action: Callable[[Lease], object]) -> bool:
        if not self.granted:
            return False
        lease = self.granted[which % len(self.granted)]
        holder = self.book.holder("A")
        try:
            action(lease)
        except LeaseError:
            assert holder is None or holder.lease_id != lease.lease_id
            return False
        assert holder is not None and holder.lease_id == lease.lease_id
        return True


TestLeaseMachine = LeaseMachine.TestCase
