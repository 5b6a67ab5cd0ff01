"""What the service manager is told: ready, stopping, and that control is alive (sd_notify(3)).

The heartbeat for its watchdog is fed by the control loop itself: a loop that hangs is killed and started
again, and until then every cabinet has fallen back by its own deadline.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

PER_WATCHDOG = 4
"""Heartbeats per watchdog period."""


class Notifier:
    """Sends states to the service manager; does nothing where there is none."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._socket: socket.socket | None = None
        self._address = environment.get("NOTIFY_SOCKET", "")
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        mine = environment.get("WATCHDOG_PID") in (None, str(os.getpid()))
        self.watchdog_s = int(environment.get("WATCHDOG_USEC", 0)) / 1e6 if self._socket and mine else 0.0
        """Real seconds without a heartbeat after which the manager kills the process; 0: it does not."""

    def tell(self, **states: str | int) -> None:
        """Send states, as in `tell(READY=1)`; one that does not get through is lost."""
        if self._socket is None:
            return
        # An address that begins with @ is in the abstract namespace.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        text = "\n".join(f"{name}={value}" for name, value in states.items())
        with contextlib.suppress(OSError):
            self._socket.sendto(text.encode(), address)


class Watchdog:
    """Turns the ticks of all slots into heartbeats: no slot may be missing for a whole period.

    The first tick of them all is what makes the service ready.
    """

    def __init__(self, notifier: Notifier, slots: int) -> None:
        self._notifier = notifier
        self._every = notifier.watchdog_s / PER_WATCHDOG
        self._all = (1 << slots) - 1
        self._ticked = 0
        self._sent = 0.0

    def pulse(self, slot: int) -> None:
        """A slot's tick went through; called in the control thread."""
        self._ticked |= 1 << slot
        if self._ticked != self._all:
            return
        self._ticked = 0
        now = time.monotonic()
        if not self._sent:
            self._sent = now
            self._notifier.tell(READY=1)
        if self._every and now - self._sent >= self._every:
            self._sent = now
            self._notifier.tell(WATCHDOG=1)
