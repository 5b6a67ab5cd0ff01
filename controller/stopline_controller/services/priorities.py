"""PriorityService: vehicle reports in, status out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc

from stopline.v1 import priority_pb2, priority_pb2_grpc
from stopline_controller import wire
from stopline_controller.access import caller
from stopline_controller.priority_desk import PriorityDesk
from stopline_controller.services.refusals import Context, refuse


class PriorityServicer(priority_pb2_grpc.PriorityServiceServicer):
    """One stream may carry the reports of one vehicle or of a whole fleet."""

    def __init__(self, desk: PriorityDesk) -> None:
        self._desk = desk

    async def Report(  # the name of the RPC
        self, request_iterator: AsyncIterator[priority_pb2.ReportRequest], context: Context
    ) -> AsyncIterator[priority_pb2.ReportResponse]:
        """Answer every report; a stream that ends leaves its requests to the report timeout."""
        who = caller(context)
        async for request in request_iterator:
            try:
                report = wire.report_from(request)
            except KeyError:
                await refuse(
                    context, grpc.StatusCode.INVALID_ARGUMENT, "say the vehicle's class: fire, ambulance..."
                )
            if not report.vehicle:
                await refuse(
                    context, grpc.StatusCode.INVALID_ARGUMENT, "a report needs the vehicle's identifier"
                )
            progress = self._desk.report(report, who, wire.measured_at(request))
            yield priority_pb2.ReportResponse(
                vehicle_id=report.vehicle,
                sequence=report.sequence,
                junctions=[wire.progress_message(item) for item in progress],
            )
