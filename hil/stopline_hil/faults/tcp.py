"""A TCP wire that can fail, frame by frame, and connection by connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

from stopline_hil.faults.wire import Clean, Effect, Passage, Tap

Cut = Callable[[bytearray], bytes | None]
"""Takes the first whole frame off a buffer; None while there is none."""


def whole_reads(buffer: bytearray) -> bytes | None:
    """No framing: what arrives together is one piece."""
    piece = bytes(buffer)
    buffer.clear()
    return piece or None


class TcpWire:
    """Listens on a free port of the loopback address and passes frames on to the cabinet at `host`:`target`.

    `frame` cuts frames off the stream, so that effects see whole ones however TCP delivered them.
    """

    def __init__(self, host: str, target: int, frame: Cut = whole_reads) -> None:
        self.effect: Effect = Clean()
        self.port = 0
        self.requests = 0
        self.taps: list[Tap] = []
        self._host, self._target, self._frame = host, target, frame
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sinks: set[_Sink] = set()

    async def open(self) -> None:
        """Listen; `port` is then known."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop what is under way."""
        await self.refuse(True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def cut(self) -> None:
        """Break every connection."""
        for sink in list(self._sinks):
            sink.drop()

    async def refuse(self, on: bool) -> None:
        """Close the port, as a machine does whose server died, or open it again."""
        if on and self._server is not None:
            self._server.close()
            self._server = None
            self.cut()
        elif not on and self._server is None:
            await self.open()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._target)
        except OSError:
            writer.close()
            return
        near, far = _Sink(writer), _Sink(far_writer)
        if self._server is None:  # closed while this one was being accepted
            near.drop()
            far.drop()
            return
        self._sinks |= {near, far}
        for source, ahead, behind, up in ((reader, far, near, True), (far_reader, near, far, False)):
            task = asyncio.create_task(self._pump(source, ahead, behind, up))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, ahead: _Sink, behind: _Sink, up: bool) -> None:
        buffer = bytearray()
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                buffer += data
                while (frame := self._frame(buffer)) is not None:
                    self.requests += up
                    passages = self.effect.request(frame) if up else self.effect.reply(frame)
                    self._send(passages, ahead, behind, up)
        for sink in (ahead, behind):
            sink.drop()
            self._sinks.discard(sink)

    def _send(self, passages: Sequence[Passage], ahead: _Sink, behind: _Sink, up: bool) -> None:
        for data, delay, back in passages:
            sink, towards = (behind, not up) if back else (ahead, up)
            sink.put(data, delay, partial(self._delivered, towards, data))

    def _delivered(self, up: bool, data: bytes) -> None:
        for tap in self.taps:
            tap(up, data)


class _Sink:
    """One direction of a connection; a stream keeps its order, so nothing overtakes what is delayed."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._last = 0.0
        self._waiting = 0

    def put(self, data: bytes, delay: float, delivered: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        due = max(loop.time() + delay, self._last)
        if due <= loop.time() and not self._waiting:
            self._write(data, delivered)
            return
        # Strictly later than what went before: timers of the same moment have no order.
        self._last = due + 1e-6
        self._waiting += 1
        loop.call_at(self._last, self._due, data, delivered)

    def drop(self) -> None:
        self._writer.close()

    def _due(self, data: bytes, delivered: Callable[[], None]) -> None:
        self._waiting -= 1
        self._write(data, delivered)

    def _write(self, data: bytes, delivered: Callable[[], None]) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)
            delivered()
