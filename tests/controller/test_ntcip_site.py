"""A site with an NTCIP cabinet: what its file says, and a real controller process at a foreign cabinet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stopline_controller.drivers import DRIVERS
from stopline_controller.site import InvalidSite, read_site
from stopline_signals.plan import Detector, DetectorKind, SignalPlan
from tests.cabinets.ntcip_bench import Bench, foreign_plan
from tests.controller.bench import ServeProcess
from tests.controller.sites import write_site
from tests.signals.plans_for_tests import four_groups

RATE = 4.0


def plan_with_zones() -> SignalPlan:
    plan = foreign_plan()
    zones = [
        Detector(f"near:{group.name}", DetectorKind.NEAR_ZONE, index, 0, 50, 6.7)
        for index, group in enumerate(plan.groups)
    ]
    return replace(plan, detectors=tuple(zones))


def body(port: int = 161, *lines: str) -> str:
    return "\n".join([f'driver = "ntcip"\naddress = "127.0.0.1:{port}"', *lines])


def site(folder: Path, *lines: str, plan: SignalPlan | None = None) -> Path:
    plan = replace(plan or plan_with_zones(), junction="A")
    return write_site(folder, {"A": body(161, *lines)}, plans={"A": plan})


def test_a_site_file_makes_an_ntcip_cabinet(tmp_path: Path) -> None:
    junction = read_site(site(tmp_path)).junctions[0]
    assert junction.driver is DRIVERS["ntcip"]
    assert junction.driver.address(junction.options) == "127.0.0.1:161"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('profile = "acme"', "no profile 'acme'; there are auto, generic, virtual, econolite"),
        ('version = "3"', "belong together"),
        ('version = "3"\nuser = "x"', "STOPLINE_SNMP_AUTH_KEY must hold a key"),
        ('push_listen = "0.0.0.0:6053"\npush_from = "cabinet.example"', "numeric address"),
        ("phases = { nonesuch = 3 }", "no group 'nonesuch'"),
        ("phases = { p1 = 0 }", "greater than or equal to 1"),
        ("[junction.cabinet.detectors]\nnonesuch = { presence = [1] }", "name every zone once"),
        ("pol_s = 1", "did you mean 'poll_s'"),
    ],
)
def test_mistakes_are_found_before_anything_starts(
    tmp_path: Path, line: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STOPLINE_SNMP_AUTH_KEY", raising=False)
    with pytest.raises(InvalidSite, match=message):
        read_site(site(tmp_path, line))


def test_a_plan_without_phases_gets_them_from_the_site(tmp_path: Path) -> None:
    with pytest.raises(InvalidSite, match="walk has no phase"):
        read_site(site(tmp_path, plan=four_groups()))
    read_site(site(tmp_path, "phases = { north = 2, east = 4, left = 1, walk = 2 }", plan=four_groups()))


async def test_a_controller_runs_a_foreign_cabinet_and_its_death_is_survived(tmp_path: Path) -> None:
    """serve takes over, asks for phases, is killed, and the cabinet is by itself within its backup time."""
    bench = await Bench(tmp_path / "unused", rate=RATE).open()
    bench.cabinet.active = 0xFFFF
    lines = ('profile = "generic"', "poll_s = 0.2", f"lease_dir = {json.dumps(str(tmp_path))}")
    plan = replace(plan_with_zones(), junction="A")
    path = write_site(
        tmp_path,
        {"A": body(bench.port, *lines)},
        controller=f"clock_rate = {RATE}",
        plans={"A": plan},
    )
    running = ServeProcess(path)
    try:
        await asyncio.to_thread(running.__enter__)
        await until(lambda: bench.cabinet.rings.masks["Hold"] != 0, 20, running)
        told = len(bench.cabinet.sets)
        await until(lambda: len(bench.cabinet.sets) > told + 3, 20, running)
        assert not bench.cabinet.backup_mode
        running.kill()
        await asyncio.sleep(11 / RATE)
        bench.cabinet.tick()
        assert bench.cabinet.backup_mode
        assert bench.masks() == {}
    finally:
        running.__exit__(None, None, None)
        bench.close()


async def until(done: Callable[[], bool], seconds: float, running: ServeProcess) -> None:
    for _ in range(int(seconds * 20)):
        if done():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(running.log.read_text())
