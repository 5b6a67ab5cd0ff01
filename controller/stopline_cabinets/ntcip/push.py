"""Receives pushed signal states: one socket for every local address, senders told apart by their host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast
from weakref import WeakKeyDictionary

from stopline_cabinets.ntcip.spat import Spat, SpatError, decode
from stopline_signals.errors import CabinetError

STALE_S = 0.35
"""Real seconds after which a push counts as missing: three periods and some jitter."""
BACK = 128
"""A sequence number this far behind or less is an old datagram that came late."""
FORGET_S = 1.0
"""After this silence any sequence number is taken again: the controller may have restarted."""


class Listener(asyncio.DatagramProtocol):
    """One local address; keeps the latest push of every expected sender."""

    def __init__(self) -> None:
        self.dropped = 0
        self._latest: dict[str, tuple[Spat, float] | None] = {}
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def shared(cls, host: str, port: int) -> Listener:
        """The one listener of the running event loop at this address.

        Raises CabinetError when the address cannot be listened at.
        """
        listeners = _shared.setdefault(asyncio.get_running_loop(), {})
        listener = listeners.get((host, port))
        if listener is None or listener.closed:
            try:
                _, listener = await asyncio.get_running_loop().create_datagram_endpoint(
                    cls, local_addr=(host, port)
                )
            except OSError as error:
                raise CabinetError(
                    f"signal states cannot be received at {host}:{port}: {error}; is another program there?"
                ) from error
            listeners[host, port] = listener
        return listener

    @property
    def closed(self) -> bool:
        """Whether the socket is gone."""
        return self._transport is None or self._transport.is_closing()

    @property
    def port(self) -> int:
        """The local port."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def expect(self, sender: str) -> Callable[[], Spat | None]:
        """Listen to a sender (numeric host); the result gives its latest push, None while it is silent."""
        self._latest.setdefault(sender, None)
        loop = asyncio.get_running_loop()

        def latest() -> Spat | None:
            entry = self._latest[sender]
            return entry[0] if entry is not None and loop.time() - entry[1] <= STALE_S else None

        return latest

    def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()

    # --- asyncio's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Keep a push that is newer than the last; drop strangers, damage and what came late."""
        try:
            spat = decode(data) if addr[0] in self._latest else None
        except SpatError:
            spat = None
        now = asyncio.get_running_loop().time()
        before = self._latest.get(addr[0])
        if spat is None or (
            before is not None
            and now - before[1] < FORGET_S
            and 0 <= before[0].sequence - spat.sequence & 0xFF < BACK
        ):
            self.dropped += 1
            return
        self._latest[addr[0]] = (spat, now)


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, int], Listener]] = WeakKeyDictionary()
