"""AuditService: the log read back and its chain recomputed, off the event loop.

Both have a thread of their own: a chain of millions of records takes minutes, and neither housekeeping nor
who reads a page waits for it. However many ask, one page is read and one chain recomputed at a time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import grpc

from stopline.v1 import audit_pb2, audit_pb2_grpc
from stopline_controller.audit import AuditLog
from stopline_controller.audit_chain import AuditError, Record
from stopline_controller.services.refusals import Context, refuse
from stopline_controller.wire import timestamp

PAGE = 500
"""Records read at a time."""

_T = TypeVar("_T")


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """Reads the audit log."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._reader = ThreadPoolExecutor(1, "audit-reader")
        self._verifier = ThreadPoolExecutor(1, "audit-verifier")

    async def GetAudit(  # the name of the RPC
        self, request: audit_pb2.GetAuditRequest, context: Context
    ) -> AsyncIterator[audit_pb2.GetAuditResponse]:
        """Stream records."""
        following, left = max(request.from_sequence, 1), request.limit or None
        while left is None or left > 0:
            wanted = PAGE if left is None else min(PAGE, left)
            page = await _done(context, self._reader, self._pager(following, wanted, request))
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
        gone = threading.Event()
        try:
            result = await _done(context, self._verifier, lambda: self._audit.verify(gone.is_set))
        finally:
            # Also when the caller hung up or the server closes: minutes of work nobody waits for end here.
            gone.set()
        return audit_pb2.VerifyAuditResponse(
            intact=result.intact,
            records=result.records,
            first_broken=result.first_broken,
            head=result.head,
            first_sequence=result.first,
        )

    def _pager(
        self, following: int, wanted: int, request: audit_pb2.GetAuditRequest
    ) -> Callable[[], list[Record]]:
        return lambda: list(self._audit.read(following, wanted, request.junction_id, request.kind))


async def _done(context: Context, threads: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
    """Do it in a thread; UNAVAILABLE when the log cannot be read."""
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, work)
    except AuditError as error:
        problem = f"{error}; control goes on: look at the alarms and at the disk, then ask again"
        await refuse(context, grpc.StatusCode.UNAVAILABLE, problem)


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
