"""What the monitor reports."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Rule(StrEnum):
    """The rule a lamp sequence broke."""

    CONFLICT = "conflict"
    CLEARANCE = "clearance"
    SHORT_GREEN = "short_green"
    SHORT_WALK = "short_walk"
    SHORT_YELLOW = "short_yellow"
    SHORT_PED_CLEARANCE = "short_ped_clearance"
    SKIPPED_YELLOW = "skipped_yellow"
    SKIPPED_PED_CLEARANCE = "skipped_ped_clearance"
    YELLOW_TO_GREEN = "yellow_to_green"
    SHORT_RED = "short_red"
    YELLOW_TRAP = "yellow_trap"
    DARK = "dark"
    DUAL = "dual"
    PARTIAL_FLASH = "partial_flash"
    SAMPLE_GAP = "sample_gap"
    POWER_UP_FLASH = "power_up_flash"


class Violation(NamedTuple):
    """One broken rule: when, which channels, what was measured and what was required; times in tenths."""

    time: int
    rule: Rule
    channels: tuple[str, ...]
    detail: str
    measured: int = 0
    required: int = 0

    def __str__(self) -> str:
        return f"{self.time / 10:.1f} s {self.rule}: {self.detail}"
