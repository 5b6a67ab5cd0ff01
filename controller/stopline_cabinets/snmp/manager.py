"""The SNMP manager: one UDP socket for all devices, requests matched to answers and to nothing else.

Who wants to talk to a device makes a `Peer` (peer.py); this module only moves datagrams.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple, cast
from weakref import WeakKeyDictionary

from stopline_cabinets.errors import CabinetOffline
from stopline_cabinets.snmp.codec import DecodeError, Message, Pdu, decode, frame
from stopline_signals.errors import CabinetTimeout

Address = tuple[str, int]

RECEIVE_BUFFER = 1 << 20
"""Bytes; all cabinets of a site may answer in the same millisecond."""
REMEMBERED = 1_024
"""Requests given up that are remembered, to tell a late answer from one nobody asked for."""


@dataclass(slots=True)
class Counters:
    """What passed the socket; everything from `late` on was dropped."""

    sent: int = 0
    answered: int = 0
    timeouts: int = 0
    late: int = 0
    unknown: int = 0
    foreign: int = 0
    malformed: int = 0


class _Waiting(NamedTuple):
    address: Address
    version: int
    answer: asyncio.Future[Message]


class Manager(asyncio.DatagramProtocol):
    """Sends requests and waits for their answers; bound to the event loop it was opened in."""

    def __init__(self) -> None:
        self.counters = Counters()
        self._waiting: dict[int, _Waiting] = {}
        self._given_up: OrderedDict[int, None] = OrderedDict()
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, family: int = socket.AF_INET) -> Manager:
        """A manager with a socket of its own."""
        loop = asyncio.get_running_loop()
        any_address = "::" if family == socket.AF_INET6 else "0.0.0.0"
        _, manager = await loop.create_datagram_endpoint(cls, local_addr=(any_address, 0), family=family)
        return manager

    @classmethod
    async def shared(cls, family: int = socket.AF_INET) -> Manager:
        """The one manager of the running event loop and address family."""
        managers = _shared.setdefault(asyncio.get_running_loop(), {})
        manager = managers.get(family)
        if manager is None or manager.closed:
            manager = managers[family] = await cls.open(family)
        return manager

    @property
    def closed(self) -> bool:
        """Whether the socket is gone."""
        return self._transport is None or self._transport.is_closing()

    async def request(self, address: Address, message: Message, bindings: bytes, timeout: float) -> Message:
        """Send a request under a new request id and return its answer; real seconds.

        Raises CabinetTimeout when none came, CabinetOffline when it could not even be sent.
        """
        if self._transport is None or self._transport.is_closing():
            raise CabinetOffline(f"{address[0]}:{address[1]}: the SNMP socket is closed")
        loop = asyncio.get_running_loop()
        number = self._new_number()
        waiting = _Waiting(address, message.version, loop.create_future())
        self._waiting[number] = waiting
        expiry = loop.call_later(timeout, self._expire, number)
        try:
            self._transport.sendto(frame(message._replace(request_id=number), bindings), address)
            self.counters.sent += 1
            return await waiting.answer
        except TimeoutError:
            text = f"{address[0]}:{address[1]}: no answer within {timeout:.3g} s"
            raise CabinetTimeout(text) from None
        except (OSError, ValueError) as error:
            raise CabinetOffline(f"{address[0]}:{address[1]}: cannot be sent to: {error}") from error
        finally:
            expiry.cancel()
            if self._waiting.pop(number, None) is not None:
                self._remember(number)  # cancelled: the answer may still come

    def close(self) -> None:
        """Drop the socket; requests in flight end with CabinetOffline."""
        if self._transport is not None:
            self._transport.close()

    # --- asyncio's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport and give its socket room."""
        self._transport = cast("asyncio.DatagramTransport", transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hand an answer to who waits for it; count and drop everything else."""
        try:
            message = decode(data)
        except DecodeError:
            self.counters.malformed += 1
            return
        waiting = self._waiting.get(message.request_id)
        if waiting is None or waiting.answer.done() or message.pdu != Pdu.RESPONSE:
            self._count_stray(message)
        elif addr[:2] != waiting.address or message.version != waiting.version:
            self.counters.foreign += 1
        else:
            del self._waiting[message.request_id]
            self.counters.answered += 1
            waiting.answer.set_result(message)

    def error_received(self, exc: Exception) -> None:
        """An ICMP error says no more than the silence that follows."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake everybody who waits."""
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(OSError("the SNMP socket was closed"))

    def _new_number(self) -> int:
        number = secrets.randbits(31)
        while number in self._waiting or number in self._given_up:
            number = secrets.randbits(31)
        return number

    def _expire(self, number: int) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None and not waiting.answer.done():
            self.counters.timeouts += 1
            self._remember(number)
            waiting.answer.set_exception(TimeoutError())

    def _remember(self, number: int) -> None:
        self._given_up[number] = None
        if len(self._given_up) > REMEMBERED:
            self._given_up.popitem(last=False)

    def _count_stray(self, message: Message) -> None:
        if message.request_id in self._given_up and message.pdu == Pdu.RESPONSE:
            self.counters.late += 1
        else:
            self.counters.unknown += 1


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, Manager]] = WeakKeyDictionary()
