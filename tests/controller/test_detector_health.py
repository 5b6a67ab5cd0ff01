"""Detectors that fall silent, stick or chatter: found, told once, believed again once they behave."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stopline_cabinets.words import CabinetState, Mode
from stopline_controller.detector_health import MINUTE, DetectorWatch, Fault, HealthLimits
from stopline_hil.example import crossroads
from stopline_signals.detectors import DetectorReading
from tests.controller.test_control_loop import Plant

PLAN = crossroads()
LIMITS = HealthLimits(no_activity=30 * MINUTE, max_presence=5 * MINUTE, erratic=60)
EMPTY = (DetectorReading(),) * len(PLAN.detectors)


class Look:
    """A watch and the read-backs it is shown."""

    def __init__(self, limits: HealthLimits = LIMITS) -> None:
        self.watch = DetectorWatch(PLAN, limits)
        self.time = 1_000

    def show(self, vehicles: int = 0, after: int = 1, *, healthy: bool = True) -> CabinetState:
        """Show the first detector with so many vehicles, the others as busy as they should be."""
        self.time += after
        others = DetectorReading(self.time // 500 % 2)
        reading = DetectorReading(vehicles, 0, healthy)
        return self.watch.judge(self.state((reading, *(others,) * (len(EMPTY) - 1))))

    def state(self, readings: tuple[DetectorReading, ...]) -> CabinetState:
        return CabinetState(time=self.time, mode=Mode.LOCAL, readings=readings)

    def keep(self, vehicles: int, tenths: int, step: int = 100) -> CabinetState:
        """Keep showing the same for some time."""
        for _ in range(tenths // step):
            seen = self.show(vehicles, step)
        return seen


@pytest.mark.parametrize(
    ("vehicles", "limit", "fault"),
    [(0, LIMITS.no_activity, Fault.NO_ACTIVITY), (2, LIMITS.max_presence, Fault.MAX_PRESENCE)],
)
def test_the_same_for_too_long_is_a_fault_until_it_changes(vehicles: int, limit: int, fault: Fault) -> None:
    look = Look()
    look.show(1 - min(vehicles, 1))
    look.show(vehicles)
    with capture_logs() as logs:
        assert look.keep(vehicles, limit - 200).readings[0].healthy
        seen = look.keep(vehicles, 400)
        assert not seen.readings[0].healthy and look.watch.faults == {fault: 1}
        assert seen.readings[0].vehicles == vehicles and all(r.healthy for r in seen.readings[1:])
        assert PLAN.detectors[0].name in look.watch.alarm and str(fault) in look.watch.alarm
        assert look.show(vehicles + 1).readings[0].healthy
    assert [entry["event"] for entry in logs] == ["detector_fault", "detector_restored"]
    assert look.watch.alarm == ""


def test_chatter_is_a_fault_until_a_whole_minute_was_quiet() -> None:
    look = Look()
    for turn in range(2 * (LIMITS.erratic + 1)):
        seen = look.show(turn % 2, 3)
    assert look.watch.faults == {Fault.ERRATIC: 1} and not seen.readings[0].healthy
    assert not look.show(0, 10).readings[0].healthy, "not believed at the first quiet second"
    assert look.keep(0, 2 * MINUTE + 100).readings[0].healthy


def test_busy_traffic_is_no_chatter() -> None:
    look = Look()
    for turn in range(600):
        look.show(turn % 2, 12)
        assert not look.watch.faults


def test_what_the_cabinet_reports_stands_by_itself() -> None:
    look = Look()
    look.show()
    seen = look.show(3, healthy=False)
    assert not seen.readings[0].healthy and look.watch.faults == {Fault.REPORTED: 1}
    assert look.show(3).readings[0].healthy and not look.watch.faults


def test_nothing_is_judged_where_the_limits_are_off() -> None:
    look = Look(HealthLimits())
    look.show(4)
    seen = look.show(4, 100 * MINUTE)
    assert seen.readings[0].healthy and not look.watch.faults


def test_a_silent_night_ends_no_button() -> None:
    look = Look()
    look.show()
    look.keep(0, LIMITS.no_activity + 1_000)
    buttons = [index for index, detector in enumerate(PLAN.detectors) if detector.kind == "button"]
    look.time += 1
    silent = look.watch.judge(look.state(EMPTY))
    look.time += LIMITS.no_activity
    silent = look.watch.judge(look.state(EMPTY))
    assert buttons and all(silent.readings[index].healthy for index in buttons)
    assert not any(r.healthy for i, r in enumerate(silent.readings) if i not in buttons)


def test_a_restarted_cabinet_is_learnt_anew() -> None:
    look = Look()
    look.show(2)
    look.keep(2, LIMITS.max_presence + 200)
    assert look.watch.faults
    look.time = 0
    assert look.show(2).readings[0].healthy and not look.watch.faults


async def test_stuck_detectors_take_the_policy_out_and_back_told_once_each(tmp_path: Path) -> None:
    """From reading to fallback and back, with the watch in the loop."""
    async with Plant(tmp_path, "A", "B") as plant:
        runtime = plant.runtimes["A"]
        runtime.watch = DetectorWatch(runtime.control.plan, replace(LIMITS, max_presence=100, no_activity=0))
        street = plant.cabinets["A"].street
        count = len(street.core.plan.detectors)
        with capture_logs() as logs:
            stuck = tuple(DetectorReading(2, 1) if index < 4 else DetectorReading() for index in range(count))
            street.core.set_readings(stuck)
            await plant.until(lambda: plant.mode("A") is Mode.LOCAL)
            assert any("max presence" in alarm for alarm in plant.latest("A").alarms)
            assert plant.mode("B") is Mode.REMOTE
            await plant.until(lambda: plant.clock.seconds() > 0)
            street.core.set_readings((DetectorReading(1),) * 4 + (DetectorReading(),) * (count - 4))
            await plant.until(lambda: plant.mode("A") is Mode.REMOTE)
            assert not any("max presence" in alarm for alarm in plant.latest("A").alarms)
    told = [entry["event"] for entry in logs]
    assert told.count("detector_coverage_low") == told.count("detector_coverage_restored") == 1
    assert told.count("detector_fault") == told.count("detector_restored") == 4
