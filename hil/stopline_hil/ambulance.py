"""The ambulance's side of `PriorityService`: reports its way to the controller once a simulated second."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping

import grpc.aio

from stopline.v1 import priority_pb2, priority_pb2_grpc
from stopline_envs.emergency import EmergencyRun, Sighting
from stopline_envs.scenario import Scenario
from stopline_hil.street import Street
from stopline_signals.plan import SignalPlan

HORIZON = 4
"""Signals ahead that are reported; farther ones will be in time."""


class Ambulance:
    """A street watcher that follows the emergency vehicle and streams its reports to a controller."""

    def __init__(self, scenario: Scenario, plans: Mapping[str, SignalPlan], address: str) -> None:
        """`address` is the controller's host:port; nothing is sent before the vehicle has entered."""
        self.run = EmergencyRun(scenario)
        self.answers: Counter[str] = Counter()
        """How often each state was answered, by its name."""
        self.lost = 0
        """Reports that did not reach the controller."""
        self._groups = {
            (name, link): group.name
            for name, plan in plans.items()
            for group in plan.groups
            for link in group.links
        }
        self._address = address
        self._sequence = 0
        self._channel: grpc.aio.Channel | None = None
        self._call: (
            grpc.aio.StreamStreamCall[priority_pb2.ReportRequest, priority_pb2.ReportResponse] | None
        ) = None
        self._reading: asyncio.Task[None] | None = None

    async def __call__(self, street: Street) -> None:
        """Look at the vehicle and report it; called once a second by the street."""
        sighting = self.run.look(street.now)
        if sighting is not None:
            await self._send(sighting)
        elif self._call is not None:
            await self.close()

    async def close(self) -> None:
        """End the stream; the controller drops what the vehicle had asked for."""
        call, self._call = self._call, None
        if call is not None:
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await call.write(
                    priority_pb2.ReportRequest(vehicle_id="ambulance", sequence=2**31, cancel=True)
                )
                await call.done_writing()
        await self._drop()

    async def _drop(self) -> None:
        self._call = None
        if self._reading is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        if self._channel is not None:
            await self._channel.close()
        self._channel = self._reading = None

    async def _send(self, sighting: Sighting) -> None:
        if self._call is None:
            self._channel = grpc.aio.insecure_channel(self._address)
            stub: priority_pb2_grpc.PriorityServiceAsyncStub = priority_pb2_grpc.PriorityServiceStub(
                self._channel
            )
            self._call = stub.Report()
            self._reading = asyncio.create_task(self._read(self._call))
        self._sequence += 1
        try:
            await self._call.write(self._report(sighting))
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # The controller went away: report again on a new stream a second later.
            self.lost += 1
            await self._drop()

    async def _read(
        self, call: grpc.aio.StreamStreamCall[priority_pb2.ReportRequest, priority_pb2.ReportResponse]
    ) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for answer in call:
                for junction in answer.junctions:
                    name = priority_pb2.PriorityState.Name(junction.state)
                    self.answers[name.removeprefix("PRIORITY_STATE_").lower()] += 1

    def _report(self, sighting: Sighting) -> priority_pb2.ReportRequest:
        report = priority_pb2.ReportRequest(
            vehicle_id="ambulance",
            vehicle_class=priority_pb2.VEHICLE_CLASS_AMBULANCE,
            speed_mps=sighting.speed_mps,
            desired_speed_mps=sighting.desired_mps,
            sequence=self._sequence,
        )
        for signal in sighting.ahead[:HORIZON]:
            group = self._groups.get((signal.tls, signal.link))
            if group is not None:
                report.upcoming.add(junction_id=signal.tls, group=group, distance_m=signal.distance_m)
        return report
