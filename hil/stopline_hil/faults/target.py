"""What a fault is let loose on: one junction of a bench, from its controller to its street."""

from __future__ import annotations

import random
from typing import Protocol

from stopline_hil.controller_process import ControllerProcess
from stopline_hil.faults.dialects import Dialect
from stopline_hil.faults.handles import Handle
from stopline_hil.faults.wire import Wire


class Sensors(Protocol):
    """The street's detectors, which can fail."""

    stuck: bool
    flooding: bool
    failed: frozenset[int]


class Target(Protocol):
    """One junction: the wire, the cabinet behind it, the street, and the controller (which others share)."""

    protocol: str
    dialect: Dialect
    wire: Wire
    handle: Handle
    controller: ControllerProcess
    dice: random.Random
    last_write: bytes | None
    """The latest command that reached the cabinet."""

    @property
    def sensors(self) -> Sensors:
        """The street's detectors."""
        ...

    async def pause(self, seconds: float) -> None:
        """Let cabinet seconds pass."""
        ...

    def real(self, seconds: float) -> float:
        """Cabinet seconds in wall-clock ones."""
        ...
