"""Somebody who watches a controller as a traffic centre does: states of some junctions, and its metrics."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import grpc

from stopline.v1 import audit_pb2, audit_pb2_grpc, junction_pb2, junction_pb2_grpc

STATES_MS = 1000
SCRAPE_S = 5.0
"""Seconds between two scrapes, and as long after each a page of the audit log is read."""
PAGE = 100


class Watcher:
    """A watcher in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def end(self) -> dict[str, float]:
        """What it got, from its beginning to now."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found: dict[str, float] = json.loads(self._process.stdout.readline())
        return found


@contextlib.contextmanager
def watching(address: str, metrics: str, folder: Path, junctions: int, core: int) -> Generator[Watcher]:
    """Watch while inside, on `core` (-1: any); `folder` holds the client's certificate."""
    names = [f"J{number}" for number in range(junctions)]
    command = [sys.executable, "-m", "benchmarks._watcher", address, metrics, str(folder), *names]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if core >= 0:
        os.sched_setaffinity(process.pid, {core})
    # Who measures may run before everything ordinary; the one who watches is ordinary.
    os.sched_setscheduler(process.pid, os.SCHED_OTHER, os.sched_param(0))
    try:
        yield Watcher(process)
    finally:
        process.kill()
        process.wait()


async def watch(address: str, metrics: str, folder: Path, names: Sequence[str]) -> dict[str, float]:
    """Watch until a line is read."""
    ca, key, certificate = ((folder / name).read_bytes() for name in ("ca.pem", "client.key", "client.pem"))
    seen = _Seen()
    began = time.monotonic()
    async with grpc.aio.secure_channel(
        address, grpc.ssl_channel_credentials(ca, key, certificate)
    ) as channel:
        tasks = [
            asyncio.create_task(seen.again(lambda: _states(channel, names, seen))),
            asyncio.create_task(seen.again(lambda: _read(channel, f"http://{metrics}/metrics", seen))),
        ]
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        took = time.monotonic() - began
        for task in tasks:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "states_per_s": seen.states / took,
        "scrapes": len(seen.scrapes),
        "scrape_s_longest": max(seen.scrapes, default=0.0),
        "watcher_failures": seen.failures,
    }


class _Seen:
    """What came of watching."""

    def __init__(self) -> None:
        self.states = 0
        self.scrapes: list[float] = []
        self.failures = 0

    async def again(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it, and once more whenever it failed."""
        while True:
            try:
                await work()
            except (grpc.aio.AioRpcError, OSError) as error:
                print(f"watcher: {error!r}", file=sys.stderr)
                self.failures += 1
                await asyncio.sleep(1.0)


async def _states(channel: grpc.aio.Channel, names: Sequence[str], seen: _Seen) -> None:
    stub: Any = junction_pb2_grpc.JunctionServiceStub(channel)
    request = junction_pb2.WatchStateRequest(junction_ids=names, min_interval_ms=STATES_MS)
    async for _ in stub.WatchState(request, wait_for_ready=True):
        seen.states += 1


async def _read(channel: grpc.aio.Channel, metrics: str, seen: _Seen) -> None:
    audit: Any = audit_pb2_grpc.AuditServiceStub(channel)
    while True:
        await asyncio.sleep(SCRAPE_S)
        began = time.monotonic()
        await asyncio.to_thread(_scrape, metrics)
        seen.scrapes.append(time.monotonic() - began)
        async for _ in audit.GetAudit(audit_pb2.GetAuditRequest(limit=PAGE), wait_for_ready=True):
            pass


def _scrape(metrics: str) -> None:
    with urllib.request.urlopen(metrics, timeout=30) as answer:
        answer.read()


def main(arguments: Sequence[str] | None = None) -> None:
    """Watch, then print what was seen as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("metrics")
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+")
    options = parser.parse_args(arguments)
    found = asyncio.run(watch(options.address, options.metrics, options.folder, options.names))
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
