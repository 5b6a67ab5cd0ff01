"""Sends the signal state over UDP ten times a second of the cabinet's clock."""

from __future__ import annotations

import asyncio
import contextlib
from typing import cast

from stopline_hil.clock import CabinetClock
from stopline_hil.ntcip.spat import Push, tscbm
from stopline_hil.ntcip.unit import Unit

INTERVAL_S = 0.1


class Pusher(asyncio.DatagramProtocol):
    """Pushes while `mode` is not off and a target is known; `fixed` is the one it was configured with."""

    def __init__(
        self, unit: Unit, clock: CabinetClock, target: tuple[str, int] | None, mode: Push = Push.OFF
    ) -> None:
        self.mode = mode
        self.fixed = target
        self.target = target
        self.sent = 0
        self._unit = unit
        self._clock = clock
        self._transport: asyncio.DatagramTransport | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open a socket and begin."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("0.0.0.0", 0))
        self._transport = transport
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    async def _run(self) -> None:
        rate = getattr(self._clock, "rate", 1.0)
        interval = INTERVAL_S / max(1.0, float(rate))
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + interval, loop.time())
            await asyncio.sleep(due - loop.time())
            if self.mode is Push.OFF or self.target is None or self._transport is None:
                continue
            if self._unit.power:
                now = self._clock.tenths()
                self._unit.tick(now)
                self.sent += 1
                self._transport.sendto(tscbm(self._unit, now, self.sent, self.mode), self.target)
