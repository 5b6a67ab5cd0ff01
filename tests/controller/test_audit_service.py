"""The audit log over gRPC: who reads it holds nothing up, and a log that cannot be read has a status."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import grpc
import pytest

from stopline.v1 import audit_pb2, audit_pb2_grpc
from stopline_controller import audit_chain, housekeeping
from stopline_controller.alarms import Alarms
from stopline_controller.audit import AuditLog, Entry
from stopline_controller.audit_chain import Verification
from stopline_controller.clock import Clock
from stopline_controller.events import EventLog
from stopline_controller.housekeeping import Housekeeping
from stopline_controller.services.audits import AuditServicer
from tests.controller.town import PLAN

PATIENCE_S = 20.0
MANY = 40
"""More calls than the threads that everybody shares."""


@asynccontextmanager
async def serving(audit: AuditLog) -> AsyncGenerator[Any]:
    """A client of a server with this log."""
    server = grpc.aio.server()
    audit_pb2_grpc.add_AuditServiceServicer_to_server(AuditServicer(audit), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield audit_pb2_grpc.AuditServiceStub(channel)
    await server.stop(None)


@pytest.fixture
def audit(tmp_path: Path) -> AuditLog:
    log = AuditLog(tmp_path / "audit.sqlite")
    log.append([Entry("decision", number) for number in range(5)])
    return log


async def pages(stub: Any) -> list[int]:
    """The numbers of all records."""
    request = audit_pb2.GetAuditRequest()
    return [answer.record.sequence async for answer in stub.GetAudit(request, timeout=PATIENCE_S)]


async def test_however_long_chains_are_recomputed_housekeeping_goes_on_and_records_are_read(
    audit: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "PERIOD_S", 0.01)
    let_go, verify, kept, at_once = threading.Event(), audit.verify, asyncio.Event(), list[int]()
    running = threading.Semaphore(MANY)
    loop = asyncio.get_running_loop()

    def keep() -> None:
        loop.call_soon_threadsafe(kept.set)

    def long(gone: Callable[[], bool]) -> Verification:
        running.acquire()
        at_once.append(MANY - running._value)
        let_go.wait(PATIENCE_S)
        running.release()
        return verify(gone)

    monkeypatch.setattr(audit, "verify", long)
    alarms = Alarms()
    events = EventLog(tmp_path / "events.sqlite", {"A": PLAN}, 1000, alarms)
    keeper = Housekeeping(
        Clock(),
        audit,
        events,
        alarms,
        junctions=("A",),
        keep_records=100,
        chores=(keep,),
    )
    async with serving(audit) as stub:
        asked = [asyncio.ensure_future(stub.VerifyAudit(audit_pb2.VerifyAuditRequest())) for _ in range(MANY)]
        while not at_once:
            await asyncio.sleep(0.01)
        work = asyncio.create_task(keeper.run(lambda _: ""))
        await asyncio.wait_for(kept.wait(), PATIENCE_S / 4)
        assert await pages(stub) == [1, 2, 3, 4, 5]
        assert not any(call.done() for call in asked)
        let_go.set()
        found = await asyncio.gather(*asked)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    assert all(answer.intact and answer.records == 5 for answer in found)
    assert max(at_once) == 1, "one chain at a time"
    events.close()


@pytest.mark.parametrize("how", ["caller hangs up", "server closes"])
async def test_a_long_chain_nobody_waits_for_is_left(
    audit: AuditLog, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The threads of a process are waited for when it ends: a chain of millions would hold that up."""
    audit.append([Entry("decision", number) for number in range(5000)])
    begun, fits = threading.Event(), audit_chain.chain_hash

    def slow(*record: Any) -> str:
        begun.set()
        time.sleep(0.02)
        return fits(*record)

    monkeypatch.setattr(audit_chain, "chain_hash", slow)
    async with serving(audit) as stub:
        asked = stub.VerifyAudit(audit_pb2.VerifyAuditRequest())
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        if how == "caller hangs up":
            asked.cancel()
            await until_idle("audit-verifier")
    await until_idle("audit-verifier")


async def until_idle(threads: str) -> None:
    """Return once no thread of that name works on a chain."""
    deadline = time.monotonic() + PATIENCE_S
    while any(
        frame.f_code is audit_chain.verify_chain.__code__
        for thread in threading.enumerate()
        if thread.name.startswith(threads)
        for frame in frames_of(thread)
    ):
        assert time.monotonic() < deadline, "it went on"
        await asyncio.sleep(0.05)


def frames_of(thread: threading.Thread) -> Iterator[FrameType]:
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None:
        yield frame
        frame = frame.f_back


@pytest.mark.parametrize("damage", ["gone", "other"])
async def test_a_log_that_cannot_be_read_is_said_so_with_what_to_do(audit: AuditLog, damage: str) -> None:
    audit.close()
    for beside in ("-wal", "-shm", ""):
        audit.path.with_name(audit.path.name + beside).unlink(missing_ok=True)
    if damage == "other":
        audit.path.write_bytes(b"not a database at all" * 100)
    async with serving(audit) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as read:
            await pages(stub)
        with pytest.raises(grpc.aio.AioRpcError) as verified:
            await stub.VerifyAudit(audit_pb2.VerifyAuditRequest(), timeout=PATIENCE_S)
    for refused in (read.value, verified.value):
        assert refused.code() is grpc.StatusCode.UNAVAILABLE
        assert "audit" in str(refused.details()) and "ask again" in str(refused.details())
