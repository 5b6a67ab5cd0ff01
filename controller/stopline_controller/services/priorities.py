"""PriorityService: vehicle reports in, status out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc

from stopline.v1 import priority_pb2, priority_pb2_grpc
from stopline_controller import wire
from stopline_controller.audit import AuditLog, Entry
from stopline_controller.clock import Clock
from stopline_controller.priority import PriorityBook
from stopline_controller.services.refusals import Context, refuse
from stopline_signals.priority import Progress, State


class PriorityServicer(priority_pb2_grpc.PriorityServiceServicer):
    """One stream may carry the reports of one vehicle or of a whole fleet."""

    def __init__(self, book: PriorityBook, audit: AuditLog, clock: Clock) -> None:
        self._book = book
        self._audit = audit
        self._clock = clock
        self._known: dict[tuple[str, str], State] = {}

    async def Report(  # the name of the RPC
        self, request_iterator: AsyncIterator[priority_pb2.ReportRequest], context: Context
    ) -> AsyncIterator[priority_pb2.ReportResponse]:
        """Answer every report; a stream that ends leaves its requests to the report timeout."""
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
            progress = self._book.report(report)
            self._note_changes(report.vehicle, progress)
            yield priority_pb2.ReportResponse(
                vehicle_id=report.vehicle,
                sequence=report.sequence,
                junctions=[wire.progress_message(item) for item in progress],
            )

    def _note_changes(self, vehicle: str, progress: list[Progress]) -> None:
        """Commit every change of a request's state before it is answered."""
        changed = [item for item in progress if self._known.get((vehicle, item.junction)) is not item.state]
        for item in changed:
            self._known[vehicle, item.junction] = item.state
            if item.state is State.COMPLETED:
                del self._known[vehicle, item.junction]
        self._audit.append(
            [
                Entry(
                    "priority",
                    self._clock.tenths(),
                    item.junction,
                    vehicle,
                    {
                        "state": str(item.state),
                        "stage": item.stage,
                        "eta_s": round(item.eta_s, 1),
                        "why": item.reason,
                    },
                )
                for item in changed
            ]
        )
