"""One vehicle, two controllers that know nothing of each other: each serves it at its own junction."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import grpc.aio
import pytest

from stopline.v1 import priority_pb2, priority_pb2_grpc
from stopline_hil.clock import RunningClock
from stopline_hil.controller_process import ControllerProcess
from stopline_hil.example import crossroads
from stopline_hil.fitting import cabinet_for, post_for
from stopline_hil.modbus_plc import PlcCabinet
from stopline_hil.site_files import write_site

RATE = 8.0
SIDE = 2
NAMES = ("first", "second")


def report(number: int, ahead: tuple[str, ...]) -> priority_pb2.ReportRequest:
    """The whole way is told to everybody; who is not asked leaves it alone."""
    found = priority_pb2.ReportRequest(
        vehicle_id="amb 3",
        vehicle_class=priority_pb2.VEHICLE_CLASS_AMBULANCE,
        speed_mps=10.0,
        desired_speed_mps=15.0,
        sequence=number,
    )
    for place, junction in enumerate(ahead):
        found.upcoming.add(junction_id=junction, group="side", distance_m=30.0 + 50.0 * place)
    return found


@pytest.mark.timeout(90)
async def test_a_vehicle_crosses_the_junctions_of_two_controllers(tmp_path: Path) -> None:
    clock = RunningClock(rate=RATE)
    cabinets: list[PlcCabinet] = []
    for name in NAMES:
        made = cabinet_for("modbus", crossroads(name), clock, host="127.0.0.1", port=0)
        assert isinstance(made, PlcCabinet)
        cabinets.append(made)
        await made.start()
    ticking = [asyncio.create_task(cabinet.run()) for cabinet in cabinets]
    controllers: list[ControllerProcess] = []
    channels: list[grpc.aio.Channel] = []
    # An annotation inside a function is not evaluated; the class is generic in the stubs only.
    calls: list[grpc.aio.StreamStreamCall[priority_pb2.ReportRequest, priority_pb2.ReportResponse]] = []
    try:
        for cabinet, name in zip(cabinets, NAMES, strict=True):
            folder = tmp_path / name
            site = write_site(folder, [post_for(cabinet)], clock_rate=RATE, bundle="none")
            controllers.append(ControllerProcess(site, folder / "log"))
            channel = grpc.aio.insecure_channel(await controllers[-1].start())
            channels.append(channel)
            stub: priority_pb2_grpc.PriorityServiceAsyncStub = priority_pb2_grpc.PriorityServiceStub(
                channels[-1]
            )
            calls.append(stub.Report())
        number = 0

        async def tell(ahead: tuple[str, ...]) -> list[list[str]]:
            nonlocal number
            number += 1
            answers: list[list[str]] = []
            for call in calls:
                await call.write(report(number, ahead))
                answer = await call.read()
                assert isinstance(answer, priority_pb2.ReportResponse)
                answers.append([item.junction_id for item in answer.junctions])
            return answers

        async def until_green(places: list[int], ahead: tuple[str, ...]) -> None:
            began = time.monotonic()
            while not all(cabinets[place].state().stage == SIDE for place in places):
                assert time.monotonic() - began < 30, "not in time"
                await tell(ahead)
                await asyncio.sleep(1 / RATE)

        assert await tell(NAMES) == [["first"], ["second"]], "each answers for its own"
        await until_green([0, 1], NAMES)
        await tell(NAMES[1:])
        await until_green([1], NAMES[1:])
        # The second controller's process is gone: the first one's junction does not notice.
        await controllers[1].kill()
        calls.pop()
        await until_green([0], NAMES[:1])
    finally:
        for opened in channels:
            await opened.close()
        for controller in controllers:
            await controller.kill()
        for task in ticking:
            task.cancel()
        for cabinet in cabinets:
            await cabinet.stop()
    assert [str(violation) for cabinet in cabinets for violation in cabinet.violations] == []
