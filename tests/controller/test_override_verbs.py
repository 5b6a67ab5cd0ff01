"""Every verb of an operator, under a conflict monitor: it takes effect, it ends, and nothing is cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stopline_cabinets.words import DARK, FREE_PATTERN, OWN_PATTERN, Can, Mode
from stopline_controller.leases import LeaseError
from stopline_controller.overrides import Status, Verb
from stopline_controller.sources import GRACE, Proposal, Source
from stopline_controller.wishes import closed_stages
from stopline_signals.engine import shown_green
from stopline_signals.plan import Aspect, FixedProgram, ProgramStep
from tests.controller.town import ALONG, LEFT, MAIN, PLAN, SIDE, SIDE_GROUP, Town, cycle, rest

RED = {int(Aspect.RED)}


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Town(tmp_path) as running:
        yield running


def greens(town: Town, seconds: float) -> set[int]:
    """Groups whose lamps showed green in some seconds."""
    shown: set[int] = set()
    for _ in range(round(seconds * 10)):
        town.tick()
        shown |= {group for group, aspect in enumerate(town.seen.aspects) if shown_green(aspect)}
    return shown


def test_hold_keeps_the_stage_a_policy_would_leave(tmp_path: Path) -> None:
    with Town(tmp_path, policy=cycle) as town:
        town.until(lambda: town.seen.stage == SIDE and not town.seen.in_transition, 60)
        answer = town.ask(town.lease(), Verb.HOLD)
        assert answer.status is Status.ACCEPTED
        assert town.run(40) == [SIDE] and town.state.ruling.winner.source is Source.CENTRE
        town.desk.release(town.leases.all()[0].lease_id, town.leases.all()[0].token)
        assert town.until(lambda: town.seen.stage != SIDE, 10) < 5
        assert town.source is Source.POLICY


def test_go_to_stage_waits_for_the_minimum_and_says_how_long(tmp_path: Path) -> None:
    with Town(tmp_path, policy=cycle) as town:
        town.until(lambda: town.seen.stage == SIDE and town.seen.in_transition, 60)
        answer = town.ask(town.lease(), Verb.GO_TO_STAGE, stage=LEFT)
        assert answer.status is Status.PENDING_SAFE_POINT and answer.earliest > 0
        took = town.until(lambda: town.seen.stage == LEFT, 60)
        assert took == pytest.approx(answer.earliest / 10, abs=0.3), "when it was announced"


def test_all_red_needs_two_persons_and_ends_with_the_lease(town: Town) -> None:
    lease = town.lease("kim", ttl=60)
    first = town.ask(lease, Verb.ALL_RED)
    assert first.status is Status.PENDING_CONFIRMATION and first.confirm_within == 60
    town.run(15)
    assert set(town.seen.aspects) != RED, "one person's word is not enough"
    own = town.desk.confirm(first.confirmation, "kim")
    assert own.status is Status.REJECTED and "another person" in own.reason
    nameless = town.desk.confirm(first.confirmation, "")
    assert nameless.status is Status.REJECTED
    assert town.desk.confirm(first.confirmation, "lee").status is Status.ACCEPTED
    town.until(lambda: set(town.seen.aspects) == RED, 20)
    assert town.seen.mode is Mode.REMOTE and town.seen.stage == len(PLAN.stages)
    assert town.run(20) == [len(PLAN.stages)]
    assert town.desk.confirm(first.confirmation, "max").status is Status.REJECTED, "once"
    town.until(lambda: town.seen.stage == MAIN and not town.seen.in_transition, 40)
    assert town.source is Source.POLICY
    kinds = {record.kind for record in town.audit.read()}
    assert {"override", "override-confirmed", "confirmation-refused", "lease"} <= kinds


def test_flash_is_entered_over_all_red_and_left_over_start_up(town: Town) -> None:
    lease = town.lease(ttl=100)
    assert town.confirmed(lease, Verb.FLASH).status is Status.ACCEPTED
    town.until(lambda: town.seen.flash, 30)
    assert set(town.seen.aspects) == {DARK} and town.source is Source.CENTRE
    town.run(20)
    assert town.seen.flash, "kept alive by this side"
    town.desk.release(lease.lease_id, lease.token)
    town.until(lambda: not town.seen.flash, 5)
    assert set(town.seen.aspects) == RED
    town.until(lambda: town.source is Source.POLICY and town.seen.mode is Mode.REMOTE, 30)


def test_flash_ends_when_the_controller_dies(town: Town) -> None:
    town.confirmed(town.lease(), Verb.FLASH)
    town.until(lambda: town.seen.flash, 30)
    town.street.run(40)
    assert not town.street.core.flashing and town.street.core.lease is None


def test_an_unconfirmed_flash_lapses(town: Town) -> None:
    first = town.ask(town.lease(), Verb.FLASH)
    town.run(61)
    late = town.desk.confirm(first.confirmation, "lee")
    assert late.status is Status.REJECTED and "lapsed" in late.reason
    other = town.ask(town.leases.all()[0], Verb.FLASH)
    town.desk.release(town.leases.all()[0].lease_id, town.leases.all()[0].token)
    gone = town.desk.confirm(other.confirmation, "lee")
    assert gone.status is Status.REJECTED and "lease" in gone.reason


def test_a_plan_of_the_cabinet_can_be_chosen(tmp_path: Path) -> None:
    steps = (ProgramStep(MAIN, 0), ProgramStep(SIDE, 400))
    plan = replace(PLAN, program=FixedProgram(900, 0, steps))
    with Town(tmp_path, plan=plan) as town:
        lease = town.lease(ttl=300)
        assert town.ask(lease, Verb.SELECT_PLAN, pattern=1).status is Status.ACCEPTED
        assert {MAIN, SIDE} <= set(town.run(100)) and town.seen.pattern == 1
        town.ask(lease, Verb.SELECT_PLAN, pattern=FREE_PATTERN)
        town.run(60)
        assert len(town.run(60)) == 1 and town.seen.pattern == FREE_PATTERN, "nobody calls"
        town.ask(lease, Verb.RELEASE)
        town.until(lambda: town.source is Source.POLICY and town.seen.pattern == OWN_PATTERN, 5)


def test_a_call_is_served_once_and_then_forgotten(town: Town) -> None:
    lease = town.lease("kim", "side")
    answer = town.ask(lease, Verb.CALL, "side")
    assert answer.status is Status.ACCEPTED
    town.tick()
    assert town.state.wishes.calls == 1 << SIDE_GROUP and town.source is Source.POLICY
    served = greens(town, PLAN.groups[SIDE_GROUP].max_red / 10 + 20)
    assert SIDE_GROUP in served, "the resting policy had to give way: a call is a call"
    assert town.state.wishes.calls == 0


def test_a_call_reaches_a_local_plan_when_nobody_else_decides(tmp_path: Path) -> None:
    with Town(tmp_path, policy=None) as town:
        assert town.source is Source.LOCAL and town.seen.mode is Mode.LOCAL
        town.ask(town.lease("kim", "side"), Verb.CALL, "side")
        town.until(lambda: town.seen.stage == SIDE, 60)
        town.until(lambda: town.seen.mode is Mode.LOCAL, 30)
        assert town.source is Source.LOCAL


def test_an_omitted_group_is_left_out_and_comes_back(tmp_path: Path) -> None:
    with Town(tmp_path, policy=cycle) as town:
        lease = town.lease("kim", "side")
        assert town.ask(lease, Verb.OMIT, "side").status is Status.ACCEPTED
        town.until(lambda: town.seen.stage != SIDE and not town.seen.in_transition, 60)
        assert SIDE_GROUP not in greens(town, 60)
        assert town.state.wishes.omits == 1 << SIDE_GROUP
        town.ask(lease, Verb.OMIT)
        assert SIDE_GROUP in greens(town, 40), "nothing is omitted any more"


def test_an_omit_reaches_a_local_plan_and_ends_with_its_release(tmp_path: Path) -> None:
    with Town(tmp_path, policy=None) as town:
        lease = town.lease("kim", "side")
        town.ask(lease, Verb.OMIT, "side")
        town.tick()
        town.queue("side near")
        assert SIDE_GROUP not in greens(town, 60) and town.source is Source.LOCAL
        town.ask(lease, Verb.RELEASE)
        town.until(lambda: town.seen.mode is Mode.LOCAL, 2)
        assert SIDE_GROUP in greens(town, 30)


def test_an_omit_ends_no_green(tmp_path: Path) -> None:
    with Town(tmp_path, policy=rest) as town:
        town.ask(town.lease("kim", "main"), Verb.OMIT, "main")
        assert town.run(30) == [MAIN]


def test_an_omit_cannot_starve_anybody_beyond_the_centres_grace(tmp_path: Path) -> None:
    max_red = PLAN.groups[SIDE_GROUP].max_red
    with Town(tmp_path, policy=cycle, max_lease=1000) as town:
        town.until(lambda: town.seen.stage == MAIN and not town.seen.in_transition, 60)
        town.queue("side near")
        town.ask(town.lease("kim", "side", ttl=900), Verb.OMIT, "side")
        town.run(max_red / 10)
        assert town.seen.stage != SIDE, "longer than a policy could"
        waited = max_red / 10 + town.until(lambda: town.seen.aspects[SIDE_GROUP] == Aspect.GREEN, 200)
        limit = (max_red + GRACE[Source.CENTRE]) / 10
        assert limit - 30 <= waited <= limit + 5


def test_a_held_group_stays_green_in_whatever_stage(tmp_path: Path) -> None:
    with Town(tmp_path, policy=cycle) as town:
        town.until(lambda: town.seen.stage == MAIN and not town.seen.in_transition, 60)
        answer = town.ask(town.lease("kim", "walk along"), Verb.HOLD)
        assert answer.status is Status.ACCEPTED, answer.reason
        stages = town.run(60)
        assert set(stages) == {MAIN, LEFT}, "both have it; the policy chooses between them"
        assert town.state.wishes.holds == 1 << ALONG
        assert closed_stages(PLAN, town.state.wishes) == 1 << SIDE
        refused = town.ask(town.lease("lee", "side"), Verb.HOLD)
        assert refused.status is Status.REJECTED and "not green" in refused.reason


def test_a_lease_of_groups_is_good_for_these_groups_only(town: Town) -> None:
    lease = town.lease("kim", "side")
    for verb in (Verb.GO_TO_STAGE, Verb.ALL_RED, Verb.FLASH, Verb.SELECT_PLAN):
        answer = town.ask(lease, verb, stage=MAIN)
        assert answer.status is Status.REJECTED and "whole junction" in answer.reason
    assert "not left" in town.ask(lease, Verb.OMIT, "side", "left").reason
    assert town.lease("lee", "left").groups == 1 << 1, "another operator has another group"
    with pytest.raises(LeaseError, match="held by"):
        town.lease("max")
    with pytest.raises(LeaseError, match="no group"):
        town.lease("max", "nowhere")


@pytest.mark.parametrize(
    ("verb", "groups", "words"),
    [
        (Verb.ALL_RED, (), "all red"),
        (Verb.FLASH, (), "flash"),
        (Verb.SELECT_PLAN, (), "pattern"),
        (Verb.CALL, ("side",), "nobody here chooses"),
        (Verb.OMIT, ("side",), "nobody here chooses"),
        (Verb.HOLD, ("main",), "nobody here chooses"),
    ],
)
def test_what_a_cabinet_cannot_is_rejected_with_the_reason(
    tmp_path: Path, verb: Verb, groups: tuple[str, ...], words: str
) -> None:
    with Town(tmp_path, can=Can.NONE, policy=None) as town:
        answer = town.ask(town.lease("kim", *groups), verb, *groups)
        assert answer.status is Status.REJECTED and words in answer.reason
        town.run(5)


def test_calls_and_omits_are_kept_here_for_a_cabinet_that_cannot(tmp_path: Path) -> None:
    with Town(tmp_path, can=Can.NONE, policy=cycle) as town:
        town.ask(town.lease("kim", "side"), Verb.OMIT, "side")
        town.until(lambda: town.seen.stage != SIDE, 60)
        assert SIDE not in town.run(60)
    groups = tuple(replace(g, on_demand=g.name == "walk across") for g in PLAN.groups)
    with Town(tmp_path, can=Can.NONE, policy=cycle, plan=replace(PLAN, groups=groups)) as town:
        answer = town.ask(town.lease("kim", "walk across"), Verb.CALL, "walk across")
        assert answer.status is Status.REJECTED and "its own buttons" in answer.reason


def test_a_higher_source_goes_first_and_the_override_waits(town: Town) -> None:
    town.above = [Proposal(Source.EMERGENCY, SIDE, "fire engine 7", "7")]
    town.until(lambda: town.seen.stage == SIDE and not town.seen.in_transition, 60)
    answer = town.ask(town.lease(), Verb.GO_TO_STAGE, stage=LEFT)
    assert answer.status is Status.QUEUED and answer.blocking is Source.EMERGENCY
    assert town.run(15) == [SIDE]
    town.above = []
    town.until(lambda: town.seen.stage == LEFT, 30)


def test_a_queued_override_lapses_when_it_may_not_begin_any_more(town: Town) -> None:
    town.above = [Proposal(Source.EMERGENCY, SIDE, "fire engine 7", "7")]
    town.run(20)
    lease = town.lease()
    town.ask(lease, Verb.GO_TO_STAGE, stage=LEFT, not_after=5.0)
    town.run(6)
    town.above = []
    assert LEFT not in town.run(40)
    town.ask(lease, Verb.SELECT_PLAN, pattern=FREE_PATTERN, not_after=5.0)
    town.run(20)
    assert town.source is Source.CENTRE, "begun in time, so it stays"


def test_a_dry_run_says_what_would_be_and_does_nothing(town: Town) -> None:
    lease = town.lease()
    town.tick()
    before = town.audit.last
    for verb in (Verb.GO_TO_STAGE, Verb.FLASH, Verb.RELEASE, Verb.HOLD):
        answer = town.ask(lease, verb, stage=SIDE, dry_run=True)
        assert answer.status in (Status.ACCEPTED, Status.PENDING_SAFE_POINT) and not answer.confirmation
    assert town.audit.last == before
    town.run(10)
    assert town.source is Source.POLICY


def test_the_same_key_is_one_request_and_another_request_is_not(town: Town) -> None:
    lease = town.lease()
    first = town.ask(lease, Verb.GO_TO_STAGE, stage=SIDE, key="k")
    records = town.audit.last
    assert town.ask(lease, Verb.GO_TO_STAGE, stage=SIDE, key="k", sequence=9) == first
    assert town.audit.last == records, "answered, not done again"
    other = town.ask(lease, Verb.GO_TO_STAGE, stage=LEFT, key="k")
    assert other.status is Status.REJECTED and "another request" in other.reason


def test_a_replayed_number_is_refused_within_and_beyond_the_window(town: Town) -> None:
    lease = town.lease()
    for sequence in (1, 3, 2, 200, 137):
        assert town.ask(lease, Verb.HOLD, sequence=sequence).status is not Status.REJECTED, sequence
    for sequence in (1, 2, 3, 137, 200, 136):
        answer = town.ask(lease, Verb.HOLD, sequence=sequence)
        assert answer.status is Status.REJECTED and "replay" in answer.reason, sequence


def test_the_stack_says_who_and_why_also_when_nobody_answers(town: Town) -> None:
    town.ask(town.lease(), Verb.HOLD)
    town.tick()
    assert [s.proposal.source for s in town.state.ruling.stack] == list(Source)
    assert town.state.ruling.winner.reason == "hold by kim: test"
    town.street.online = False
    town.run(2)
    assert len(town.state.ruling.stack) == len(Source)
    assert all("not reachable" in standing.proposal.reason for standing in town.state.ruling.stack)
    town.street.online = True
    town.run(5)
