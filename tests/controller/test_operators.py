"""Several operators, roles, expiry and crashes: control always comes back, and always at a legal point."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stopline_cabinets.words import Kind
from stopline_controller.identity import NOBODY, Identity, Role
from stopline_controller.leases import Lease, LeaseError
from stopline_controller.overrides import Status, Verb
from stopline_controller.sources import GRACE, Proposal, Source
from stopline_signals.plan import GroupKind
from tests.controller.town import LEFT, MAIN, PLAN, SIDE, Town, cycle

KIM = Identity("kim", Role.OPERATOR, True)
LEE = Identity("lee", Role.OPERATOR, True)
MAX = Identity("max", Role.SUPERVISOR, True)
EVE = Identity("eve", Role.ENGINEER, True)


def test_the_second_operator_waits_and_then_gets_it(tmp_path: Path) -> None:
    with Town(tmp_path) as town:
        lease = town.lease(KIM, ttl=20)
        with pytest.raises(LeaseError, match="held by kim") as refused:
            town.lease(LEE)
        assert "20 s" in str(refused.value)
        town.run(21)
        other = town.lease(LEE)
        assert other.token > lease.token
        late = town.ask(lease, Verb.GO_TO_STAGE, stage=SIDE, who=KIM, sequence=1)
        assert late.status is Status.REJECTED and "expired" in late.reason


def test_a_higher_role_takes_over_whatever_the_priorities(tmp_path: Path) -> None:
    with Town(tmp_path) as town:
        lease = town.lease(KIM, priority=9)
        town.ask(lease, Verb.GO_TO_STAGE, stage=SIDE, who=KIM, sequence=1)
        town.until(lambda: town.seen.stage == SIDE and not town.seen.in_transition, 40)
        town.lease(MAX)
        assert town.book.proposal("A", town.clock.at, SIDE) is None, "kim's override went with her lease"
        with pytest.raises(LeaseError, match="taken over"):
            town.desk.renew(lease.lease_id, lease.token, 20, KIM)
        with pytest.raises(LeaseError, match="held by max"):
            town.lease(KIM, priority=9)
        town.lease(EVE)
        taken = [record.detail for record in town.audit.read(kind="lease-taken-over")]
        assert len(taken) == 2 and '"taken_from":"kim"' in taken[0]


def test_within_a_role_the_priority_decides(tmp_path: Path) -> None:
    with Town(tmp_path) as town:
        town.lease(KIM, priority=1)
        with pytest.raises(LeaseError):
            town.lease(LEE, priority=1)
        assert town.lease(LEE, priority=2).operator == "lee"


def test_a_lease_of_the_junction_takes_over_leases_of_its_groups(tmp_path: Path) -> None:
    with Town(tmp_path) as town:
        groups = [town.lease(KIM, "side"), town.lease(LEE, "left")]
        with pytest.raises(LeaseError):
            town.lease(Identity("pat", Role.OPERATOR, True))
        town.lease(MAX)
        assert not any(town.leases.good(lease) for lease in groups)
        with pytest.raises(LeaseError):
            town.lease(KIM, "side")


def test_another_persons_lease_cannot_be_used(tmp_path: Path) -> None:
    with Town(tmp_path) as town:
        lease = town.lease(KIM)
        answer = town.ask(lease, Verb.HOLD, who=LEE, sequence=1)
        assert answer.status is Status.REJECTED and "kim's" in answer.reason
        for use in (town.desk.release, lambda *who: town.desk.renew(who[0], who[1], 10, who[2])):
            with pytest.raises(LeaseError, match="kim's"):
                use(lease.lease_id, lease.token, LEE)
        assert town.leases.good(lease)


def test_one_person_under_two_names_is_still_one_person(tmp_path: Path) -> None:
    with Town(tmp_path) as town:
        lease = town.lease(KIM)
        first = town.ask(lease, Verb.FLASH, who=KIM, sequence=1)
        answer = town.desk.confirm(first.confirmation, "somebody else", KIM)
        assert answer.status is Status.REJECTED
        assert town.desk.confirm(first.confirmation, "", MAX).status in (
            Status.ACCEPTED,
            Status.PENDING_SAFE_POINT,
        )


@pytest.mark.parametrize("verb", [Verb.GO_TO_STAGE, Verb.ALL_RED, Verb.FLASH, Verb.HOLD, Verb.SELECT_PLAN])
def test_expiry_gives_control_back_at_a_legal_point(tmp_path: Path, verb: Verb) -> None:
    with Town(tmp_path, policy=cycle) as town:
        lease = town.lease(ttl=25)
        if verb in (Verb.ALL_RED, Verb.FLASH):
            town.confirmed(lease, verb)
        else:
            town.ask(lease, verb, stage=LEFT)
        town.until(lambda: town.source is Source.CENTRE, 5)
        town.until(lambda: town.source is Source.POLICY, 60)
        assert town.clock.at >= 25
        assert {MAIN, LEFT, SIDE} <= set(town.run(120))


def test_a_crash_leaves_the_override_to_the_cabinets_own_deadline(tmp_path: Path) -> None:
    with Town(tmp_path) as town:
        town.ask(town.lease(), Verb.GO_TO_STAGE, stage=SIDE)
        town.until(lambda: town.seen.stage == SIDE and not town.seen.in_transition, 40)
        left = town.seen.heartbeat_limit
        town.street.run(left + 1)
        assert town.street.core.lease is None, "the heartbeat stopped with the controller"
        assert town.street.core.state(town.street.now).active_seq == 0


_PEOPLE = st.sampled_from([KIM, LEE, MAX, EVE])
_VERBS = st.sampled_from(Verb)
_GROUPS = st.sets(st.sampled_from([group.name for group in PLAN.groups]), max_size=2)
_ACTIONS = st.tuples(_PEOPLE, _VERBS, st.integers(0, 3), _GROUPS, st.floats(0.1, 25), st.booleans())


@settings(max_examples=20, deadline=None)
@given(st.lists(_ACTIONS, min_size=1, max_size=10), st.integers(0, 3))
def test_whatever_operators_do_no_clearance_is_cut_and_nobody_is_forgotten(
    actions: list[tuple[Identity, Verb, int, set[str], float, bool]], ambulance: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, Town(Path(folder), policy=cycle) as town:
        town.queue("side near", "left near", "main near", "walk across button")
        longest = [0] * len(PLAN.groups)
        leases: dict[str, Lease] = {}
        for number, (who, verb, stage, groups, seconds, scoped) in enumerate(actions, 1):
            if number == ambulance:
                town.above = [Proposal(Source.EMERGENCY, stage % 3, "ambulance", "1")]
            try:
                names = sorted(groups) if scoped else []
                leases[who.name] = town.lease(who, *names, ttl=20)
                answer = town.ask(
                    leases[who.name], verb, *sorted(groups), who=who, stage=stage, sequence=number
                )
                if answer.confirmation:
                    town.desk.confirm(answer.confirmation, "", LEE if who is not LEE else KIM)
            except LeaseError:
                pass
            for _ in range(round(seconds * 10)):
                town.tick()
                assert town.step is not None
                if town.source is Source.CENTRE:
                    assert town.leases.all(), "the centre decides under a lease or not at all"
                if town.step.order.kind is not Kind.STAGES or town.above:
                    continue
                now = town.state.now
                assert now is not None
                for group, since in enumerate(now.state.waiting_since):
                    if since >= 0 and PLAN.groups[group].kind is GroupKind.VEHICLE:
                        longest[group] = max(longest[group], now.state.now - since)
        town.above = []
        town.run(25)
        assert town.source is not Source.CENTRE, "every lease is over"
        assert {MAIN, LEFT, SIDE} <= set(town.run(150)), "the policy goes round again"
        slack = 300
        for served, waited in zip(PLAN.groups, longest, strict=True):
            assert waited <= served.max_red + GRACE[Source.CENTRE] + slack


def test_without_certificates_names_are_only_names(tmp_path: Path) -> None:
    with Town(tmp_path) as town:
        lease = town.lease("kim")
        assert (lease.owner, lease.role) == ("", NOBODY.role)
        with pytest.raises(LeaseError, match="name and a reason"):
            town.lease("")
