"""What is looked after away from control: retention, free disk, certificates, a wall clock that was set."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from stopline_controller import audit, housekeeping
from stopline_controller.alarms import Alarms
from stopline_controller.audit import AuditLog, Entry
from stopline_controller.clock import Clock
from stopline_controller.events import EventLog
from stopline_controller.housekeeping import ClockWatch, Housekeeping
from tests.controller.town import PLAN


class House:
    """A housekeeper at work over 45 records of which 20 are to be kept, and a wall clock to set."""

    def __init__(self, folder: Path) -> None:
        self.alarms, self.certificate, self.wall = Alarms(), "", 1_000_000.0
        self.audit = AuditLog(folder / "audit.sqlite")
        self.audit.append([Entry("decision", number) for number in range(45)])
        self.events = EventLog(folder / "events.sqlite", {"A": PLAN}, 1000, self.alarms)
        self.keeper = Housekeeping(
            Clock(), self.audit, self.events, self.alarms, junctions=("A",), keep_records=20
        )
        self.keeper._watch = ClockWatch(lambda: self.wall, lambda: 0.0)

    async def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(500):
            if holds():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it did not happen in time")


@contextlib.asynccontextmanager
async def keeping(folder: Path) -> AsyncGenerator[House]:
    house = House(folder)
    work = asyncio.create_task(house.keeper.run(lambda _: house.certificate))
    try:
        yield house
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        house.events.close()
        house.audit.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "PERIOD_S", 0.02)
    monkeypatch.setattr(audit, "PRUNED_AT_ONCE", 10)


async def test_old_records_go_by_themselves(tmp_path: Path) -> None:
    async with keeping(tmp_path) as house:
        await house.until(lambda: house.audit.verify().first == 21)
        assert house.audit.verify().intact


async def test_a_disk_that_fills_up_is_an_alarm_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with keeping(tmp_path) as house:
        monkeypatch.setattr(housekeeping, "LEAST_FREE", 1 << 62)
        await house.until(lambda: any("MiB are free" in text for text in house.alarms.texts))
        monkeypatch.setattr(housekeeping, "LEAST_FREE", 0)
        await house.until(lambda: house.alarms.texts == ())


async def test_a_certificate_about_to_end_is_an_alarm_until_it_is_renewed(tmp_path: Path) -> None:
    async with keeping(tmp_path) as house:
        house.certificate = "the server certificate ends on 2026-12-01; renew its file"
        await house.until(lambda: house.alarms.texts == (house.certificate,))
        house.certificate = ""
        await house.until(lambda: house.alarms.texts == ())


async def test_a_wall_clock_that_was_set_is_recorded_each_time(tmp_path: Path) -> None:
    async with keeping(tmp_path) as house:
        for number, step in enumerate((3600.0, -3600.0), 1):
            house.wall += step
            await house.until(lambda n=number: len(list(house.audit.read(kind="clock-step"))) == n)  # type: ignore[misc]  # bound now
        steps = [json.loads(record.detail)["seconds"] for record in house.audit.read(kind="clock-step")]
    assert steps == [3600.0, -3600.0]
