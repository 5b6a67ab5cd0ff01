"""Alarms that stand: raised and cleared by whoever notices, published with every state."""

from __future__ import annotations

import threading

import structlog

log = structlog.get_logger(__name__)


class Alarms:
    """The alarms of the process as a whole; logged once when raised, once when cleared."""

    def __init__(self) -> None:
        self.texts: tuple[str, ...] = ()
        """Those that stand, oldest first; replaced as a whole, so that any thread may read it."""
        self.names: tuple[str, ...] = ()
        """The same by name, which stays when a text changes."""
        self._standing: dict[str, str] = {}
        self._lock = threading.Lock()

    def set(self, name: str, text: str) -> None:
        """Raise the alarm, or clear it when the text is empty."""
        with self._lock:
            before = self._standing.get(name, "")
            if text == before:
                return
            if text:
                self._standing[name] = text
            else:
                del self._standing[name]
            self.texts, self.names = tuple(self._standing.values()), tuple(self._standing)
        if text and not before:
            log.error("alarm", name=name, text=text)
        elif before and not text:
            log.info("alarm_cleared", name=name)
