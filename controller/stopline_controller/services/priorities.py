"""PriorityService: vehicle reports in, status out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

import grpc

from stopline.v1 import priority_pb2, priority_pb2_grpc
from stopline_controller import wire
from stopline_controller.access import caller
from stopline_controller.identity import Identity
from stopline_controller.priority_desk import PriorityDesk
from stopline_controller.services.refusals import Context, refuse
from stopline_signals.priority import Progress

PAUSE_S = 0.5
"""Seconds without a report after which a stream is looked at for vehicles that have fallen silent."""


class PriorityServicer(priority_pb2_grpc.PriorityServiceServicer):
    """One stream may carry the reports of one vehicle or of a whole fleet."""

    def __init__(self, desk: PriorityDesk) -> None:
        self._desk = desk

    async def Report(  # the name of the RPC
        self, request_iterator: AsyncIterator[priority_pb2.ReportRequest], context: Context
    ) -> AsyncIterator[priority_pb2.ReportResponse]:
        """Answer every report, and tell whose requests ended in silence.

        A stream that ends leaves its requests to the report timeout.
        """
        who, mine = caller(context), set[str]()
        looked = time.monotonic()
        async with contextlib.aclosing(_with_pauses(request_iterator)) as requests:
            async for request in requests:
                if request is not None:
                    mine.add(request.vehicle_id)
                    yield await self._answer(request, who, context)
                if request is None or time.monotonic() - looked > PAUSE_S:
                    looked = time.monotonic()
                    for silent in self._desk.fallen_silent(who, mine):
                        mine.discard(silent.vehicle)
                        yield _response(silent.vehicle, silent.sequence, silent.progress)

    async def _answer(
        self, request: priority_pb2.ReportRequest, who: Identity, context: Context
    ) -> priority_pb2.ReportResponse:
        try:
            report = wire.report_from(request)
        except KeyError:
            await refuse(
                context, grpc.StatusCode.INVALID_ARGUMENT, "say the vehicle's class: fire, ambulance..."
            )
        if not report.vehicle:
            await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "a report needs the vehicle's identifier")
        answer = self._desk.answer(report, who, wire.measured_at(request))
        response = _response(report.vehicle, report.sequence, answer.progress)
        if answer.placed is not None:
            response.matched.CopyFrom(wire.matched_message(answer.placed))
        return response


def _response(vehicle: str, sequence: int, progress: Sequence[Progress]) -> priority_pb2.ReportResponse:
    return priority_pb2.ReportResponse(
        vehicle_id=vehicle,
        sequence=sequence,
        junctions=[wire.progress_message(item) for item in progress],
    )


async def _with_pauses(
    requests: AsyncIterator[priority_pb2.ReportRequest],
) -> AsyncGenerator[priority_pb2.ReportRequest | None]:
    """The requests of a stream as they come, and None each time that none has come for a while."""
    following: asyncio.Task[priority_pb2.ReportRequest | None] = asyncio.ensure_future(_next(requests))
    try:
        while True:
            done, _ = await asyncio.wait({following}, timeout=PAUSE_S)
            if not done:
                yield None
            elif (request := following.result()) is None:
                return
            else:
                yield request
                following = asyncio.ensure_future(_next(requests))
    finally:
        following.cancel()


async def _next(requests: AsyncIterator[priority_pb2.ReportRequest]) -> priority_pb2.ReportRequest | None:
    """The next request; None at the end of the stream."""
    return await anext(requests, None)
