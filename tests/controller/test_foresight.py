"""The earliest legal change that is published is the one at which the cabinet would take a request up."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from stopline_controller.overrides import Verb
from tests.controller.town import PLAN, Town

STAGES = range(len(PLAN.stages))


@pytest.mark.parametrize(("first", "then"), [pair for pair in product(STAGES, STAGES) if pair[0] != pair[1]])
def test_in_every_tick_of_a_transition_the_earliest_change_is_right(
    tmp_path: Path, first: int, then: int
) -> None:
    with Town(tmp_path) as town:
        lease = town.lease()
        town.ask(lease, Verb.GO_TO_STAGE, stage=first)
        town.until(lambda: town.seen.stage == first and not town.seen.in_transition, 60)
        town.run(10)
        town.ask(lease, Verb.GO_TO_STAGE, stage=then)
        town.until(lambda: town.seen.stage == then and town.seen.in_transition, 30)
        said: dict[int, list[int]] = {stage: [] for stage in STAGES if stage != then}
        legal: dict[int, int] = {}
        for _ in range(400):
            town.tick()
            now = town.state.now
            assert now is not None
            for stage, moments in said.items():
                if stage not in legal:
                    moments.append(now.engine.earliest(now.state, stage))
                if town.seen.legal >> stage & 1 and stage not in legal:
                    legal[stage] = town.seen.time
        for stage, moments in said.items():
            assert moments[0] == pytest.approx(legal[stage], abs=1), f"stage {stage}"
            assert max(moments) - min(moments) <= 1, "and it does not move"


def test_a_controller_that_starts_in_a_transition_promises_nothing_too_early(tmp_path: Path) -> None:
    with Town(tmp_path) as town:
        lease = town.lease()
        for stage in (1, 2, 0):
            town.ask(lease, Verb.GO_TO_STAGE, stage=stage)
            town.until(lambda: town.seen.in_transition and town.seen.settled_in < 60, 60)
            town.control.forget()
            town.tick()
            now = town.state.now
            assert now is not None
            other = (stage + 1) % 3
            promised = now.engine.earliest(now.state, other)
            took = town.until(lambda: bool(town.seen.legal >> other & 1), 60)  # noqa: B023 (called in this turn)
            assert took >= 0 and promised >= town.seen.time - 1
