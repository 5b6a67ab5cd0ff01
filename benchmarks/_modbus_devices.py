"""Modbus devices that answer state reads as fast as a few lines can: `_modbus_devices COUNT`.

Prints their ports, and ends with its standard input. The state is a real virtual cabinet's.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

from stopline_hil.clock import SteppedClock
from stopline_hil.example import crossroads
from stopline_hil.modbus_plc import PlcCabinet


class Device(asyncio.Protocol):
    """Answers every whole request with the same registers."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._buffer = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """A read is 12 octets."""
        self._buffer += data
        while len(self._buffer) >= 12:
            head, unit = bytes(self._buffer[:4]), self._buffer[6:7]
            del self._buffer[:12]
            assert self._transport is not None
            self._transport.write(head + (len(self._body) + 1).to_bytes(2, "big") + unit + self._body)


async def main(count: int) -> None:
    """Serve until standard input ends."""
    cabinet = PlcCabinet(crossroads(), SteppedClock(1000))
    registers = cabinet.state_registers()
    body = bytes((4, 2 * len(registers))) + b"".join(word.to_bytes(2, "big") for word in registers)
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: Device(body), "127.0.0.1", 0) for _ in range(count)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
