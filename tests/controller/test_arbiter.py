"""The arbiter follows the highest source that asks, and says so."""

from __future__ import annotations

import itertools

import pytest

from stopline_controller.arbiter import Arbiter
from stopline_controller.sources import DEFAULT_STACK, Proposal, Source
from stopline_signals.errors import SiteError


@pytest.mark.parametrize("count", range(len(Source) + 1))
def test_of_any_set_of_sources_the_highest_is_followed(count: int) -> None:
    arbiter = Arbiter()
    for asking in itertools.combinations(DEFAULT_STACK, count):
        ruling = arbiter.rule(Proposal(source, 1) for source in reversed(asking))
        assert ruling.winner.source is (asking[0] if asking else Source.LOCAL)
        assert [standing.proposal.source for standing in ruling.stack] == list(DEFAULT_STACK)
        assert [s.proposal.source for s in ruling.stack if s.in_force] == [ruling.winner.source]
        assert {s.proposal.source for s in ruling.stack if s.active} == {*asking, Source.LOCAL}


def test_the_order_is_the_sites() -> None:
    order = list(DEFAULT_STACK)
    centre, emergency = order.index(Source.CENTRE), order.index(Source.EMERGENCY)
    order[centre], order[emergency] = order[emergency], order[centre]
    ruling = Arbiter(order).rule([Proposal(Source.EMERGENCY, 1), Proposal(Source.CENTRE, 2)])
    assert ruling.winner.stage == 2


def test_a_withheld_source_says_why() -> None:
    ruling = Arbiter().rule([], {Source.POLICY: "too few detectors"})
    policy = next(s for s in ruling.stack if s.proposal.source is Source.POLICY)
    assert not policy.active and policy.proposal.reason == "too few detectors"
    assert ruling.winner == Proposal(Source.LOCAL, reason="no other source asks")


def test_nothing_may_stand_above_the_cabinet_or_below_the_local_plan() -> None:
    for order in (DEFAULT_STACK[1:], (*DEFAULT_STACK[1:], DEFAULT_STACK[0]), (*DEFAULT_STACK, Source.POLICY)):
        with pytest.raises(SiteError):
            Arbiter(order)


@pytest.mark.parametrize(
    ("first", "second"),
    [(Source.RAIL, Source.EMERGENCY), (Source.RAIL, Source.CENTRE), (Source.EMERGENCY, Source.TRANSIT)],
)
def test_no_site_may_put_a_train_below_others_or_a_bus_above_an_ambulance(
    first: Source, second: Source
) -> None:
    order = list(DEFAULT_STACK)
    one, other = order.index(first), order.index(second)
    order[one], order[other] = order[other], order[one]
    with pytest.raises(SiteError, match=str(first)):
        Arbiter(order)
