"""What operators write has an end, and what they are refused does not push other records out of the log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from stopline.v1 import junction_pb2, junction_pb2_grpc, override_pb2, override_pb2_grpc
from stopline_controller.desk import MOST_GROUPS, Grant, InvalidRequest
from stopline_controller.identity import Identity, Role
from stopline_controller.leases import LeaseError
from stopline_controller.overrides import Status, Verb
from stopline_controller.refusals import RECORDS, SAME_S
from stopline_controller.texts import LONGEST_NAME, LONGEST_REASON
from tests.controller.bench import ServeProcess
from tests.controller.sites import write_site
from tests.controller.town import SIDE, Town

KIM = Identity("kim", Role.OPERATOR, True)
LONG = "x" * (LONGEST_NAME + 1)
MUCH = "y" * (LONGEST_REASON + 1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    with ServeProcess(write_site(tmp_path_factory.mktemp("desk"))) as running:
        yield running


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Town(tmp_path) as running:
        yield running


def acquire(**rest: Any) -> override_pb2.AcquireLeaseRequest:
    wanted: dict[str, Any] = {"junction_id": "A", "operator": "kim", "ttl_s": 60, "reason": "works", **rest}
    return override_pb2.AcquireLeaseRequest(**wanted)


def override(**rest: Any) -> override_pb2.OverrideRequest:
    return override_pb2.OverrideRequest(lease_id="l", hold=override_pb2.HoldStage(), **rest)


REFUSED: dict[str, tuple[str, Any, int]] = {
    "operator": ("AcquireLease", acquire(operator=LONG), LONGEST_NAME),
    "reason": ("AcquireLease", acquire(reason=MUCH), LONGEST_REASON),
    "groups": ("AcquireLease", acquire(groups=["side", LONG]), LONGEST_NAME),
    "groups are": ("AcquireLease", acquire(groups=["side"] * (MOST_GROUPS + 1)), MOST_GROUPS),
    "lease_id": ("RenewLease", override_pb2.RenewLeaseRequest(lease_id=LONG, ttl_s=5), LONGEST_NAME),
    "lease_id ": ("ReleaseLease", override_pb2.ReleaseLeaseRequest(lease_id=LONG), LONGEST_NAME),
    "lease_id has": ("Override", override(idempotency_key="k"), LONGEST_NAME),
    "idempotency_key": ("Override", override(idempotency_key=LONG), LONGEST_NAME),
    "not_after_s": ("Override", override(not_after_s=float("nan")), 0),
    "confirmation_id": (
        "ConfirmOverride",
        override_pb2.ConfirmOverrideRequest(confirmation_id=LONG, operator="lee"),
        LONGEST_NAME,
    ),
    "operator ": (
        "ConfirmOverride",
        override_pb2.ConfirmOverrideRequest(confirmation_id="c", operator=LONG),
        LONGEST_NAME,
    ),
}
REFUSED["lease_id has"][1].lease_id = LONG


@pytest.mark.parametrize("field", REFUSED)
def test_a_text_too_long_is_refused_by_its_field_and_limit(server: ServeProcess, field: str) -> None:
    method, request, limit = REFUSED[field]
    with server.channel() as channel, pytest.raises(grpc.RpcError) as refused:
        getattr(override_pb2_grpc.OverrideServiceStub(channel), method)(request)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    words = str(refused.value.details())
    assert words.startswith(field.strip()) and str(limit) in words and len(words) < 200


def test_every_text_that_operators_send_has_its_limit() -> None:
    """A field added to the interface has to be added here, and to the desk."""
    known = {field.split()[0] for field in REFUSED} | {"junction_id"}
    for method in override_pb2.DESCRIPTOR.services_by_name["OverrideService"].methods:
        texts = {f.name for f in method.input_type.fields if f.type == f.TYPE_STRING}
        assert texts <= known, method.name


def test_the_longest_texts_are_taken_and_a_state_stays_small(server: ServeProcess) -> None:
    with server.channel() as channel:
        desk = override_pb2_grpc.OverrideServiceStub(channel)
        request = acquire(operator=LONG[1:], reason=MUCH[1:])
        lease = desk.AcquireLease(request).lease
        hold = override(idempotency_key=LONG[1:])
        hold.lease_id, hold.fencing_token = lease.lease_id, lease.fencing_token
        desk.Override(hold)
        stream = junction_pb2_grpc.JunctionServiceStub(channel).WatchState(junction_pb2.WatchStateRequest())
        assert max(next(stream).ByteSize() for _ in range(5)) < 16_384
        stream.cancel()


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -float("inf"), -1.0])
def test_a_deadline_that_is_no_time_is_refused(town: Town, seconds: float) -> None:
    lease = town.lease()
    with pytest.raises(InvalidRequest, match="not_after_s"):
        town.ask(lease, Verb.GO_TO_STAGE, stage=SIDE, not_after=seconds)
    assert town.book.proposal("A", town.clock.at, SIDE) is None


def _flood(town: Town, attempt: Callable[[int], object], calls: int = 1_000) -> int:
    """Records that so many calls leave, all within a second."""
    before = town.audit.last
    for number in range(calls):
        attempt(number)
    return town.audit.last - before


def test_refused_calls_are_counted_and_do_not_push_other_records_out(town: Town) -> None:
    lease = town.lease(KIM)

    def too_long(number: int) -> None:
        with pytest.raises(InvalidRequest):
            town.desk.acquire(Grant("A", "kim", 10, "x" * (300 + number)), KIM)

    def taken(number: int) -> None:
        with pytest.raises(LeaseError):
            town.lease(Identity("lee", Role.OPERATOR, True))

    def rejected(number: int) -> None:
        answer = town.ask(lease, Verb.GO_TO_STAGE, who=KIM, stage=9, sequence=number + 1)
        assert answer.status is Status.REJECTED

    def unknown(number: int) -> None:
        assert town.desk.confirm(f"c{number}", "kim", KIM).status is Status.REJECTED

    for attempt in (too_long, taken, rejected, unknown):
        assert _flood(town, attempt) == RECORDS.burst, attempt.__name__
    town.clock.at += SAME_S
    assert town.ask(lease, Verb.HOLD, who=KIM, sequence=5_000).status is not Status.REJECTED
    left = [json.loads(record.detail).get("left_out", 0) for record in town.audit.read()]
    assert sum(left) == 4 * (1_000 - RECORDS.burst), "their number is recorded"


def test_another_name_at_each_call_is_no_way_around(town: Town) -> None:
    town.lease("kim")

    def nameless(number: int) -> None:
        with pytest.raises(LeaseError):
            town.lease(f"somebody {number}")

    assert _flood(town, nameless) == RECORDS.burst


def test_one_operators_refusals_do_not_silence_anothers(town: Town) -> None:
    town.lease("max", priority=9)

    def refused(who: Identity) -> int:
        before = town.audit.last
        with pytest.raises(LeaseError):
            town.lease(who)
        return town.audit.last - before

    assert [refused(KIM) for _ in range(int(RECORDS.burst) + 5)][-5:] == [0] * 5
    assert refused(Identity("lee", Role.OPERATOR, True)) == 1


def test_each_refused_order_has_its_record_while_they_are_few(town: Town) -> None:
    lease = town.lease()
    numbers = [town.ask(lease, Verb.GO_TO_STAGE, stage=9).audit_sequence for _ in range(3)]
    assert numbers == sorted(set(numbers)) and all(numbers)
