"""A controller clock that stands where a test puts it."""

from __future__ import annotations

from stopline_controller.clock import Clock


class ManualClock(Clock):
    def __init__(self) -> None:
        super().__init__()
        self.at = 0.0

    def seconds(self) -> float:
        return self.at
