"""A UDP wire that can fail, datagram by datagram."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self, cast

from stopline_hil.faults.wire import Clean, Effect, Passage, Tap

Peer = tuple[str, int]


class UdpWire:
    """Listens on a free port of the loopback address and passes datagrams on to `host`:`target`."""

    def __init__(self, host: str, target: int) -> None:
        self.effect: Effect = Clean()
        self.port = 0
        self.requests = 0
        self.taps: list[Tap] = []
        self._to = (host, target)
        self._near: asyncio.DatagramTransport | None = None
        self._far: dict[Peer, asyncio.DatagramTransport] = {}

    async def open(self) -> None:
        """Listen; `port` is then known."""
        loop = asyncio.get_running_loop()
        side = _Side(self._from_controller)
        self._near, _ = await loop.create_datagram_endpoint(lambda: side, local_addr=("127.0.0.1", self.port))
        self.port = cast(int, self._near.get_extra_info("sockname")[1])

    async def close(self) -> None:
        """Stop listening."""
        await self.refuse(True)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def cut(self) -> None:
        """Forget who talked to the cabinet; answers under way are lost."""
        for transport in self._far.values():
            transport.close()
        self._far.clear()

    async def refuse(self, on: bool) -> None:
        """Close the port (senders are told by ICMP that it is unreachable), or open it again."""
        if on and self._near is not None:
            self._near.close()
            self._near = None
            self.cut()
            await asyncio.sleep(0)
        elif not on and self._near is None:
            await self.open()

    async def _upstream(self, peer: Peer) -> asyncio.DatagramTransport:
        loop = asyncio.get_running_loop()
        side = _Side(lambda data, _: self._from_cabinet(data, peer))
        transport, _ = await loop.create_datagram_endpoint(lambda: side, remote_addr=self._to)
        return transport

    def _from_controller(self, data: bytes, peer: Peer) -> None:
        self.requests += 1
        for passage in self.effect.request(data):
            self._later(passage, peer, up=not passage.back)

    def _from_cabinet(self, data: bytes, peer: Peer) -> None:
        for passage in self.effect.reply(data):
            self._later(passage, peer, up=passage.back)

    def _later(self, passage: Passage, peer: Peer, *, up: bool) -> None:
        loop = asyncio.get_running_loop()
        send = self._up if up else self._down
        if passage.delay > 0:
            loop.call_later(passage.delay, send, passage.data, peer)
        else:
            send(passage.data, peer)

    def _up(self, data: bytes, peer: Peer) -> None:
        if peer in self._far:
            self._forward(data, peer)
        else:
            task = asyncio.ensure_future(self._upstream(peer))
            task.add_done_callback(lambda done: self._opened(done, data, peer))

    def _opened(self, done: asyncio.Future[asyncio.DatagramTransport], data: bytes, peer: Peer) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        if peer in self._far:
            done.result().close()
        else:
            self._far[peer] = done.result()
        self._forward(data, peer)

    def _forward(self, data: bytes, peer: Peer) -> None:
        with contextlib.suppress(OSError):
            self._far[peer].sendto(data)
            self._delivered(True, data)

    def _down(self, data: bytes, peer: Peer) -> None:
        if self._near is not None:
            with contextlib.suppress(OSError):
                self._near.sendto(data, peer)
                self._delivered(False, data)

    def _delivered(self, up: bool, data: bytes) -> None:
        for tap in self.taps:
            tap(up, data)


class _Side(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, Peer], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        self._received(data, addr)

    def error_received(self, exc: Exception) -> None:
        """A port that is closed on the other side: the datagram is lost."""
