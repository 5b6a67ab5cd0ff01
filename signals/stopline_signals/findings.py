"""What `verify` has to say about a plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Severity(IntEnum):
    """How bad it is; an error must not go to a street."""

    NOTE = 0
    WARNING = 1
    ERROR = 2


class Rule(StrEnum):
    """The rule that was looked at."""

    FORM = "form"
    ASYMMETRIC_MATRIX = "asymmetric matrix"
    ZERO_CLEARANCE = "zero clearance"
    YELLOW = "yellow"
    RED_CLEARANCE = "red clearance"
    INTERGREEN = "intergreen"
    WALK = "walk"
    PEDESTRIAN_CLEARANCE = "pedestrian clearance"
    GREEN = "green"
    CYCLE = "cycle"
    MAX_RED = "max red"
    UNREACHABLE_STAGE = "unreachable stage"
    UNSERVED_GROUP = "unserved group"
    YELLOW_TRAP = "yellow trap"
    PREEMPT = "preempt"
    NOT_JUDGED = "not judged"


class Source(StrEnum):
    """Where the rule is written."""

    ITE = "ITE RP-040B (2020): yellow t + (v - v_E)/(a + Gg) + v_E/(2a + 2Gg), red clearance (W + L)/v"
    MUTCD_YELLOW = "MUTCD 11th ed. 4F.17: yellow 3 to 6 s, red clearance up to 6 s"
    MUTCD_PEDESTRIAN = (
        "MUTCD 11th ed. 4I.06: 3.5 ft/s, buffer of 3 s, 3.0 ft/s from the push button, walk of 7 s"
    )
    MUTCD_PREEMPT = "MUTCD 11th ed. 4F.19: preemption never shortens yellow or red clearance"
    MUTCD_TRACK = "MUTCD 11th ed. 8: a preempted signal clears the track before the train comes"
    RILSA = "RiLSA 2015, 2.5: t_z = t_crossing + t_clearing - t_entering, the largest value of a pair counts"
    NEMA = "NEMA TS 2: the conflict monitor's permissive matrix is symmetric"
    NTCIP = "NTCIP 1202 v03"
    STOPLINE = "Stopline rule book"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One remark: how bad, which rule, where in the plan, what is wrong with the remedy, and who says so."""

    severity: Severity
    rule: Rule
    place: str
    message: str
    source: Source

    def __str__(self) -> str:
        return f"{self.severity.name.lower()}: {self.place}: {self.message} [{self.source}]"
