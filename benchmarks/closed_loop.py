"""How long from an input to the plan it brings at the cabinet: a real controller process, both protocols."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import grpc.aio

from benchmarks._table import Figure, main
from stopline.v1 import priority_pb2, priority_pb2_grpc
from stopline_hil.clock import RunningClock
from stopline_hil.controller_process import ControllerProcess
from stopline_hil.example import crossroads
from stopline_hil.fitting import MODBUS, NTCIP, VirtualCabinet, cabinet_for, post_for
from stopline_hil.site_files import write_site
from stopline_policy.bundle import SHIPPED, read_bundle
from stopline_signals.detectors import DetectorReading
from stopline_signals.plan import DetectorKind

EACH = 8
"""Cabinets of each protocol."""
EDGES, VEHICLES = 18, 16
"""Detector edges and emergency vehicles at each cabinet, one after the other."""
EMERGENCY_LIMIT_MS, EDGE_MARGIN_MS = 300.0, 200.0
WARM_UP_S = 8.0
ZONES = tuple(n for n, d in enumerate(crossroads().detectors) if d.kind is not DetectorKind.BUTTON)


class Input(NamedTuple):
    """Something that happened at a time (Unix seconds): a detector's new count, or a vehicle's report."""

    at: float
    junction: str
    detector: int = -1
    vehicles: int = 0


class Decision(NamedTuple):
    """A decision as it was audited, which is before it was sent."""

    at: float
    source: str
    readings: list[list[int]]


class Found(NamedTuple):
    """What one run saw: inputs, decisions, and when each cabinet took a plan."""

    inputs: list[Input]
    decisions: dict[str, list[Decision]]
    arrivals: dict[str, list[float]]
    held_up: float
    """Longest time (s) this process itself was kept from running: what the machine adds to every figure."""


def measure() -> Sequence[Figure]:
    """Time detector edges and emergency reports to the plans they bring, 8 cabinets of each protocol."""
    interval = 1000 * read_bundle(SHIPPED).manifest.decision_interval
    found = asyncio.run(_run())
    figures: list[Figure] = []
    for protocol in (MODBUS, NTCIP):
        limits = {"emergency report": EMERGENCY_LIMIT_MS, "detector edge": interval + EDGE_MARGIN_MS}
        for what, limit in limits.items():
            figures += _figures(protocol, what, list(_latencies(found, protocol, what)), limit)
    return [*figures, Figure("this machine", "longest time nothing ran, ms", 1000 * found.held_up)]


async def _run() -> Found:
    cabinets = [
        cabinet_for(protocol, crossroads(f"{protocol}-{n}"), RunningClock(), host="127.0.0.1", port=0)
        for protocol in (MODBUS, NTCIP)
        for n in range(EACH)
    ]
    arrivals: dict[str, list[float]] = {cabinet.plan.junction: [] for cabinet in cabinets}
    with tempfile.TemporaryDirectory() as name:
        for cabinet in cabinets:
            await cabinet.start()
        tasks = [asyncio.create_task(cabinet.run()) for cabinet in cabinets]
        noting = asyncio.create_task(_note_arrivals(cabinets, arrivals, held := [0.0]))
        site = write_site(Path(name), map(post_for, cabinets))
        controller = ControllerProcess(site, Path(name) / "controller.log")
        try:
            address = await controller.start()
            await asyncio.sleep(WARM_UP_S)
            edges = await asyncio.gather(*(_edges(cabinet) for cabinet in cabinets))
            calls = await asyncio.gather(*(_calls(address, junction) for junction in arrivals))
            await controller.stop()
        finally:
            await controller.kill()
            for task in (*tasks, noting):
                task.cancel()
            for cabinet in cabinets:
                await cabinet.stop()
        decisions = _decisions(next(Path(name).rglob("audit.sqlite")))
    if violations := sum(cabinet.monitor.total for cabinet in cabinets):
        raise RuntimeError(f"{violations} lamp violations while measuring")
    return Found([one for part in (*edges, *calls) for one in part], decisions, arrivals, held[0])


async def _note_arrivals(
    cabinets: Sequence[VirtualCabinet], arrivals: dict[str, list[float]], held: list[float]
) -> None:
    """When each cabinet took a plan, to a millisecond, and how long nothing could be noted."""
    taken = [cabinet.plans_accepted for cabinet in cabinets]
    before = time.time()
    while True:
        now = time.time()
        held[0], before = max(held[0], now - before), now
        for number, cabinet in enumerate(cabinets):
            if cabinet.plans_accepted != taken[number]:
                taken[number] = cabinet.plans_accepted
                arrivals[cabinet.plan.junction].append(now)
        await asyncio.sleep(0.001)


async def _edges(cabinet: VirtualCabinet) -> list[Input]:
    """Vehicles come to zones and leave them, at moments that have nothing to do with the controller's."""
    dice = random.Random(cabinet.plan.junction)
    readings = [DetectorReading()] * len(cabinet.plan.detectors)
    made: list[Input] = []
    for _ in range(EDGES):
        await asyncio.sleep(dice.uniform(2.2, 3.2))
        zone = dice.choice(ZONES)
        vehicles = 1 - readings[zone].vehicles
        readings[zone] = DetectorReading(vehicles)
        made.append(Input(time.time(), cabinet.plan.junction, zone, vehicles))
        cabinet.set_readings(readings)
    return made


async def _calls(address: str, junction: str) -> list[Input]:
    """Ambulances close to the stop line, each gone before the next."""
    dice = random.Random(junction)
    made: list[Input] = []
    async with grpc.aio.insecure_channel(address) as channel:
        stub: priority_pb2_grpc.PriorityServiceAsyncStub = priority_pb2_grpc.PriorityServiceStub(channel)
        call = stub.Report()
        for number in range(VEHICLES):
            await asyncio.sleep(dice.uniform(1.0, 1.3))
            report = _report(f"{junction} {number}", dice.choice(("main", "side")), junction)
            made.append(Input(time.time(), junction))
            await call.write(report)
            await call.read()
            await asyncio.sleep(dice.uniform(0.6, 0.9))
            report.sequence, report.cancel = 2, True
            await call.write(report)
            await call.read()
        await call.done_writing()
    return made


def _report(vehicle: str, group: str, junction: str) -> priority_pb2.ReportRequest:
    report = priority_pb2.ReportRequest(
        vehicle_id=vehicle,
        vehicle_class=priority_pb2.VEHICLE_CLASS_AMBULANCE,
        speed_mps=10.0,
        desired_speed_mps=15.0,
        sequence=1,
    )
    report.upcoming.add(junction_id=junction, group=group, distance_m=30.0)
    return report


def _decisions(path: Path) -> dict[str, list[Decision]]:
    """Out of the controller's audit log."""
    found: dict[str, list[Decision]] = {}
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "select wall_us, junction, detail from audit where kind = 'decision' order by sequence"
        )
        for wall, junction, text in rows:
            detail = json.loads(text)
            decision = Decision(wall / 1e6, detail["source"], detail["readings"])
            found.setdefault(junction, []).append(decision)
    return found


def _latencies(found: Found, protocol: str, what: str) -> Iterator[float]:
    """Milliseconds from each input to the cabinet's receipt of the first decision that followed from it."""
    for one in found.inputs:
        if one.junction.startswith(protocol) and (one.detector < 0) is (what == "emergency report"):
            later = (d for d in found.decisions[one.junction] if d.at >= one.at and _follows(d, one))
            decided = next(later, None)
            arrived = found.arrivals[one.junction]
            at = len(arrived) if decided is None else bisect_left(arrived, decided.at)
            yield 1000 * (arrived[at] - one.at) if at < len(arrived) else float("inf")


def _follows(decision: Decision, one: Input) -> bool:
    """Whether the decision knew of the input."""
    if one.detector < 0:
        return decision.source == "emergency"
    return decision.source == "policy" and decision.readings[one.detector][0] == one.vehicles


def _figures(protocol: str, what: str, latencies: Iterable[float], limit: float) -> Iterator[Figure]:
    ordered = sorted(latencies)
    case = f"{EACH} {protocol} cabinets of {2 * EACH}, loopback, {len(ordered)} inputs"
    for name, part, held in (("p50", 0.5, None), ("p99", 0.99, limit), ("longest", 1.0, None)):
        value = ordered[min(len(ordered) - 1, int(part * len(ordered)))]
        yield Figure(case, f"{what} to plan at the cabinet, {name}, ms", value, held)


if __name__ == "__main__":
    sys.exit(main(measure))
