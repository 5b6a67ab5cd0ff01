"""Readings equal a plain count over all vehicles, whichever way the sensors choose to look."""

from __future__ import annotations

from collections.abc import Callable

import libsumo
import pytest

from stopline_envs.network import NetworkRun
from stopline_envs.sensing import Sensors
from stopline_signals.detectors import QUEUED_BELOW_MPS, DetectorReading
from stopline_signals.plan import DetectorKind
from tests.envs.maps import scenario_or_skip

Register = Callable[[NetworkRun], NetworkRun]


def counted(run: NetworkRun, signal: str) -> list[DetectorReading | None]:
    """What each zone of a signal holds, vehicle by vehicle and piece by piece; None for buttons."""
    readings: list[DetectorReading | None] = []
    for detector in run.plan_set.plans[signal].detectors:
        if detector.kind is DetectorKind.BUTTON:
            readings.append(None)
            continue
        inside = [
            name
            for name in libsumo.vehicle.getIDList()
            for piece in run.plan_set.zones[signal, detector.name]
            if piece.lane == libsumo.vehicle.getLaneID(name)
            and piece.start < libsumo.vehicle.getLanePosition(name) <= piece.end
        ]
        queued = [name for name in inside if libsumo.vehicle.getSpeed(name) < QUEUED_BELOW_MPS]
        readings.append(DetectorReading(len(inside), len(queued)))
    return readings


@pytest.mark.parametrize("name", ["arterial", "cologne8", "ingolstadt7"])
def test_readings_equal_a_plain_count(name: str, running: Register) -> None:
    run = running(NetworkRun(scenario_or_skip(name, 300)))
    run.reset(4)
    seen = 0
    while not run.done:
        run.advance(run.program_stages(), 20)
        for signal, view in zip(run.names, run.views(), strict=True):
            for reading, expected in zip(view.readings, counted(run, signal), strict=True):
                if expected is not None:
                    assert reading == expected
                    seen += reading.vehicles
    assert seen > 100


def test_both_ways_of_looking_see_the_same(running: Register) -> None:
    run = running(NetworkRun(scenario_or_skip("arterial", 300)))
    run.reset(1)
    sensors = Sensors(run.plan_set, run.names, libsumo, wide=True)
    *rest, _, on_lane = sensors._calls
    near = leaving = 0
    while not run.done:
        run.advance(run.program_stages(), 25)
        sensors._calls = (*rest, lambda: 0, on_lane)
        swept = sensors.look()
        sensors._calls = (*rest, lambda: 10**9, on_lane)
        looked = sensors.look()
        assert looked.readings == swept.readings
        # Sums of floats in another order differ in the last digit.
        for one, other in zip(looked.traffic, swept.traffic, strict=True):
            assert one == pytest.approx(other, abs=1e-9)
        near += sum(traffic.vehicles for traffic in swept.traffic)
        leaving += sum(traffic.leaving for traffic in swept.traffic)
    assert near > 100
    assert leaving > 10


def test_slowness_is_the_share_of_speed_lost(running: Register) -> None:
    run = running(NetworkRun(scenario_or_skip("single", 200)))
    run.reset(1)
    run.advance([0], 150)
    (traffic,) = run.traffic
    assert 0 <= traffic.queued <= traffic.vehicles
    assert 0.0 <= traffic.slowness <= traffic.vehicles
    assert traffic.slowness >= traffic.queued * 0.8
