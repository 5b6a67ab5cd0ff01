"""kill -9 of the controller in the middle of the demo's scenario: every cabinet falls back by itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from stopline_cabinets import Mode
from stopline_envs.scenario import load_scenario
from stopline_hil.controller_process import ControllerProcess
from stopline_hil.modbus_plc import PlcCabinet
from stopline_hil.site_files import Post, write_site
from stopline_hil.street import Street

RATE = 5.0
KILL_AT = 940
LIMIT_S = 3.0
"""The heartbeat limit the controller agrees with a cabinet, in the cabinet's own seconds."""


@pytest.mark.timeout(120)
async def test_kill_9_leaves_every_cabinet_on_its_local_plan_within_the_limit(tmp_path: Path) -> None:
    scenario = load_scenario("arterial").between(900, 1000)
    modes: dict[int, list[Mode]] = {}
    async with Street(scenario, seed=1, rate=RATE) as street:
        posts = [Post(cabinet.plan, cabinet.host, cabinet.port) for cabinet in street.cabinets.values()]
        controller = ControllerProcess(write_site(tmp_path, posts, clock_rate=RATE), tmp_path / "log")

        async def watch(running: Street) -> None:
            cabinets = [c for c in running.cabinets.values() if isinstance(c, PlcCabinet)]
            states = [cabinet.state() for cabinet in cabinets]
            modes[running.now] = [state.mode for state in states]
            assert all(state.heartbeat_limit <= LIMIT_S * 10 for state in states)
            if running.now == KILL_AT:
                os.kill(controller.pid, signal.SIGKILL)

        street.watchers.append(watch)
        try:
            await controller.start()
            assert await street.wait_for_controller(60)
            report = await street.run()
        finally:
            await controller.kill()
    assert modes[KILL_AT] == [Mode.REMOTE] * len(street.cabinets), "the controller was in charge"
    fallen = next(now for now in modes if now > KILL_AT and set(modes[now]) == {Mode.LOCAL})
    # One second more: a cabinet looks at its watchdog once a simulated second.
    assert fallen - KILL_AT <= LIMIT_S + 1
    assert all(set(modes[now]) == {Mode.LOCAL} for now in modes if now >= fallen)
    assert report.violations == 0
    assert report.metrics.vehicles > 50
