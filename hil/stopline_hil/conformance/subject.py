"""What the suite needs of a protocol: clients of the seam, and checks of what only the wire shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from stopline_cabinets.seam import Cabinet
from stopline_hil.reports.model import Verdict
from stopline_signals.errors import StoplineError
from stopline_signals.plan import SignalPlan

Pause = Callable[[int], Awaitable[None]]
"""Lets so many tenths of the cabinet's time pass."""


class Subject(Protocol):
    """One cabinet to be judged."""

    address: str
    plan: SignalPlan
    rate: float
    stamps_lamps: bool
    """Whether lamps are read together with the cabinet's time."""
    shows_permissive: bool
    """Whether a green that gives way is told from one that does not."""

    identity: tuple[str, ...]
    """Requirements of `probe` without which it is not the cabinet meant, and is not written to."""

    def open(self, owner: int, label: str) -> Cabinet:
        """A new, unconnected client."""
        ...

    async def probe(self, pause: Pause) -> list[Verdict]:
        """Look only: what it says of itself, and whether that fits together."""
        ...

    async def provoke(self, pause: Pause) -> list[Verdict]:
        """Write what must be refused, and leave it as it was."""
        ...


class Checks:
    """Collects verdicts; what raises is a requirement that is not met."""

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []

    def note(self, requirement: str, met: bool, detail: object = "") -> None:
        """One requirement."""
        self.verdicts.append(Verdict(requirement, met, "" if met else str(detail)))

    async def attempt(self, requirement: str, trying: Awaitable[None]) -> None:
        """Carry checks out; an error of cabinet or wire is a verdict on `requirement`."""
        try:
            await trying
        except (StoplineError, OSError, TimeoutError) as error:
            self.note(requirement, False, f"{type(error).__name__}: {error}")
