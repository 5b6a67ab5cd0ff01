"""Services that end though nobody asked them to: begun again with an alarm, or the end of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from stopline_controller.alarms import Alarms
from stopline_controller.assembly import assemble
from stopline_controller.serve import _serve
from stopline_controller.site import read_site
from stopline_controller.supervisor import Rule, Service, ServiceFailed, Supervisor
from tests.controller.sites import write_site


class Flaky:
    """A service that fails so many times before it goes on."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.begun = 0
        self.ended = False

    async def run(self) -> None:
        self.begun += 1
        if self.begun <= self.failures:
            raise RuntimeError("a mistake of ours")
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


async def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    for _ in range(round(seconds * 100)):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen in time")


async def test_a_service_is_begun_again_with_an_alarm_until_it_runs_steadily() -> None:
    alarms, service, stop = Alarms(), Flaky(2), asyncio.Event()
    seen: set[str] = set()
    supervisor = Supervisor([Service("flaky", service.run, Rule.RESTART)], alarms, first_delay=0.02)
    with capture_logs() as logs:
        running = asyncio.create_task(supervisor.run(stop))
        while service.begun < 3:
            seen.update(alarms.texts)
            await asyncio.sleep(0.001)
        assert any("flaky failed" in text and "a mistake of ours" in text for text in seen)
        await until(lambda: alarms.texts == ())
        stop.set()
        await running
    assert service.ended
    told = [entry["event"] for entry in logs]
    assert told.count("service_failed") == 2
    assert told.count("alarm") == 1 and told.count("alarm_cleared") == 1, "once each"


@pytest.mark.parametrize("ends", ["raises", "returns"])
async def test_the_end_of_a_vital_service_ends_them_all(ends: str) -> None:
    async def vital() -> None:
        await asyncio.sleep(0.01)
        if ends == "raises":
            raise ValueError("broken")

    other = Flaky(0)
    services = [Service("vital", vital, Rule.END), Service("other", other.run, Rule.RESTART)]
    with pytest.raises(ServiceFailed, match="vital failed"):
        await Supervisor(services, Alarms()).run(asyncio.Event())
    assert other.ended


async def test_control_that_ends_takes_the_process_down_cleanly(tmp_path: Path) -> None:
    controller = assemble(read_site(write_site(tmp_path)))

    async def broken() -> None:
        await asyncio.sleep(0.3)
        raise RuntimeError("control is broken")

    controller.loop.run = broken  # type: ignore[method-assign]  # the crash under test
    serving = asyncio.create_task(_serve(controller))
    state = tmp_path / "state"
    with pytest.raises(ServiceFailed, match="control failed: RuntimeError"):
        await asyncio.wait_for(serving, 15)
    controller.close()
    assert not (state / "serving.json").exists() and (state / "statistics.json").exists()


async def test_housekeeping_that_crashes_leaves_control_alone(tmp_path: Path) -> None:
    controller = assemble(read_site(write_site(tmp_path, controller="clock_rate = 20")))
    crashes: list[int] = []

    async def broken(certificate_alarm: object) -> None:
        crashes.append(controller.statistics.ticks)
        raise RuntimeError("housekeeping is broken")

    controller.housekeeping.run = broken  # type: ignore[method-assign]  # the crash under test
    serving = asyncio.create_task(_serve(controller))
    await until(lambda: len(crashes) >= 2 and controller.statistics.ticks > crashes[1])
    assert any("housekeeping failed" in text for text in controller.hub.latest["A"].alarms)
    address = (tmp_path / "state" / "serving.json").read_text().split('"address": "')[1].split('"')[0]
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    controller.close()
