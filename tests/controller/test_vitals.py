"""A control loop that hangs or fails is told to everybody who asks, and nobody is told too early."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stopline_controller.alarms import Alarms
from stopline_controller.vitals import ALARM, SILENT_S, Vitals, watch
from tests.controller.bench import ServeProcess, until
from tests.controller.sites import write_site

SLOTS = [["A1", "A2"], ["B1", "B2", "B3", "B4"]]


class Now:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_control_has_begun_when_every_slot_has_ticked() -> None:
    vitals = Vitals(SLOTS)
    vitals.pulse(0)
    assert not vitals.begun
    vitals.pulse(1)
    assert vitals.begun


def test_a_slot_that_stands_still_is_told_by_its_junctions() -> None:
    now = Now()
    vitals = Vitals(SLOTS, now)
    now.seconds += SILENT_S
    vitals.pulse(0)
    assert vitals.complaint() == ""
    now.seconds += 0.1
    assert "control of B1, B2, B3, B4 stands still" in vitals.complaint()
    now.seconds += SILENT_S
    assert "A1, A2, B1, B2, B3 and 1 more stands still" in vitals.complaint()
    for slot in range(2):
        vitals.pulse(slot)
    assert vitals.complaint() == ""


def test_health_is_told_at_every_change_and_only_then() -> None:
    now, alarms, told = Now(), Alarms(), list[bool]()
    vitals = Vitals([["A"]], now)

    async def tell(alive: bool) -> None:
        told.append(alive)

    async def live() -> None:
        task = asyncio.create_task(watch(vitals, alarms, tell))
        for step, ticks in ((0.0, False), (0.1, True), (0.5, True), (SILENT_S + 0.1, False), (0.1, True)):
            now.seconds += step
            if ticks:
                vitals.pulse(0)
            await asyncio.sleep(0.25)
            standing.append(bool(alarms.texts))
        task.cancel()

    standing: list[bool] = []
    asyncio.run(live())
    assert told == [False, True, False, True]
    assert standing == [False, False, False, True, False]


SICK = """
import pathlib, time
from stopline_controller.loop import ControlLoop
tick = ControlLoop._tick
async def sick(self, slot):
    mark = pathlib.Path({mark!r})
    if mark.exists():
        {what}
    await tick(self, slot)
ControlLoop._tick = sick
"""


@pytest.mark.parametrize(
    "what", ["raise RuntimeError('a mistake of ours')", "time.sleep(4)"], ids=["it fails", "it hangs"]
)
def test_a_control_loop_that_is_ill_is_unhealthy_with_an_alarm_and_well_again(
    tmp_path: Path, what: str
) -> None:
    mark = tmp_path / "ill"
    site = write_site(tmp_path)
    sick = SICK.format(mark=str(mark), what=what)
    with ServeProcess(site, first=sick) as running, running.channel() as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)

        def healthy() -> bool:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

        until(healthy, 15, "control has begun")
        mark.touch()
        until(lambda: not healthy(), 10, "unhealthy")
        assert any(entry.get("name") == ALARM for entry in running.events())
        mark.unlink()
        until(healthy, 10, "healthy again")
    cleared = [entry for entry in running.events() if entry["event"] == "alarm_cleared"]
    assert any(entry["name"] == ALARM for entry in cleared)
