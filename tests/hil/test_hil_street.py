"""SUMO as the street: a closed loop over real Modbus, judged lamp by lamp; the files a controller needs."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from stopline_cabinets import CabinetError, Mode, PlanCommand, PlanRow, stage_minimum
from stopline_cabinets.modbus import ModbusCabinet
from stopline_envs.scenario import Scenario, load_scenario
from stopline_hil.example import crossroads
from stopline_hil.pacing import Pacer
from stopline_hil.running import run_street
from stopline_hil.site_files import Post, plan_to_toml, write_site
from stopline_hil.street import Street
from stopline_mmu import Lamp, Rule
from stopline_signals.plan import SignalPlan
from stopline_signals.table import plan_from_table

ROOT = Path(__file__).parents[2]


def short(name: str, seconds: int) -> Scenario:
    scenario = load_scenario(name)
    return scenario.between(scenario.begin, scenario.begin + seconds)


async def drive(client: ModbusCabinet, plan: SignalPlan, dice: random.Random) -> None:
    """A controller that asks for any stage at any time, beats, and now and then falls silent."""
    with_lease = False
    while True:
        try:
            state = await client.read()
            if not with_lease:
                await client.connect()
                with_lease = True
            await client.heartbeat()
            if state.mode in (Mode.LOCAL, Mode.REMOTE) and dice.random() < 0.3:
                stage = dice.randrange(len(plan.stages))
                rows = (PlanRow(stage, stage_minimum(plan, stage), 3000),)
                await client.write(PlanCommand(client.next_seq, rows, dice.choice((20, 100, 300))))
        except CabinetError:
            with_lease = False
        await asyncio.sleep(0.01 if dice.random() < 0.97 else 0.2)


async def test_a_hostile_controller_gets_no_violation_out_of_it() -> None:
    async with Street(short("arterial", 240), seed=3, rate=40) as street:
        dice = random.Random(3)
        clients = [
            ModbusCabinet("127.0.0.1", street.cabinets[name].port, plan, owner=1, label="dice")
            for name, plan in street.plans.items()
        ]
        drivers = [
            asyncio.create_task(drive(client, plan, dice))
            for client, plan in zip(clients, street.plans.values(), strict=True)
        ]
        report = await street.run()
        for driver in drivers:
            driver.cancel()
        await asyncio.gather(*drivers, return_exceptions=True)
        for client in clients:
            await client.close()
    assert report.first_violations == ()
    assert report.violations == 0
    assert sum(report.plans_accepted.values()) > 20
    assert report.seconds == 240
    assert report.metrics.vehicles > 50


class Sabotage(Street):
    """Shows all green for two seconds in the middle, behind the cabinets' backs."""

    def _show(self) -> None:
        super()._show()
        if self.now - self.scenario.begin in (60, 61):
            name = next(iter(self.cabinets))
            letters = "G" * len(self._simulation.lamps(name))
            self._simulation.set_lamps(name, letters)
            self._note(name, self._boards[name].judge(self.now, letters))


async def test_the_referee_sees_what_the_cabinets_do_not() -> None:
    async with Sabotage(short("rilsa1", 90), rate=0) as street:
        report = await street.run()
    assert report.monitor == 0
    assert report.referee > 0
    assert any(str(Rule.CONFLICT) in line for line in report.first_violations)


async def test_left_alone_the_cabinets_run_their_local_plans() -> None:
    async with Street(short("rilsa1", 300), rate=0) as street:
        report = await street.run()
    assert report.violations == 0
    assert set(report.plans_accepted.values()) == {0}
    assert report.metrics.finished > 0


async def test_the_same_seed_is_the_same_street(tmp_path: Path) -> None:
    first = await run_street(Street(short("rilsa1", 200), seed=5, rate=0), out=tmp_path)
    again = await run_street(Street(short("rilsa1", 200), seed=5, rate=0))
    other = await run_street(Street(short("rilsa1", 200), seed=6, rate=0))
    assert first.metrics == again.metrics
    assert first.metrics != other.metrics
    assert json.loads((tmp_path / "street.json").read_text())["metrics"]["delay_s"] == first.metrics.delay_s
    assert (tmp_path / "site.toml").is_file()


async def test_pacing_keeps_the_rate_and_reports_lateness() -> None:
    pacer = Pacer(100)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(20):
        await pacer.wait()
    assert 0.19 < loop.time() - began < 0.5
    loop.call_soon(lambda: __import__("time").sleep(0.05))
    await pacer.wait()
    await pacer.wait()
    report = pacer.report()
    assert report.seconds == 22
    assert report.late >= 1
    assert report.max_ms >= 30


async def test_waiting_for_a_controller_holds_time() -> None:
    async with Street(short("rilsa1", 60), rate=0) as street:
        assert not await street.wait_for_controller(0.1)
        assert street.now == street.scenario.begin
        name, plan = next(iter(street.plans.items()))
        client = ModbusCabinet("127.0.0.1", street.cabinets[name].port, plan, owner=1)
        await client.connect(lease=False)
        assert await street.wait_for_controller(5)
        await client.close()


async def test_a_controller_can_hand_back_after_the_end(tmp_path: Path) -> None:
    street = Street(short("rilsa1", 40), rate=20)
    running = asyncio.create_task(run_street(street, wait=10, linger=10, out=tmp_path))
    while not (tmp_path / "cabinets.json").is_file():
        await asyncio.sleep(0.01)
    name, plan = next(iter(street.plans.items()))
    client = ModbusCabinet("127.0.0.1", street.cabinets[name].port, plan, owner=1)
    await client.connect()
    while not (tmp_path / "street.json").is_file():
        await client.heartbeat()
        await asyncio.sleep(0.02)
    assert not running.done()
    await client.release()
    await asyncio.wait_for(running, 5)
    await client.close()


def test_plans_survive_the_site_files(tmp_path: Path) -> None:
    tricky = replace(crossroads('a "quoted" näme\\'), source="two\nlines")
    path = write_site(
        tmp_path, [Post(tricky, "127.0.0.1", 1502), Post(crossroads(), "::1", 1503)], clock_rate=5
    )
    site = tomllib.loads(path.read_text(encoding="utf-8"))
    assert site["controller"]["clock_rate"] == 5.0
    assert [row["cabinet"]["address"] for row in site["junction"]] == ["127.0.0.1:1502", "[::1]:1503"]
    assert site["junction"][0]["id"] == tricky.junction
    for row, plan in zip(site["junction"], (tricky, crossroads()), strict=True):
        table = tomllib.loads((tmp_path / row["plan"]).read_text(encoding="utf-8"))
        assert plan_from_table(table) == plan


def test_every_plan_of_a_network_survives_toml() -> None:
    from stopline_envs.network import plans_of

    for plan in plans_of(load_scenario("arterial")).plans.values():
        assert plan_from_table(tomllib.loads(plan_to_toml(plan))).digest() == plan.digest()


async def test_the_controller_reads_the_site_that_is_written(tmp_path: Path) -> None:
    site = pytest.importorskip("stopline_controller.site")
    write_site(tmp_path, [Post(crossroads(), "127.0.0.1", 1502)], clock_rate=5, bundle="none")
    found = site.read_site(tmp_path / "site.toml")
    assert [junction.plan for junction in found.junctions] == [crossroads()]


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [str(ROOT / part) for part in ("signals", "proto", "envs", "agents", "controller", "hil", "cli")]
    code = "from stopline_cli.main import app; app()"
    return subprocess.run(
        [sys.executable, "-c", code, "hil", "cabinet", *arguments],
        capture_output=True, text=True, timeout=50, check=False,
        env={"PYTHONPATH": ":".join(paths), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def test_the_command_runs_a_street_to_its_end(tmp_path: Path) -> None:
    done = run_command(
        "--scenario", "rilsa1", "--end", "120", "--rate", "0", "--out", str(tmp_path), "--json"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["violations"] == 0
    assert result["seconds"] == 120
    assert json.loads((tmp_path / "cabinets.json").read_text())[0]["address"].startswith("127.0.0.1:")


def test_the_command_runs_one_cabinet_for_a_while(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(plan_to_toml(crossroads("from file")), encoding="utf-8")
    done = run_command(str(plan), "--seconds", "0.5")
    assert done.returncode == 0, done.stderr
    assert "from file" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "give a plan file"),
        (("--example", "--scenario", "arterial"), 2, "give a plan file"),
        (("--scenario", "nowhere"), 1, "unknown scenario"),
        (("/no/such/plan.toml",), 1, "/no/such/plan.toml"),
    ],
)
def test_bad_usage_is_told_apart_from_failure(arguments: tuple[str, ...], code: int, words: str) -> None:
    done = run_command(*arguments)
    assert done.returncode == code
    assert words in done.stderr


def test_lamps_of_a_flashing_cabinet_flash_in_the_street() -> None:
    from stopline_envs.network import plans_of
    from stopline_hil.lamp_board import LampBoard

    plan_set = plans_of(load_scenario("arterial"))
    name, plan = next(iter(plan_set.plans.items()))
    board = LampBoard(plan_set, name)
    assert set(board.letters([Lamp.FLASH] * len(plan.groups))) == {"o"}
    assert set(board.letters([Lamp.RED] * len(plan.groups))) == {"r"}
