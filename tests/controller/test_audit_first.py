"""Nothing reaches a cabinet or a person before its record is on disk, where another process can read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from stopline_cabinets.words import PlanCommand, Receipt
from stopline_controller.audit import AuditLog, Entry
from stopline_controller.audit_chain import Filter, read_records
from stopline_controller.leases import Lease
from stopline_controller.overrides import Status, Verb
from stopline_signals.priority import Ahead
from tests.controller.test_control_loop import Plant
from tests.controller.test_priority_desk import HERE, OWN, REPORT, Room
from tests.controller.town import LEFT, SIDE, Town


async def test_a_decision_is_on_disk_before_the_cabinet_hears_of_it(tmp_path: Path) -> None:
    plant = Plant(tmp_path, "A")
    cabinet = plant.cabinets["A"]
    write, missing, written = cabinet.write, [0], [0]

    async def witnessed(command: PlanCommand) -> Receipt:
        written[0] += 1
        on_disk = sum(1 for _ in read_records(plant.audit.path, Filter(kind="decision")))
        missing[0] += on_disk < written[0]
        return await write(command)

    cabinet.write = witnessed  # type: ignore[method-assign]  # at the transport
    async with plant:
        await plant.until(lambda: plant.statistics.plans_accepted >= 5, 200)
    assert written[0] >= 5 and missing[0] == 0


def test_an_answer_is_on_disk_before_it_is_given(tmp_path: Path) -> None:
    with Town(tmp_path) as town:
        lease = town.lease("kim")
        for verb, stage in ((Verb.GO_TO_STAGE, SIDE), (Verb.GO_TO_STAGE, 9), (Verb.FLASH, SIDE)):
            answer = town.ask(lease, verb, stage=stage)
            last = list(read_records(town.audit.path))[-1]
            assert last.sequence == answer.audit_sequence and last.actor == "kim"
            assert f'"{answer.status}"' in last.detail
        assert answer.status is Status.PENDING_CONFIRMATION


class Witness:
    """Stands where records are appended, and looks at what is in force before each of them is."""

    def __init__(self, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
        self.town = town
        self.seen: dict[str, object] = {}
        """By the kind of record, what was in force when it came."""
        append = town.audit.append

        def witnessed(entries: Sequence[Entry]) -> list[int]:
            for entry in entries:
                self.seen[entry.kind] = self.in_force()
            return append(entries)

        monkeypatch.setattr(town.audit, "append", witnessed)

    def in_force(self) -> object:
        """What the control thread would follow now, and until when it might."""
        town = self.town
        proposal = town.book.proposal("A", town.clock.at, LEFT)
        wishes = town.book.wishes("A", town.clock.at, (0,) * len(town.plan.groups))
        return proposal, wishes, sorted((lease.lease_id, lease.expires) for lease in town.leases.all())


VERBS = [verb for verb in Verb if verb is not Verb.RELEASE]


@pytest.mark.parametrize("verb", VERBS)
def test_an_order_is_recorded_before_the_control_thread_can_see_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: Verb
) -> None:
    with Town(tmp_path) as town:
        groups = ("side",) if verb in (Verb.CALL, Verb.OMIT) else ()
        lease = town.lease("kim")
        witness = Witness(town, monkeypatch)
        before = witness.in_force()
        answer = town.ask(lease, verb, *groups, stage=SIDE, pattern=1)
        if answer.confirmation:
            assert witness.in_force() == before, "one person's word"
            answer = town.desk.confirm(answer.confirmation, "lee")
            assert witness.seen["override-confirmed"] == before
        assert answer.status is not Status.REJECTED, answer
        assert witness.seen["override"] == before
        assert witness.in_force() != before, "and then it is in force"


def test_a_confirmation_cannot_be_given_before_the_request_for_it_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Town(tmp_path) as town:
        lease = town.lease("kim")
        append, early = town.audit.append, list[Status]()

        def hasty(entries: Sequence[Entry]) -> list[int]:
            if entries[0].kind == "override":
                early.append(town.desk.confirm(str(entries[0].detail["confirmation"]), "lee").status)
            return append(entries)

        monkeypatch.setattr(town.audit, "append", hasty)
        town.ask(lease, Verb.FLASH)
        assert early == [Status.REJECTED]


@pytest.mark.parametrize("kind", ["override", "lease-released", "lease", "lease-renewed"])
def test_an_end_is_recorded_before_it_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with Town(tmp_path) as town:
        lease = town.lease("kim")
        town.ask(lease, Verb.GO_TO_STAGE, stage=SIDE)
        town.run(1)
        witness = Witness(town, monkeypatch)
        before = witness.in_force()
        _end(town, kind, lease)
        assert witness.seen[kind] == before
        if kind == "lease":
            assert witness.seen["lease-taken-over"] == before
        assert witness.in_force() != before


def _end(town: Town, kind: str, lease: Lease) -> None:
    """Bring the record of that kind about."""
    if kind == "override":
        assert town.ask(lease, Verb.RELEASE).status is Status.ACCEPTED
    elif kind == "lease-released":
        town.desk.release(lease.lease_id, lease.token)
    elif kind == "lease":
        town.lease("max", priority=5)
    else:
        town.desk.renew(lease.lease_id, lease.token, 250)


def test_what_could_not_be_recorded_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a disk that is full the log keeps what it was given; this is the process that dies in there."""

    def dies(entries: Sequence[Entry]) -> list[int]:
        raise SystemExit

    with Town(tmp_path) as town:
        lease = town.lease("kim")
        first = town.ask(lease, Verb.FLASH)
        before = town.book.proposal("A", town.clock.at, LEFT)
        with monkeypatch.context() as patch:
            patch.setattr(town.audit, "append", dies)
            for act in (
                lambda: town.desk.confirm(first.confirmation, "lee"),
                lambda: town.ask(lease, Verb.GO_TO_STAGE, stage=SIDE),
                lambda: town.desk.release(lease.lease_id, lease.token),
            ):
                with pytest.raises(SystemExit):
                    act()
        assert town.book.proposal("A", town.clock.at, LEFT) == before
        assert town.leases.good(lease)


def test_a_full_disk_still_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Town(tmp_path) as town:
        lease = town.lease("kim")
        monkeypatch.setattr(town.audit, "append", _lost)
        answer = town.ask(lease, Verb.GO_TO_STAGE, stage=SIDE)
        assert answer.status is not Status.REJECTED and answer.audit_sequence == 0
        assert town.book.proposal("A", town.clock.at, LEFT) is not None


def _lost(entries: Sequence[Entry]) -> list[int]:
    """What the log answers when a disk has refused for so long that its memory is full."""
    return [0] * len(entries)


def test_a_vehicles_order_is_recorded_before_the_control_thread_can_see_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = AuditLog(tmp_path / "audit.sqlite")
    room, append = Room(audit), audit.append
    at_record: list[tuple[str, str, list[int]]] = []

    def asked() -> list[int]:
        return [proposal.stage for proposal in room.book.proposals("A", HERE)]

    def witnessed(entries: Sequence[Entry]) -> list[int]:
        at_record.extend((entry.junction, str(entry.detail["state"]), asked()) for entry in entries)
        return append(entries)

    monkeypatch.setattr(audit, "append", witnessed)
    room.desk.report(REPORT, OWN)
    assert at_record == [("A", "waiting", [])], "one record, before anything is asked for"
    first = asked()
    assert first
    room.clock.at += 1.0
    way = (Ahead("A", "main", distance_m=80.0),)
    room.desk.report(replace(REPORT, sequence=11, ahead=way), OWN)
    assert at_record[1] == ("A", "waiting", first), "another way through is another order"
    assert asked() != first
    audit.close()


def test_a_vehicle_that_is_refused_leaves_no_record_of_an_order(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.sqlite")
    room = Room(audit)
    room.desk.report(replace(REPORT, ahead=(Ahead("A", "nowhere", distance_m=80.0),)), OWN)
    room.desk.report(replace(REPORT, sequence=11, cancel=True), OWN)
    assert room.kept("priority") == [] and len(room.kept()) == 1
    audit.close()
