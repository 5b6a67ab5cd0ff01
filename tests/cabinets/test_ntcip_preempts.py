"""Preempts of a foreign NTCIP cabinet: asked for by plans, gone with them, never against its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from stopline_cabinets.errors import PlanRefused
from stopline_cabinets.ntcip.masks import mask_of
from stopline_cabinets.words import Mode, Result
from stopline_signals.plan import Preempt
from tests.cabinets.ntcip_bench import Bench, held

SIDE = mask_of((4, 8))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    found = await Bench(tmp_path).open()
    yield found
    found.close()


async def test_a_preempt_is_a_plan_kept_on_and_let_go(bench: Bench) -> None:
    cabinet = await held(bench, "4+8")
    await bench.until(cabinet, lambda s: s.stage == 4 and not s.in_transition)
    await cabinet.write(bench.preempt(cabinet))
    assert bench.cabinet.rings.preempt == 1
    state = await bench.until(cabinet, lambda s: s.preempt and not s.in_transition)
    assert state.mode is Mode.REMOTE, "it runs because we asked"
    for _ in range(30):
        await cabinet.heartbeat()
        await cabinet.read()
        await bench.pause(4)
    assert bench.cabinet.rings.preempt == 1, "it outlives the backup time while the heart beats"
    assert bench.masks() == {}, "a preempt is not fought"
    await cabinet.write(bench.command(cabinet, 4))
    assert bench.cabinet.rings.preempt == 0
    assert bench.masks()["Hold"] == SIDE
    state = await bench.until(cabinet, lambda s: s.stage == 4 and not s.in_transition)
    assert not state.preempt


async def test_a_preempt_of_the_cabinets_own_ends_ours(bench: Bench) -> None:
    """The same preempt, switched on by somebody else: nothing of ours is kept on."""
    cabinet = await held(bench, "4+8")
    bench.cabinet.rings.preempt = 1
    state = await bench.until(cabinet, lambda s: s.mode is Mode.PREEMPT)
    await cabinet.heartbeat()
    assert state.preempt and bench.masks() == {}
    with pytest.raises(PlanRefused, match="preempt") as refused:
        await cabinet.write(bench.preempt(cabinet))
    assert refused.value.result is Result.NOT_REMOTE


async def test_a_preempt_dies_with_its_controller(bench: Bench) -> None:
    cabinet = bench.driver()
    await cabinet.connect()
    await cabinet.write(bench.preempt(cabinet))
    await bench.pause(110)
    watcher = bench.driver(owner=8)
    await watcher.connect(lease=False)
    assert bench.cabinet.rings.preempt == 0


async def test_a_preempt_ends_with_its_ttl_and_its_lease(bench: Bench) -> None:
    cabinet = bench.driver()
    await cabinet.connect()
    await cabinet.write(bench.preempt(cabinet, ttl=20))
    await bench.until(cabinet, lambda s: s.active_seq == 0)
    assert bench.cabinet.rings.preempt == 0
    await cabinet.write(bench.preempt(cabinet))
    assert bench.cabinet.rings.preempt == 1
    await cabinet.release()
    assert bench.cabinet.rings.preempt == 0


@pytest.mark.parametrize(
    ("number", "presence", "text"),
    [(2, 60, r"preempts 1\.\.1"), (1, 0, "preemptMaximumPresence"), (0, 60, "not 0")],
)
async def test_a_preempt_that_is_not_the_plans_is_not_asked_for(
    bench: Bench, number: int, presence: int, text: str
) -> None:
    bench.cabinet.presence = presence
    cabinet = bench.driver()
    await cabinet.connect()
    with pytest.raises(PlanRefused, match=text) as refused:
        await cabinet.write(bench.preempt(cabinet, number))
    assert refused.value.result is Result.UNABLE
    assert bench.cabinet.sets == []


async def test_a_preempt_that_dwells_elsewhere_is_not_asked_for(bench: Bench) -> None:
    bench.plan = replace(bench.plan, preempts=(Preempt(name="fire", dwell=4, max_presence=600),))
    cabinet = bench.driver()
    await cabinet.connect()
    with pytest.raises(PlanRefused, match=r"dwells in phases 2\+6 in the cabinet, in stage 4\+8"):
        await cabinet.write(bench.preempt(cabinet))
