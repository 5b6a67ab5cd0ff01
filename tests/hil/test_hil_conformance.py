"""The conformance suite: passes at sound cabinets, by address, and finds every seeded defect."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from stopline_cabinets import Mode
from stopline_hil.clock import RunningClock, SteppedClock
from stopline_hil.conformance import AddressError, conform, subject_at
from stopline_hil.example import crossroads
from stopline_hil.modbus_plc import PlcCabinet
from stopline_hil.ntcip import NtcipCabinet, with_phases
from stopline_hil.reports.model import Item, Verdict
from stopline_signals.plan import SignalPlan
from tests.hil.defective_cabinets import MODBUS_DEFECTS, NTCIP_DEFECTS

PLAN = crossroads()
PHASED = with_phases(PLAN)


def yes(_: Sequence[Item]) -> bool:
    return True


def verdicts(items: Sequence[Item]) -> list[Verdict]:
    return [verdict for item in items for verdict in item.verdicts]


def broken(items: Sequence[Item]) -> list[str]:
    return [f"{verdict.requirement}: {verdict.detail}" for verdict in verdicts(items) if not verdict.met]


async def judge_plc(cabinet: PlcCabinet, clock: SteppedClock, plan: SignalPlan = PLAN) -> list[Item]:
    """The whole suite on a clock that only it moves."""

    async def pause(tenths: int) -> None:
        for _ in range(tenths):
            clock.advance(1)
            cabinet.tick(clock.tenths())

    async with cabinet:
        await pause(200)
        return await conform(
            subject_at(f"modbus://127.0.0.1:{cabinet.port}", plan), may_write=yes, pause=pause
        )


async def test_the_virtual_plc_conforms() -> None:
    clock = SteppedClock(1000)
    cabinet = PlcCabinet(PLAN, clock)
    items = await judge_plc(cabinet, clock)
    assert broken(items) == []
    assert [item.name for item in items] == ["reading", "provocations", "promises"]
    assert len(verdicts(items)) > 80
    assert cabinet.violations == []


@pytest.mark.parametrize("name", MODBUS_DEFECTS)
async def test_a_defect_of_a_plc_is_found(name: str) -> None:
    defect, clock = MODBUS_DEFECTS[name], SteppedClock(1000)
    found = broken(await judge_plc(defect.make(PLAN, clock), clock))
    assert any(defect.broken in line for line in found), found


RATE = 10.0


async def judge_ntcip(cabinet: NtcipCabinet) -> list[Item]:
    ticking = asyncio.create_task(cabinet.run(0.002))
    try:
        await asyncio.sleep(20 / RATE)
        address = f"ntcip://127.0.0.1:{cabinet.port}?profile=virtual"
        return await conform(subject_at(address, PHASED, rate=RATE), may_write=yes)
    finally:
        ticking.cancel()


async def test_the_virtual_ntcip_cabinet_conforms() -> None:
    async with NtcipCabinet(PHASED, RunningClock(rate=RATE)) as cabinet:
        items = await judge_ntcip(cabinet)
        # How often one can look depends on how busy this machine is; what was seen does not.
        assert [line for line in broken(items) if "closely enough" not in line] == []
        assert len(verdicts(items)) > 60
        assert cabinet.violations == []


@pytest.mark.parametrize("name", NTCIP_DEFECTS)
async def test_a_defect_of_an_ntcip_cabinet_is_found(name: str) -> None:
    defect = NTCIP_DEFECTS[name]
    async with NtcipCabinet(PHASED, RunningClock(rate=RATE)) as cabinet:
        defect.break_it(cabinet)
        ticking = asyncio.create_task(cabinet.run(0.002))
        await asyncio.sleep(20 / RATE)
        address = f"ntcip://127.0.0.1:{cabinet.port}?profile=virtual"
        subject = subject_at(address, PHASED, rate=RATE)

        async def pause(tenths: int) -> None:
            await asyncio.sleep(tenths / 10 / RATE)

        found = [*await subject.probe(pause), *await subject.provoke(pause)]
        ticking.cancel()
    assert any(defect.broken in verdict.requirement for verdict in found if not verdict.met), found


async def test_without_leave_nothing_is_written() -> None:
    clock = SteppedClock(1000)
    async with PlcCabinet(PLAN, clock) as cabinet:
        asked: list[str] = []

        def no(items: Sequence[Item]) -> bool:
            asked.extend(item.name for item in items)
            return False

        async def pause(tenths: int) -> None:
            clock.advance(tenths)

        items = await conform(
            subject_at(f"modbus://127.0.0.1:{cabinet.port}", PLAN), may_write=no, pause=pause
        )
        assert asked == ["reading"]
        assert broken(items) == []
        assert (cabinet.core.lease, cabinet.core.judged.seq, cabinet.plans_accepted) == (None, 0, 0)


async def test_another_cabinet_is_not_written_to() -> None:
    clock = SteppedClock(1000)
    async with PlcCabinet(PLAN, clock) as cabinet:

        async def pause(tenths: int) -> None:
            clock.advance(tenths)

        subject = subject_at(f"modbus://127.0.0.1:{cabinet.port}", crossroads("elsewhere"))
        items = await conform(subject, may_write=yes, pause=pause)
        assert [item.name for item in items] == ["reading"]
        assert any(line.startswith("it runs the signal plan given") for line in broken(items))
        assert cabinet.core.judged.seq == 0


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("10.0.0.7:502", "begin it with modbus:// or ntcip://"),
        ("modbus://", "modbus://host:port"),
        ("modbus://host:port", "Port could not be cast"),
        ("modbus://host?unit=3", "has no option 'unit'; there are device_id"),
        ("modbus://host?device_id=one", "invalid literal"),
        ("ntcip://host?version=3", "speaks 1 and 2c"),
        ("ntcip://host/path", "ntcip://host:port"),
    ],
)
def test_addresses_that_name_no_cabinet_are_explained(address: str, words: str) -> None:
    with pytest.raises(AddressError) as caught:
        subject_at(address, PLAN)
    assert words in str(caught.value)


def stopline(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from stopline_cli.main import app; app()", *arguments]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a virtual cabinet in another process."""
    folder = tmp_path_factory.mktemp("cabinet")
    command = stopline("hil", "cabinet", "--example", "--out", str(folder))
    serving = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    ready, until = folder / "cabinets.json", time.monotonic() + 40
    while not ready.is_file() and time.monotonic() < until:
        time.sleep(0.1)
    yield f"modbus://{json.loads(ready.read_text())[0]['address']}"
    serving.send_signal(signal.SIGTERM)
    serving.wait(20)


def test_without_yes_and_without_a_terminal_the_command_only_reads(elsewhere: str, tmp_path: Path) -> None:
    done = subprocess.run(
        stopline("hil", "conformance", elsewhere, "--example", "--out", str(tmp_path), "--json"),
        capture_output=True, text=True, timeout=55, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    result = json.loads(done.stdout)
    assert result["passed"]
    assert not result["wrote"]
    assert {path.name for path in tmp_path.glob("*.*")} == {"report.html", "report.json", "junit.xml"}
    assert "only reading was allowed" in (tmp_path / "report.html").read_text()


async def test_a_cabinet_in_another_process_is_provoked_by_its_address(elsewhere: str) -> None:
    subject = subject_at(elsewhere, PLAN)

    async def pause(tenths: int) -> None:
        await asyncio.sleep(tenths / 10)

    client = subject.open(1, "")
    async with asyncio.timeout(40):
        while (await client.connect(lease=False)).mode is not Mode.LOCAL:
            await pause(5)
    await client.close()
    found = [*await subject.probe(pause), *await subject.provoke(pause)]
    assert [verdict for verdict in found if not verdict.met] == []
    assert len(found) > 40
