"""Nothing reaches a cabinet or a person before its record is on disk, where another process can read it."""

from __future__ import annotations

from pathlib import Path

from stopline_cabinets.words import PlanCommand, Receipt
from stopline_controller.audit_chain import Filter, read_records
from stopline_controller.overrides import Status, Verb
from tests.controller.test_control_loop import Plant
from tests.controller.town import SIDE, Town


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
