"""One SUMO run, cabinets of both protocols, and the real controller process that commands them all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from stopline_cabinets.errors import CabinetError
from stopline_envs.scenario import load_scenario
from stopline_hil.controller_process import ControllerProcess
from stopline_hil.fitting import MODBUS, NTCIP, post_for, protocols_of
from stopline_hil.modbus_plc import PlcCabinet
from stopline_hil.ntcip import NtcipCabinet
from stopline_hil.site_files import write_site
from stopline_hil.street import Street

RATE = 8.0


@pytest.mark.timeout(120)
async def test_one_controller_commands_cabinets_of_both_protocols_on_one_street(tmp_path: Path) -> None:
    scenario = load_scenario("arterial").between(900, 948)
    async with Street(scenario, seed=1, rate=RATE, protocols=("modbus,ntcip",)) as street:
        controller = ControllerProcess(
            write_site(tmp_path, map(post_for, street.cabinets.values()), clock_rate=RATE), tmp_path / "log"
        )
        try:
            await controller.start()
            assert await street.wait_for_controller(60)
            report = await street.run()
            in_charge = {name: not cabinet.released for name, cabinet in street.cabinets.items()}
            statistics = await controller.stop()
        finally:
            await controller.kill()
        spoken = {name: cabinet.protocol for name, cabinet in street.cabinets.items()}
        released = all(cabinet.released for cabinet in street.cabinets.values())
    assert set(spoken.values()) == {MODBUS, NTCIP}
    assert all(in_charge.values()) and released
    assert report.violations == 0, report.first_violations
    assert report.metrics.vehicles > 10
    assert report.lateness.seconds == 48 and report.lateness.p50_ms >= 0
    decided = decisions(next(tmp_path.rglob("audit.sqlite")))
    for name, protocol in spoken.items():
        assert report.plans_accepted[name] > 1, (name, protocol)
        assert decided[name] > 1 and stages(street.cabinets[name]) >= 2, (name, protocol)
    modbus = sum(count for name, count in report.plans_accepted.items() if spoken[name] == MODBUS)
    assert modbus <= statistics["plans_accepted"] <= statistics["decisions_audited"]


async def test_what_sumo_counts_is_what_an_ntcip_cabinets_detectors_tell() -> None:
    """Zone sensors switch an input for each vehicle; the site file says which."""
    scenario = load_scenario("arterial").between(900, 990)
    async with Street(scenario, seed=1, rate=0, protocols=("ntcip",)) as street:
        await street.run()
        counts = {
            (name, zone): sum(cabinet.unit.sensors.active >> number - 1 & 1 for number in feed.presence)
            for name, cabinet in street.cabinets.items()
            if isinstance(cabinet, NtcipCabinet)
            for zone, feed in cabinet.feeds.items()
        }
    assert len({name for name, _ in counts}) == len(street.cabinets)
    assert max(counts.values()) > 1 and sum(counts.values()) > 10


def test_protocols_go_in_turns_or_by_name() -> None:
    names = ("a", "b", "c")
    assert protocols_of(names, ()) == dict.fromkeys(names, MODBUS)
    assert protocols_of(names, ("ntcip,modbus",)) == {"a": NTCIP, "b": MODBUS, "c": NTCIP}
    assert protocols_of(names, ("mixed", "b=modbus")) == dict.fromkeys(names, MODBUS)
    with pytest.raises(CabinetError, match="no junction 'd'"):
        protocols_of(names, ("d=ntcip",))
    with pytest.raises(CabinetError, match="speaks 'rs232'"):
        protocols_of(names, ("modbus,rs232",))


def decisions(path: Path) -> dict[str, int]:
    """How many each junction was commanded."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "select junction, count(*) from audit where kind = 'decision' group by junction"
        )
        return dict(rows.fetchall())


def stages(cabinet: object) -> int:
    """How many stages it has shown, from its own log."""
    if isinstance(cabinet, NtcipCabinet):
        return len({record.param for record in cabinet.unit.log.of(1)})
    assert isinstance(cabinet, PlcCabinet)
    return len({event.param for event in cabinet.core.events if event.code == 1})
