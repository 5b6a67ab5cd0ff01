"""One junction at run time: its control, its link, the input or output under way, and its supervision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog

from stopline_cabinets.words import CabinetState
from stopline_controller.audit import Entry
from stopline_controller.clock import Clock
from stopline_controller.junction import JunctionControl, Step
from stopline_controller.link import CabinetLink, LinkState
from stopline_controller.snapshots import Snapshot
from stopline_controller.sources import Source
from stopline_controller.wishes import NO_WISHES

log = structlog.get_logger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")


class JunctionRuntime:
    """Everything one junction needs in the loop; one request to its cabinet at a time."""

    def __init__(
        self,
        control: JunctionControl,
        link: CabinetLink,
        clock: Clock,
        *,
        min_coverage: float,
        restart_delay: float,
    ) -> None:
        """`restart_delay` in seconds of the controller's clock."""
        self.name = control.plan.junction
        self.control = control
        self.link = link
        self.commanded = -1
        self.late = 0
        self.fault = ""
        self.uncovered = ""
        """Why the detectors do not carry the policy; empty when they do."""
        self.reading: asyncio.Task[CabinetState | None] | None = None
        self._clock = clock
        self._job: asyncio.Task[None] | None = None
        self._min_coverage = min_coverage
        self._restart_delay = restart_delay
        self._restart_at = 0.0
        self._sequence = 0
        self._source: Source | None = None

    def ready(self) -> bool:
        """Whether the cabinet may be read in this tick: nothing under way, not waiting for its restart."""
        busy = self.reading is not None or (self._job is not None and not self._job.done())
        if busy:
            self.late += 1
            return False
        if self._restart_at:
            if self._clock.seconds() < self._restart_at:
                return False
            self._restart_at = 0.0
            self.control.forget()
        return True

    @property
    def hearable(self) -> bool:
        """Whether the junction works and its cabinet is online, even if it missed this tick."""
        return not self.fault and self.link.state is not LinkState.OFFLINE

    def start_reading(self) -> None:
        """Begin to read the cabinet."""
        self.reading = asyncio.create_task(self.link.read())

    def heard(self) -> CabinetState | None:
        """The state that was read, once; None while there is none."""
        if self.reading is None or not self.reading.done():
            return None
        task, self.reading = self.reading, None
        return self.attempt("read", lambda _: task.result())

    def start(self, job: Coroutine[Any, Any, None]) -> None:
        """Begin the output of this tick."""
        self._job = asyncio.create_task(job)
        self._job.add_done_callback(self._job_ended)

    def attempt(
        self,
        what: str,
        action: Callable[Concatenate[JunctionRuntime, _P], _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T | None:
        """Do one step of this junction; a mistake in it is this junction's alone.

        It is logged once; the heartbeat stops, the cabinet is released and the junction is tried again later.
        """
        try:
            return action(self, *args, **kwargs)
        except Exception as error:
            self._failed(what, error)
            return None

    def covered(self, control: JunctionControl) -> bool:
        """Whether enough detectors work for the policy; logs when that changes."""
        readings = control.now.readings if control.now else ()
        share = sum(reading.healthy for reading in readings) / len(readings) if readings else 1.0
        if share >= self._min_coverage:
            if self.uncovered:
                log.info("detector_coverage_restored", junction=self.name, coverage=round(share, 2))
            self.uncovered = ""
            return True
        if not self.uncovered:
            log.error("detector_coverage_low", junction=self.name, coverage=round(share, 2))
        self.uncovered = f"only {share:.0%} of the detectors work, {self._min_coverage:.0%} are needed"
        return False

    def changes(self, step: Step, tenths: int) -> list[Entry]:
        """The audit entry for a change of the source in force, if there is one."""
        self._recovered()
        winner = step.ruling.winner
        if winner.source is self._source:
            return []
        before, self._source = self._source, winner.source
        detail = {"from": str(before or "none"), "to": str(winner.source), "reason": winner.reason}
        return [Entry("source", tenths, self.name, winner.holder or str(winner.source), detail)]

    def snapshot(
        self, seen: CabinetState | None, step: Step | None, tenths: int, wall: int, alarms: tuple[str, ...]
    ) -> Snapshot:
        """What is published of this tick."""
        self._sequence += 1
        own = tuple(text for text in (self.fault, self.uncovered, self.link.problem) if text)
        ruling = step.ruling if step else self.control.blind(self._why_blind())
        return Snapshot(
            junction=self.name,
            sequence=self._sequence,
            tenths=tenths,
            wall_us=wall,
            online=self.link.state is not LinkState.OFFLINE,
            seen=seen,
            now=self.control.now if seen else None,
            allowed=self.control.allowed if seen else 0,
            ruling=ruling,
            verdict=step.verdict if step else None,
            commanded=self.commanded,
            alarms=(*own, *alarms),
            late_ticks=self.late,
            wishes=self.control.wishes if seen else NO_WISHES,
        )

    async def hand_back(self) -> None:
        """Finish what is under way, release the cabinet and drop the connection."""
        for task in (self.reading, self._job):
            if task is not None:
                await asyncio.wait([task])
        await self.link.release()
        await self.link.close()

    def _why_blind(self) -> str:
        return self.fault or self.link.problem or "the cabinet did not answer in this tick"

    def _job_ended(self, job: asyncio.Task[None]) -> None:
        if not job.cancelled() and (error := job.exception()) is not None:
            self._failed("command", error)

    def _failed(self, what: str, error: BaseException) -> None:
        if not self.fault:
            log.error("junction_failed", junction=self.name, step=what, error=repr(error), exc_info=error)
        self.fault = f"{what} failed: {error!r}"
        self._restart_at = self._clock.seconds() + self._restart_delay
        self.control.forget()
        self._job = asyncio.create_task(self.link.release())

    def _recovered(self) -> None:
        if self.fault:
            log.info("junction_recovered", junction=self.name)
            self.fault = ""
