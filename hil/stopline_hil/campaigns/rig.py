"""A bench for some cases at once: a lane each, bystanders, and one real controller process over them all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from stopline_hil.campaigns.campaign import SYNTHETIC, Campaign, Case
from stopline_hil.campaigns.judging import Course, judge
from stopline_hil.campaigns.lane import Lane, synthetic
from stopline_hil.campaigns.result import CaseResult
from stopline_hil.clock import RunningClock
from stopline_hil.controller_process import ControllerProcess
from stopline_hil.faults.table import FAULTS
from stopline_hil.reports.model import Verdict
from stopline_hil.site_files import write_site
from stopline_signals.errors import StoplineError

if TYPE_CHECKING:
    from stopline_hil.campaigns.sumo import SumoStreet

READY_S = 90.0
"""Wall-clock seconds until a controller has every cabinet."""
LOOK_S = 0.05
BUGS = ("junction_failed", "slot_failed", "cabinet_does_not_follow")
"""What the controller logs when it is its own fault, or blames a cabinet: all of these do as told."""

Progress = Callable[[CaseResult], None]


class Rig:
    """Runs cases side by side; cabinets without a fault stand beside them and must notice nothing."""

    def __init__(self, campaign: Campaign, cases: Sequence[Case], folder: Path) -> None:
        table = campaign.table
        self._clock = RunningClock(rate=table.rate)
        self._site = folder / "site"
        self._log = folder / "controller.log"
        self.controller = ControllerProcess(self._site / "site.toml", self._log)
        self._settle = table.settle_s
        self._bundle = table.bundle
        self._shared = any(case.fault.scope == "controller" for case in cases)
        self._gate = asyncio.Barrier(len(cases))
        self.street = street_of(campaign)
        """SUMO, where that is the street."""
        bystanders = () if self._shared else tuple(_bystander(protocol) for protocol in _protocols(cases))
        if self.street is not None:
            bystanders = bystanders[: len(self.street.signals) - len(cases)]
        self.cases = (*cases, *bystanders)
        self._bystanders = {case.key for case in bystanders}
        self.lanes = {
            case.key: Lane(
                self.street.place(case.key) if self.street else synthetic(case.key, table.seed),
                case.protocol,
                self._clock,
                self.controller,
                table.seed,
            )
            for case in self.cases
        }
        self._driving: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()

    async def run(self, progress: Progress) -> list[CaseResult]:
        """Run them all; the results in the order of the cases."""
        posts = [await lane.open() for lane in self.lanes.values()]
        write_site(self._site, posts, clock_rate=self._clock.rate, bundle=self._bundle)
        if self.street is not None:
            self._driving = asyncio.create_task(self.street.run(self.lanes, self._clock))
        try:
            await self.controller.start()
            results = await self._run_all(progress)
            verdict = await self._stop()
            results = [replace(result, verdicts=(*result.verdicts, verdict)) for result in results]
        finally:
            await self.controller.kill()
            await self._park()
            for lane in self.lanes.values():
                await lane.close()
        return results

    async def _run_all(self, progress: Progress) -> list[CaseResult]:
        working = {
            case.key: asyncio.create_task(self._run_case(case, self.lanes[case.key], progress))
            for case in self.cases
        }
        faulty = [task for key, task in working.items() if key not in self._bystanders]
        await asyncio.wait(faulty)
        self._ended.set()
        return [await task for task in working.values()]

    async def _run_case(self, case: Case, lane: Lane, progress: Progress) -> CaseResult:
        course = Course()
        try:
            await self._go_through(case, lane, course)
        except (StoplineError, OSError, asyncio.BrokenBarrierError) as error:
            course.error = f"{type(error).__name__}: {error}"
        result = judge(case, lane, course)
        progress(result)
        return result

    async def _go_through(self, case: Case, lane: Lane, course: Course) -> None:
        if not await self._until(lambda: _in_control(lane), READY_S * self._clock.rate):
            await self._gate.abort()
            return
        await lane.pause(self._settle)
        course.ready = lane.now
        leads = await self._gate.wait() == 0 if self._shared else True
        course.began = lane.now
        states = len(lane.record.changes)
        async with case.fault.apply(lane, case.options) if leads else contextlib.nullcontext():
            if case.key in self._bystanders:
                await self._ended.wait()
            else:
                await lane.pause(case.lasts_s)
            lane.look()
            course.state_reached = lane.record.state
            wishes = lane.record.wishes
            if self._shared:
                await self._gate.wait()
        course.ended = lane.now
        seen = [change.state for change in lane.record.changes[max(0, states - 1) :]]
        course.lapsed = any(state != "remote" for state in seen)
        if await self._until(lambda: lane.record.wishes > wishes and _in_control(lane), case.recovers_s + 5):
            course.recovered = lane.now

    async def _until(self, done: Callable[[], bool], cabinet_s: float) -> bool:
        deadline = time.monotonic() + cabinet_s / self._clock.rate
        while not done():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(LOOK_S)
        return True

    async def _park(self) -> None:
        """End the simulation; a mistake of its own is everybody's."""
        if self._driving is not None:
            self._driving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._driving

    async def _stop(self) -> Verdict:
        """End the controller; whether it came through without a mistake of its own."""
        requirement = "the controller comes through"
        try:
            await self.controller.stop()
        except StoplineError as error:
            return Verdict(requirement, False, str(error))
        wrong = sorted({event for event in _events(self._log) if event in BUGS})
        return Verdict(requirement, not wrong, f"{', '.join(wrong)}: see {self._log}" if wrong else "")


def street_of(campaign: Campaign) -> SumoStreet | None:
    """The SUMO street of a campaign; None with the synthetic one."""
    table = campaign.table
    if table.street == SYNTHETIC:
        return None
    from stopline_hil.campaigns.sumo import SumoStreet, scenario_of

    return SumoStreet(scenario_of(table.street, table.window), table.seed)


def _in_control(lane: Lane) -> bool:
    return lane.record.state == "remote" and lane.record.wishes > 0


def _bystander(protocol: str) -> Case:
    row = FAULTS["none"]
    return Case("bystander", protocol, row, {}, row.lasts_s, row.recovers_s, row.expect)


def _protocols(cases: Sequence[Case]) -> list[str]:
    return list(dict.fromkeys(case.protocol for case in cases))


def _events(log: Path) -> list[str]:
    found: list[str] = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            row: object = json.loads(line)
            if isinstance(row, dict):
                found.append(str(cast("dict[str, object]", row).get("event")))
    return found
