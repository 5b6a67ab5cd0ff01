"""Few commands: invariant (n) of the safety case, at one junction."""

from __future__ import annotations

import structlog

from stopline_signals.commands import CommandRate

log = structlog.get_logger(__name__)

WINDOW = 100
"""Tenths over which commands are counted."""
SPARE = 10
"""Commands in a window beyond two for each decision: changes of the source in force, and guard moves."""


class CommandCap:
    """Lets at most two commands a decision interval through, and a few more, whoever asks.

    A decision is one command, and one more repeats it or moves on with the guard. Whoever asks for more,
    two sources in turn above all, is held back: the command in force stays, nothing is queued, and the next
    tick may try again. A release is never held back, for it asks the cabinet for nothing.
    """

    def __init__(self, junction: str, interval: int) -> None:
        """`interval` is the tenths between two decisions."""
        self._junction = junction
        self._sent: tuple[int, ...] = ()
        self._held = False
        self.pace(interval)

    def pace(self, interval: int) -> None:
        """Decisions come every `interval` tenths from now on."""
        self.most = 2 * WINDOW // max(interval, 1) + SPARE
        self._rate = CommandRate(self.most, WINDOW)

    def take(self, now: int) -> bool:
        """Whether a command may be sent at `now` (tenths of the cabinet's time); if so it counts as sent."""
        self._sent, may = self._rate.take(self._sent, now)
        if may is self._held:
            self._tell(may)
        return may

    def _tell(self, may: bool) -> None:
        self._held = not may
        if may:
            log.info("commands_flow_again", junction=self._junction)
        else:
            log.warning("commands_held_back", junction=self._junction, most=self.most, window_s=WINDOW / 10)
