"""kill -9 of a controller whose vehicle holds a preempt: cabinets of both protocols let go by themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import grpc.aio
import pytest

from stopline.v1 import priority_pb2, priority_pb2_grpc
from stopline_hil.clock import RunningClock
from stopline_hil.controller_process import ControllerProcess
from stopline_hil.example import crossroads
from stopline_hil.fitting import VirtualCabinet, cabinet_for, post_for
from stopline_hil.modbus_plc import PlcCabinet
from stopline_hil.ntcip import NtcipCabinet
from stopline_hil.site_files import write_site
from stopline_signals.preemption import PreemptStatus

RATE = 6.0
SIDE = 2
BACKUP_S = 15
"""unitBackupTime of the NTCIP one, cabinet seconds; the Modbus one's limit is shorter."""


def preempted(cabinet: VirtualCabinet) -> bool:
    """Whether the preempt for the side street has the signals, as the cabinet itself knows."""
    if isinstance(cabinet, PlcCabinet):
        state = cabinet.state()
        return state.preempt and state.stage == SIDE
    assert isinstance(cabinet, NtcipCabinet)
    return cabinet.unit.preempts.states[SIDE] is PreemptStatus.DWELL


def asked(cabinet: VirtualCabinet) -> bool:
    """Whether anybody's wish is in force at the cabinet."""
    return not cabinet.released


async def until(done: Callable[[], bool], seconds: float) -> float:
    """Cabinet seconds until it is so."""
    began = time.monotonic()
    while not done():
        assert time.monotonic() - began < seconds / RATE, "not in time"
        await asyncio.sleep(0.02)
    return (time.monotonic() - began) * RATE


def report(number: int) -> priority_pb2.ReportRequest:
    found = priority_pb2.ReportRequest(
        vehicle_id="fire 7",
        vehicle_class=priority_pb2.VEHICLE_CLASS_FIRE,
        speed_mps=10.0,
        desired_speed_mps=15.0,
        sequence=number,
    )
    for junction in ("modbus", "ntcip"):
        found.upcoming.add(junction_id=junction, group="side", distance_m=20.0)
    return found


@pytest.mark.timeout(90)
async def test_preempts_end_with_the_controller_that_asked_for_them(tmp_path: Path) -> None:
    clock = RunningClock(rate=RATE)
    cabinets = [
        cabinet_for(name, crossroads(name), clock, host="127.0.0.1", port=0) for name in ("modbus", "ntcip")
    ]
    for cabinet in cabinets:
        await cabinet.start()
    ticking = [asyncio.create_task(cabinet.run()) for cabinet in cabinets]
    site = write_site(tmp_path, map(post_for, cabinets), clock_rate=RATE, bundle="none")
    text = site.read_text(encoding="utf-8")
    site.write_text(text.replace("\ncabinet = ", '\nemergency = "preempt"\ncabinet = '), encoding="utf-8")
    controller = ControllerProcess(site, tmp_path / "log")
    try:
        channel = grpc.aio.insecure_channel(await controller.start())
        stub: priority_pb2_grpc.PriorityServiceAsyncStub = priority_pb2_grpc.PriorityServiceStub(channel)
        call = stub.Report()

        async def drive() -> None:
            for number in range(1, 1000):
                await call.write(report(number))
                await call.read()
                await asyncio.sleep(1 / RATE)

        driving = asyncio.create_task(drive())
        await until(lambda: all(map(preempted, cabinets)), 240)
        await asyncio.sleep(1.5 * BACKUP_S / RATE)
        assert all(map(preempted, cabinets)), "kept while the vehicle is there, beyond every deadline"
        await controller.kill()
        driving.cancel()
        took = await until(lambda: not any(map(asked, cabinets)), 4 * BACKUP_S)
        await until(lambda: not any(map(preempted, cabinets)), 60)
        await channel.close()
    finally:
        await controller.kill()
        for task in ticking:
            task.cancel()
        for cabinet in cabinets:
            await cabinet.stop()
    # Twice the backup time: the machine may be late, the cabinets' own clocks are not.
    assert took <= 2 * BACKUP_S
    assert [str(violation) for cabinet in cabinets for violation in cabinet.violations] == []
