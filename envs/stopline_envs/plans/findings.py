"""What the plan reader had to decide or put right in a network."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingKind(StrEnum):
    """Why a plan differs from the network's own program."""

    UNSAFE_PHASE = "unsafe phase"
    NEVER_GREEN = "never green"
    SHARED_LINK = "shared link"
    NO_PROGRAM = "no program"
    UNCONTROLLED = "not controlled"
    ONE_STAGE = "one stage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One remark on one signal; `phase` counts from 0 and is -1 where it is about the signal."""

    signal: str
    kind: FindingKind
    message: str
    phase: int = -1

    def __str__(self) -> str:
        place = f", phase {self.phase}" if self.phase >= 0 else ""
        return f"signal {self.signal}{place}: {self.kind}: {self.message}"
