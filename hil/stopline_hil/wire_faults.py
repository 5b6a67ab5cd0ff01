"""A TCP wire that can fail: a proxy between controller and cabinet whose faults are switched on and off."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass


@dataclass(slots=True)
class Faults:
    """What the wire does to data from now on.

    `lose_requests` and `lose_replies` swallow data while the connection stays up, as a half-open one does;
    `requests_lost` and `replies_lost` do so for that many more pieces; `delay` is wall-clock seconds each
    way; `flips` more requests long enough to have a byte `flip_at` arrive with its lowest bit inverted.
    """

    lose_requests: bool = False
    lose_replies: bool = False
    replies_lost: int = 0
    requests_lost: int = 0
    delay: float = 0.0
    flips: int = 0
    flip_at: int = 0


class FaultyWire:
    """Listens on `port` and passes everything to the cabinet at `host`:`target`, subject to `faults`."""

    def __init__(self, host: str, target: int) -> None:
        self.faults = Faults()
        self.port = 0
        self.requests = 0
        self._host, self._target = host, target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> FaultyWire:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break every connection."""
        for writer in list(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._target)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, far_writer}
        for source, sink, up in ((reader, far_writer, True), (far_reader, writer, False)):
            task = asyncio.create_task(self._pump(source, sink, up))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                self.requests += up
                data = self._through(data, up)
                if self.faults.delay:
                    await asyncio.sleep(self.faults.delay)
                if data:
                    sink.write(data)
                    await sink.drain()
        sink.close()
        self._writers.discard(sink)

    def _through(self, data: bytes, up: bool) -> bytes:
        faults = self.faults
        if up:
            if faults.requests_lost > 0:
                faults.requests_lost -= 1
                return b""
            if faults.lose_requests:
                return b""
            if faults.flips > 0 and faults.flip_at < len(data):
                faults.flips -= 1
                damaged = bytearray(data)
                damaged[faults.flip_at] ^= 1
                return bytes(damaged)
            return data
        if faults.replies_lost > 0:
            faults.replies_lost -= 1
            return b""
        return b"" if faults.lose_replies else data
