"""One TCP connection to a Modbus device: named states, own deadlines, one request in flight.

pymodbus repeats requests and reconnects by itself unless told not to; both are switched off here, because a
write must never be sent twice without looking first.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import struct
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TypeVar

import structlog
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException, ModbusIOException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.register_message import ReadInputRegistersResponse

from stopline_cabinets.errors import CabinetOffline
from stopline_cabinets.modbus.tls import TlsClient
from stopline_signals.errors import CabinetError, CabinetTimeout

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")

SILENT_REQUESTS = 3
"""Requests in a row without an answer after which the connection counts as half open and is dropped."""


PATIENCE = 4
"""pymodbus's own deadline as a multiple of ours, so that ours is always the one that counts."""


class LinkState(StrEnum):
    """Where the connection stands."""

    IDLE = "idle"
    CONNECTING = "connecting"
    READY = "ready"
    BACKING_OFF = "backing off"
    CLOSED = "closed"


class DeviceRefused(CabinetError):
    """The device answered with a Modbus exception; `code` is its number."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class InputRegisters(ReadInputRegistersResponse):
    """pymodbus's answer, decoded in one step: register by register was a tenth of a fleet's CPU time."""

    def decode(self, data: bytes) -> None:
        """`data` is the number of bytes and then the registers; ModbusIOException when it is cut short."""
        if not data or data[0] >= len(data):
            raise ModbusIOException(
                f"an answer of {len(data)} bytes is cut short", function_code=self.function_code
            )
        self.registers = list(struct.unpack_from(f">{data[0] // 2}H", data, 1))


class Link:
    """Requests over one connection, which is made when first needed and made again after it broke.

    Times are wall-clock seconds: `timeout` for one answer, `backoff` the first and the longest wait between
    attempts to connect. `connections` counts how often a connection came up. `tls` (see `tls_context`) puts
    everything inside TLS.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout: float = 0.5,
        backoff: tuple[float, float] = (0.1, 5.0),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address = f"{host}:{port}"
        self.state = LinkState.IDLE
        self.connections = 0
        self._host, self._port = host, port
        self._tls = tls
        self._timeout = timeout
        self._backoff = backoff
        self._delay = backoff[0]
        self._retry_at = 0.0
        self._silent = 0
        self._warned = False
        self._client: AsyncModbusTcpClient | None = None
        self._turn = asyncio.Lock()

    async def request(self, send: Callable[[AsyncModbusTcpClient], Awaitable[ModbusPDU]]) -> ModbusPDU:
        """Send one request and return its answer.

        Raises CabinetOffline (nothing sent), CabinetTimeout (outcome unknown), DeviceRefused (it said no).
        """
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        try:
            return await self._exchange(send)
        finally:
            # pymodbus waits with asyncio.wait_for, which in Python 3.11 drops a cancellation that comes
            # together with the answer; a control loop told to stop would go on for ever.
            if task.cancelling() > before:
                raise asyncio.CancelledError

    async def close(self) -> None:
        """Drop the connection for good."""
        self._drop(LinkState.CLOSED)

    async def _exchange(self, send: Callable[[AsyncModbusTcpClient], Awaitable[ModbusPDU]]) -> ModbusPDU:
        async with self._turn:
            client = await self._ready()
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await send(client)
            except TimeoutError:
                self._count_silence()
                raise CabinetTimeout(f"{self.address}: no answer within {self._timeout} s") from None
            except (ModbusException, OSError, RuntimeError) as error:
                # uvloop says RuntimeError for what is written to a connection that closed a moment ago.
                self._broken(str(error))
                raise CabinetTimeout(
                    f"{self.address}: connection broke before the answer: {error}"
                ) from error
            self._silent = 0
            if answer.isError():
                code = int(getattr(answer, "exception_code", 0))
                raise DeviceRefused(f"{self.address}: Modbus exception {code}", code)
            return answer

    async def _ready(self) -> AsyncModbusTcpClient:
        if self.state is LinkState.CLOSED:
            raise CabinetOffline(f"{self.address}: this link was closed; make a new one")
        if self._client is not None and self._client.connected:
            return self._client
        if self._client is not None:
            self._broken("connection lost")
        now = asyncio.get_running_loop().time()
        if self.state is LinkState.BACKING_OFF and now < self._retry_at:
            raise CabinetOffline(
                f"{self.address}: not connected, next attempt in {self._retry_at - now:.1f} s"
            )
        return await self._connect()

    async def _connect(self) -> AsyncModbusTcpClient:
        self.state = LinkState.CONNECTING
        client = self._client = self._new_client()
        try:
            async with asyncio.timeout(self._timeout):
                up = await client.connect()
        except (TimeoutError, ConnectionException, OSError, RuntimeError):
            up = False
        if not up:
            self._broken("cannot connect")
            raise CabinetOffline(f"{self.address}: cannot connect; is the cabinet on and the address right?")
        self.state = LinkState.READY
        self.connections += 1
        self._silent = 0
        self._delay = self._backoff[0]
        if self._warned:
            _log.info("cabinet link is back", address=self.address)
            self._warned = False
        return client

    def _new_client(self) -> AsyncModbusTcpClient:
        client = self._bare_client(PATIENCE * self._timeout)
        client.register(InputRegisters)
        return client

    def _bare_client(self, patience: float) -> AsyncModbusTcpClient:
        if self._tls is not None:
            return TlsClient(self._host, self._tls, port=self._port, name=self.address, timeout=patience)
        return AsyncModbusTcpClient(
            self._host, port=self._port, timeout=patience, retries=0, reconnect_delay=0, name=self.address
        )

    def _count_silence(self) -> None:
        self._silent += 1
        if self._silent >= SILENT_REQUESTS:
            self._broken(f"{self._silent} requests without an answer")

    def _broken(self, reason: str) -> None:
        self._drop(LinkState.BACKING_OFF)
        self._retry_at = asyncio.get_running_loop().time() + self._delay * random.uniform(0.8, 1.2)
        self._delay = min(self._delay * 2, self._backoff[1])
        if not self._warned:
            _log.warning("cabinet link is down", address=self.address, reason=reason)
            self._warned = True

    def _drop(self, state: LinkState) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None
        self.state = state
