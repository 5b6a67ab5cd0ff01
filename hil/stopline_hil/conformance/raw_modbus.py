"""Modbus TCP at its barest, for provoking devices: one request, one answer, whatever they are."""

from __future__ import annotations

import asyncio
import ssl
from typing import Self

from stopline_signals.errors import CabinetError, CabinetTimeout

READ_INPUTS, READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY = 2, 3, 4, 6, 16
ANSWER_S = 5.0
"""Wall-clock seconds for an answer."""


class RawModbus:
    """One connection to a device; `async with` opens and closes it."""

    def __init__(self, host: str, port: int, device: int, tls: ssl.SSLContext | None = None) -> None:
        self._to = (host, port)
        self._device, self._tls = device, tls
        self._number = 0

    async def __aenter__(self) -> Self:
        host, port = self._to
        try:
            async with asyncio.timeout(ANSWER_S):
                self._reader, self._writer = await asyncio.open_connection(host, port, ssl=self._tls)
        except (OSError, TimeoutError) as error:
            raise CabinetError(
                f"{host}:{port}: cannot connect ({error}); is the cabinet on, and the address right?"
            ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    def send(self, data: bytes) -> None:
        """Send these bytes and wait for nothing."""
        self._writer.write(data)

    async def read(self, function: int, address: int, count: int) -> list[int]:
        """Registers; for inputs the bits, 16 to a word, the first in bit 0.

        Raises:
            CabinetError: an exception, or an answer to something else.
        """
        answer = await self._ask(bytes((function,)) + _words([address, count]))
        if answer[0] & 0x80:
            raise CabinetError(f"function {function} at {address}: Modbus exception {answer[1]}")
        body = answer[2:]
        if function == READ_INPUTS:
            return [int.from_bytes(body[at : at + 2], "little") for at in range(0, len(body), 2)]
        if answer[0] != function or len(body) != 2 * count:
            raise CabinetError(f"function {function} at {address}: {len(body)} octets for {count} registers")
        return [int.from_bytes(body[at : at + 2], "big") for at in range(0, len(body), 2)]

    async def exception(self, function: int, address: int, count: int) -> int:
        """The code of the exception a read is answered with; 0 without one."""
        answer = await self._ask(bytes((function,)) + _words([address, count]))
        return answer[1] if answer[0] & 0x80 else 0

    async def write(self, address: int, registers: list[int]) -> int:
        """Write registers in one request; returns the exception's code, 0 when they were taken."""
        body = _words([address, len(registers)]) + bytes((2 * len(registers),)) + _words(registers)
        answer = await self._ask(bytes((WRITE_MANY,)) + body)
        return answer[1] if answer[0] & 0x80 else 0

    async def write_single(self, address: int, value: int) -> int:
        """Write one register by its own function; returns the exception's code."""
        answer = await self._ask(bytes((WRITE_ONE,)) + _words([address, value]))
        return answer[1] if answer[0] & 0x80 else 0

    async def _ask(self, pdu: bytes) -> bytes:
        self._number = (self._number + 1) & 0xFFFF
        head = _words([self._number, 0, len(pdu) + 1]) + bytes((self._device,))
        self._writer.write(head + pdu)
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self._reader.readexactly(7)
                length = int.from_bytes(answer[4:6], "big")
                body = await self._reader.readexactly(max(length - 1, 0))
        except (TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise CabinetTimeout(f"{self._to[0]}:{self._to[1]}: no answer within {ANSWER_S} s") from error
        if answer[:2] != head[:2] or len(body) < 2:
            raise CabinetError(f"{self._to[0]}:{self._to[1]}: an answer to another request")
        return body


def _words(values: list[int]) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)
