"""An SNMP v1/v2c agent: answers datagrams out of a `Mib`, all or nothing, within the device's limits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from stopline_cabinets.snmp.codec import (
    DecodeError,
    ErrorStatus,
    Message,
    Pdu,
    Tag,
    VarBind,
    Version,
    decode,
    encode,
)
from stopline_hil.ntcip.mib import Mib
from stopline_signals.errors import CabinetError

LEAST_MESSAGE = 484
"""Bytes every SNMPv1 device must take, and many a field controller takes no more."""

_SAID_IN_V1 = {
    ErrorStatus.NO_CREATION: ErrorStatus.NO_SUCH_NAME,
    ErrorStatus.NOT_WRITABLE: ErrorStatus.NO_SUCH_NAME,
    ErrorStatus.NO_ACCESS: ErrorStatus.NO_SUCH_NAME,
    ErrorStatus.WRONG_TYPE: ErrorStatus.BAD_VALUE,
    ErrorStatus.WRONG_VALUE: ErrorStatus.BAD_VALUE,
    ErrorStatus.WRONG_LENGTH: ErrorStatus.BAD_VALUE,
    ErrorStatus.INCONSISTENT_VALUE: ErrorStatus.GEN_ERR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentProfile:
    """How a make of controller speaks SNMP; `answer_delay` is wall-clock seconds before each answer.

    A message longer than `max_message`, in or out, or with more than `max_varbinds` objects is tooBig. A
    version not listed and an unknown community are met with silence.
    """

    versions: frozenset[int] = frozenset({Version.V1, Version.V2C})
    read_community: str = "public"
    write_community: str = "administrator"
    max_message: int = LEAST_MESSAGE
    max_varbinds: int = 64
    answer_delay: float = 0.0


@dataclass(slots=True)
class AgentCounters:
    """What came in: `silent` counts datagrams that got no answer, `refused` answers with an error."""

    requests: int = 0
    sets: int = 0
    refused: int = 0
    silent: int = 0


class Agent(asyncio.DatagramProtocol):
    """Serves one `Mib` on one UDP port; `before` is called ahead of every request."""

    def __init__(self, mib: Mib, profile: AgentProfile, before: Callable[[], None] | None = None) -> None:
        self.profile = profile
        self.counters = AgentCounters()
        self.silent = False
        """Whether it is without power: nothing is answered."""
        self.sender = ""
        """Host of the request under way."""
        self._mib = mib
        self._before = before
        self._read = profile.read_community.encode()
        self._write = profile.write_community.encode()
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; returns the port (0 takes a free one).

        Raises:
            CabinetError: the port is taken.
        """
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        except OSError as error:
            raise CabinetError(f"cannot open SNMP port {host}:{port}: {error}") from error
        self._transport = transport
        return cast(int, transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def answer(self, data: bytes, sender: str = "") -> bytes | None:
        """The answer to one datagram from a host; None for what is not answered."""
        if self.silent:
            return None
        try:
            request = decode(data)
        except DecodeError:
            self.counters.silent += 1
            return None
        if request.version not in self.profile.versions or not self._knows(request):
            self.counters.silent += 1
            return None
        self.counters.requests += 1
        self.sender = sender
        if self._before is not None:
            self._before()
        if len(data) > self.profile.max_message or len(request.bindings) > self.profile.max_varbinds:
            return self._refuse(request, ErrorStatus.TOO_BIG, 0)
        if request.pdu == Pdu.SET:
            return self._set(request)
        if request.pdu == Pdu.GET_BULK:
            return self._bulk(request)
        return self._get(request)

    # --- asyncio's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer, at once or as slowly as the device would."""
        answer = self.answer(data, addr[0])
        if answer is None:
            return
        if self.profile.answer_delay:
            asyncio.get_running_loop().call_later(self.profile.answer_delay, self._send, answer, addr)
        else:
            self._send(answer, addr)

    def _send(self, answer: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None:
            with contextlib.suppress(OSError):
                self._transport.sendto(answer, addr)

    def _knows(self, request: Message) -> bool:
        """Whether the community is one of ours; a SET with the reading one is answered, but refused."""
        if request.pdu == Pdu.RESPONSE or (request.pdu == Pdu.GET_BULK and request.version == Version.V1):
            return False
        return request.community in (self._read, self._write)

    def _get(self, request: Message) -> bytes:
        found: list[VarBind] = []
        follows = request.pdu == Pdu.GET_NEXT
        for index, (oid, _, _) in enumerate(request.bindings, start=1):
            binding = self._mib.following(oid) if follows else self._mib.read(oid)
            if binding is None:
                if request.version == Version.V1:
                    return self._refuse(request, ErrorStatus.NO_SUCH_NAME, index)
                binding = VarBind(oid, Tag.END_OF_MIB_VIEW if follows else Tag.NO_SUCH_INSTANCE, None)
            found.append(binding)
        return self._respond(request, found)

    def _bulk(self, request: Message) -> bytes:
        """RFC 3416 GetBulk: as many as fit, never an error for being too many."""
        once = min(max(request.error_status, 0), len(request.bindings))
        found = [self._next_or_end(binding.oid) for binding in request.bindings[:once]]
        row = [binding.oid for binding in request.bindings[once:]]
        for _ in range(min(max(request.error_index, 0), self.profile.max_varbinds)):
            bindings = [self._next_or_end(oid) for oid in row]
            if len(found) + len(bindings) > self.profile.max_varbinds:
                break
            found += bindings
            row = [binding.oid for binding in bindings]
            if not row or all(binding.tag == Tag.END_OF_MIB_VIEW for binding in bindings):
                break
        while True:
            answer = encode(_response(request, found))
            if len(answer) <= self.profile.max_message or not found:
                return answer
            found = found[: -max(1, len(row))]

    def _next_or_end(self, oid: tuple[int, ...]) -> VarBind:
        return self._mib.following(oid) or VarBind(oid, Tag.END_OF_MIB_VIEW, None)

    def _set(self, request: Message) -> bytes:
        """Judge every binding, then write all of them or none."""
        if request.community != self._write:
            return self._refuse(request, ErrorStatus.NO_ACCESS, 1)
        for index, binding in enumerate(request.bindings, start=1):
            status = self._mib.judge(binding)
            if status is not ErrorStatus.NO_ERROR:
                return self._refuse(request, status, index)
        answer = self._respond(request, request.bindings)
        if len(answer) <= self.profile.max_message:
            self._mib.write(request.bindings)
            self.counters.sets += 1
        return answer

    def _respond(self, request: Message, bindings: list[VarBind] | tuple[VarBind, ...]) -> bytes:
        answer = encode(_response(request, bindings))
        if len(answer) > self.profile.max_message:
            return self._refuse(request, ErrorStatus.TOO_BIG, 0)
        return answer

    def _refuse(self, request: Message, status: ErrorStatus, index: int) -> bytes:
        self.counters.refused += 1
        if request.version == Version.V1:
            status = _SAID_IN_V1.get(status, status)
        # A version 2 tooBig comes back empty, so that it fits (RFC 3416); version 1 echoes the request.
        echo = () if status is ErrorStatus.TOO_BIG and request.version == Version.V2C else request.bindings
        return encode(
            request._replace(pdu=Pdu.RESPONSE, error_status=status, error_index=index, bindings=echo)
        )


def _response(request: Message, bindings: list[VarBind] | tuple[VarBind, ...]) -> Message:
    return request._replace(pdu=Pdu.RESPONSE, error_status=0, error_index=0, bindings=tuple(bindings))
