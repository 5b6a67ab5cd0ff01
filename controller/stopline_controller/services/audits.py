"""AuditService: the log read back and its chain recomputed, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from stopline.v1 import audit_pb2, audit_pb2_grpc
from stopline_controller.audit import AuditLog
from stopline_controller.audit_chain import Record
from stopline_controller.services.refusals import Context
from stopline_controller.wire import timestamp

PAGE = 500
"""Records read at a time."""


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """Reads the audit log."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    async def GetAudit(  # the name of the RPC
        self, request: audit_pb2.GetAuditRequest, context: Context
    ) -> AsyncIterator[audit_pb2.GetAuditResponse]:
        """Stream records."""
        following, left = max(request.from_sequence, 1), request.limit or None
        while left is None or left > 0:
            wanted = PAGE if left is None else min(PAGE, left)
            page = await asyncio.to_thread(self._page, following, wanted, request.junction_id, request.kind)
            for record in page:
                yield audit_pb2.GetAuditResponse(record=_message(record))
            if len(page) < wanted:
                return
            following = page[-1].sequence + 1
            left = None if left is None else left - len(page)

    async def VerifyAudit(
        self, request: audit_pb2.VerifyAuditRequest, context: Context
    ) -> audit_pb2.VerifyAuditResponse:
        """Recompute the chain."""
        result = await asyncio.to_thread(self._audit.verify)
        return audit_pb2.VerifyAuditResponse(
            intact=result.intact,
            records=result.records,
            first_broken=result.first_broken,
            head=result.head,
            first_sequence=result.first,
        )

    def _page(self, following: int, wanted: int, junction: str, kind: str) -> list[Record]:
        return list(self._audit.read(following, wanted, junction, kind))


def _message(record: Record) -> audit_pb2.AuditRecord:
    return audit_pb2.AuditRecord(
        sequence=record.sequence,
        wall_time=timestamp(record.wall_us),
        time_tenths=record.tenths,
        kind=record.kind,
        junction_id=record.junction,
        actor=record.actor,
        detail=record.detail,
        hash=record.hash,
    )
