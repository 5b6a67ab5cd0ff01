"""What is written down of one junction while a campaign runs: states, lamps, commands, and when."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import NamedTuple

from stopline_hil.reports.model import Change


class Moment(NamedTuple):
    """Something seen at a wall-clock moment (seconds, monotonic)."""

    at: float
    what: str


@dataclass(slots=True)
class Record:
    """One junction's record; `foreign` marks that another system writes now."""

    changes: list[Change] = field(default_factory=list[Change])
    moments: list[Moment] = field(default_factory=list[Moment])
    commands: int = 0
    wishes: int = 0
    last_command: int | None = None
    last_wish: int | None = None
    ttl: int | None = None
    longest: int = 0
    """Longest age of a command in force, tenths."""
    stuck: int = 0
    """Episodes in which a command stayed in force beyond its time."""
    _too_long: bool = False

    def command(self, now: int, *, wish: bool) -> None:
        """A command of the controller was delivered."""
        self.commands += 1
        self.last_command = now
        if wish:
            self.wishes += 1
            self.last_wish = now

    def sample(self, now: int, state: str, aspects: tuple[int, ...], limit: int) -> None:
        """A look at the cabinet; `limit` is how old a command in force may be (tenths)."""
        if not self.changes or self.changes[-1][1:] != (state, aspects):
            if self.changes and self.changes[-1].aspects != aspects:
                self.note("lamps")
            self.changes.append(Change(now, state, aspects))
        if state != "remote" or self.last_command is None:
            self._too_long = False
            return
        age = now - self.last_command
        self.longest = max(self.longest, age)
        if age > limit and not self._too_long:
            self.stuck += 1
        self._too_long = age > limit

    def note(self, what: str) -> None:
        """Remember the moment."""
        self.moments.append(Moment(time.monotonic(), what))

    @property
    def state(self) -> str:
        """The latest."""
        return self.changes[-1].state if self.changes else "startup"

    def states_between(self, begin: int, end: int) -> list[str]:
        """States seen between two moments, in order, each run once."""
        found: list[str] = []
        for number, change in enumerate(self.changes):
            until = self.changes[number + 1].at if number + 1 < len(self.changes) else end + 1
            if until > begin and change.at <= end and (not found or found[-1] != change.state):
                found.append(change.state)
        return found
