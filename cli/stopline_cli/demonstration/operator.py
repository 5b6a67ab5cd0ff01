"""The operator of the demo: takes a junction over through gRPC for a while, and hands it back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from stopline.v1 import junction_pb2, junction_pb2_grpc, state_pb2
from stopline_cli.centre import Centre
from stopline_hil.street import Street

LEASE_S = 60.0
WAIT_S = 20.0
"""Wall-clock seconds to wait for the stage, and for control to come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideFigures:
    """What became of the override; times in simulated seconds, -1 when it did not happen."""

    junction: str
    stage: int
    answer: str
    in_force_after_s: float
    held_s: float
    policy_back_after_s: float


class Operator:
    """A street watcher that acts once, at `at` (simulated s)."""

    def __init__(self, address: str, junction: str, *, at: int, hold_s: float, rate: float) -> None:
        """`hold_s` is how long the operator keeps the stage, in simulated seconds."""
        self._address = address
        self._junction = junction
        self._at = at
        self._hold = hold_s
        self._rate = rate
        self._work: asyncio.Task[OverrideFigures] | None = None

    async def __call__(self, street: Street) -> None:
        """Start to act when the time has come."""
        if self._work is None and street.now >= self._at:
            self._work = asyncio.create_task(asyncio.to_thread(self._act))

    async def figures(self) -> OverrideFigures | None:
        """What happened; None when the run ended before the operator acted."""
        return None if self._work is None else await self._work

    def _act(self) -> OverrideFigures:
        with Centre(self._address) as centre, grpc.insecure_channel(self._address) as channel:
            junctions = junction_pb2_grpc.JunctionServiceStub(channel)
            stages = len(
                junctions.GetPlan(junction_pb2.GetPlanRequest(junction_id=self._junction)).plan.stages
            )
            wanted = (self._now(junctions).stage + 1) % stages
            lease = centre.acquire(self._junction, "demo operator", LEASE_S, "demo: roadworks convoy", 1)
            answer = centre.override(lease, wanted)
            reached = self._wait(
                junctions, lambda s: s.source == state_pb2.SOURCE_CENTRE and s.stage == wanted
            )
            time.sleep(self._hold / self._rate)
            held = self._now(junctions).stage == wanted
            centre.release(lease)
            back = self._wait(junctions, lambda s: s.source == state_pb2.SOURCE_POLICY)
        return OverrideFigures(
            junction=self._junction,
            stage=wanted,
            answer=str(answer["status"]),
            in_force_after_s=reached,
            held_s=self._hold if held and reached >= 0 else 0.0,
            policy_back_after_s=back,
        )

    def _now(self, junctions: junction_pb2_grpc.JunctionServiceStub) -> junction_pb2.JunctionSummary:
        listed = junctions.ListJunctions(junction_pb2.ListJunctionsRequest()).junctions
        return next(summary for summary in listed if summary.junction_id == self._junction)

    def _wait(
        self,
        junctions: junction_pb2_grpc.JunctionServiceStub,
        holds: Callable[[junction_pb2.JunctionSummary], bool],
    ) -> float:
        began = time.monotonic()
        while time.monotonic() - began < WAIT_S:
            if holds(self._now(junctions)):
                return round((time.monotonic() - began) * self._rate, 1)
            time.sleep(0.02)
        return -1.0
