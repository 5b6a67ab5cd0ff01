"""signal-replay drives the virtual NTCIP cabinet with a recorded log, and finds the same signals again."""

from __future__ import annotations

import asyncio
import csv
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from stopline_hil.clock import RunningClock
from stopline_hil.ntcip import NtcipCabinet
from stopline_hil.ntcip.hires import COLUMNS, Code, HiResLog
from tests.hil.foreign_replay import ANSWER
from tests.hil.ntcip_virtual import Virtual, bits, nema_plan

SPEED = 5.0
QUIET, BUSY = 150, 600
"""Tenths the recording begins and goes on with."""
SEED = 2
"""Of traffic whose greens stayed the same in eight random patterns of inputs that come a tenth late."""


async def test_a_replayed_log_gives_the_same_signals(measures: Path, root: Path, tmp_path: Path) -> None:
    """Detectors and buttons over SNMP into a fresh cabinet; the limits are signal-replay's own.

    They can be missed: a controller with longer minimum greens is told from this one.
    """
    write(recording(), tmp_path / "recorded.csv")
    write(recording(min_green=30), tmp_path / "another.csv")
    same, another = await compared(measures, root, tmp_path, SPEED)
    if same["exceeds"]:  # a machine that stood still for a moment plays too late: once more
        same, another = await compared(measures, root, tmp_path, SPEED)
    assert same["sent"][0] == same["sent"][1] > 20
    assert min(same["groups"]) > 10
    assert not same["exceeds"], same
    assert another["exceeds"], another


def test_no_two_inputs_change_in_one_tenth() -> None:
    codes = (Code.DETECTOR_ON, Code.DETECTOR_OFF, Code.PED_DETECTOR_ON, Code.PED_DETECTOR_OFF)
    times = [record.time for record in recording().of(*codes)]
    assert len(times) > 20 and len(times) == len(set(times))


async def compared(python: Path, root: Path, folder: Path, speed: float) -> tuple[Any, Any]:
    """Play `recorded.csv` at `speed` seconds to one: how the cabinet's log, and `another.csv`, compare."""
    clock = RunningClock(rate=speed)
    async with NtcipCabinet(nema_plan(), clock, epoch=1_700_000_000.0) as cabinet:
        ticking = asyncio.create_task(cabinet.run(0.02 / speed))
        arguments = (str(folder / "recorded.csv"), str(cabinet.port), str(speed))
        async with Replay.started(python, root, folder, *arguments) as replay:
            await asyncio.sleep(max(0.0, (QUIET - clock.tenths()) / 10 / speed))
            assert await replay.tell("play") == "played"
            write(cabinet.unit.log, folder / "logged.csv")
            same = json.loads(await replay.tell(str(folder / "logged.csv")))
            another = json.loads(await replay.tell(str(folder / "another.csv")))
        ticking.cancel()
        assert cabinet.violations == []
    return same, another


def recording(*, min_green: int = 5, busy: int = BUSY, seed: int = SEED) -> HiResLog:
    """A log of a cabinet nobody controls: vehicles come to all phases, wait for green, and leave.

    No two inputs change in the same tenth: of commands with one time stamp, signal-replay 0.4 sends some at
    the time of the one before, seconds early (its pauses are counted in another order than its rows).
    """
    bench = Virtual()
    for phase in range(1, 9):
        bench.cabinet.edit_by_hand("phaseMinimumGreen", (phase,), min_green)
    bench.run(QUIET)
    dice = random.Random(seed)
    served = dict.fromkeys(range(1, 9), 0)
    waiting: set[int] = set()
    for second in range(busy // 10):
        acts: list[Callable[[], object]] = [
            partial(waiting.discard, phase) for phase in sorted(waiting) if served[phase] > 2
        ]
        if dice.random() < 0.6:
            acts.append(partial(waiting.add, dice.randrange(1, 9)))
        if second % 60 in (8, 9, 30, 31):
            acts.append(partial(bench.press, 4, down=second % 60 in (8, 30)))
        at = dict(zip(dice.sample(range(10), len(acts)), acts, strict=True))
        for tenth in range(10):
            if tenth in at:
                at[tenth]()
                bench.vehicle(*waiting)
            bench.run(1)
        for phase in served:
            served[phase] = served[phase] + 1 if bench.greens & bits(phase) else 0
    bench.assert_safe()
    return bench.cabinet.unit.log


def write(log: HiResLog, path: Path) -> None:
    """The log from its first detector on."""
    first = log.stamp(log.of(Code.DETECTOR_ON, Code.PED_DETECTOR_ON)[0].time)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(row for row in log.rows() if row[0] >= first)


class Replay:
    """The foreign program at work."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def started(cls, python: Path, root: Path, folder: Path, *arguments: str) -> AsyncIterator[Replay]:
        """Start it, and end it whatever happens."""
        pipe = asyncio.subprocess.PIPE
        script = str(root / "tests/hil/foreign_replay.py")
        process = await asyncio.create_subprocess_exec(
            str(python), script, *arguments, stdin=pipe, stdout=pipe, cwd=folder
        )
        found = cls(process)
        try:
            assert await found._answer() == "ready"
            yield found
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def tell(self, line: str) -> str:
        """Say something, and wait for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        return await self._answer()

    async def _answer(self) -> str:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if line.startswith(ANSWER.encode()):
                return str(line.decode()).removeprefix(ANSWER).strip()
        raise AssertionError("it ended without an answer")
