"""The words of the cabinet seam: modes, results, plan commands, and the state read back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import NamedTuple

from stopline_signals.detectors import DetectorReading
from stopline_signals.plan import SignalPlan

DARK = -1
"""Aspect of a group whose lamps show nothing the cabinet calls red, yellow or green (flash, power off)."""

NO_STAGE = -1


class Mode(IntEnum):
    """Who decides at the cabinet now."""

    STARTUP = 0
    LOCAL = 1
    REMOTE = 2
    MANUAL = 3
    PREEMPT = 4
    FLASH = 5


class Result(IntEnum):
    """What the cabinet made of the last plan it was sent."""

    NONE = 0
    ACCEPTED = 1
    COMMIT_MISMATCH = 2
    BAD_CRC = 3
    STALE_SEQUENCE = 4
    UNSAFE_TIMING = 5
    UNKNOWN_STAGE = 6
    NOT_OWNER = 7
    WRONG_MAP = 8
    NOT_REMOTE = 9
    BAD_FIELD = 10
    UNABLE = 11


class Kind(IntEnum):
    """What a plan asks for."""

    STAGES = 1
    ALL_RED = 2
    FLASH = 3
    PATTERN = 4
    PREEMPT = 5


class Can(IntFlag):
    """What a cabinet can do beyond stages; it says so itself, and nothing else is asked of it."""

    NONE = 0
    ALL_RED = 1
    FLASH = 2
    PATTERN = 4
    CALL = 8
    OMIT = 16
    PREEMPT = 32


OWN_PATTERN = 0
"""The pattern a cabinet would run by itself."""
FREE_PATTERN = 254
"""Actuated, without any fixed program."""


class Flag(IntFlag):
    """Cabinet inputs; the monitor's and the power's are 1 when well, so that a dead wire reads as a fault."""

    NONE = 0
    MONITOR_OK = 1
    DOOR_OPEN = 2
    FLASH = 4
    MANUAL = 8
    PREEMPT = 16
    POWER_OK = 32
    STOP_TIME = 64
    IN_TRANSITION = 128
    REMOTE_ACTIVE = 256


# As plain numbers: looked at in every tick, and a flag's own operators take ten times as long.
_IN_TRANSITION, _MONITOR_OK = int(Flag.IN_TRANSITION), int(Flag.MONITOR_OK)
_FLASH, _MANUAL, _PREEMPT = int(Flag.FLASH), int(Flag.MANUAL), int(Flag.PREEMPT)


class PlanRow(NamedTuple):
    """One interval asked for: a stage and how long to keep it once it is in force (tenths)."""

    stage: int
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class PlanCommand:
    """All that is wanted of one cabinet from `valid_from` on, until `ttl` is over (tenths).

    STAGES runs the rows in order: row r gives way to row r+1 once its stage was in force for its maximum; the
    last row holds until the plan ends. The other kinds have no rows: ALL_RED and FLASH are entered as soon as
    the cabinet's own minimums let them, PATTERN is one of its own plans, PREEMPT one of its own preempts
    (`pattern` is its number, from 1), which it enters and leaves by its own rules. `calls` are groups (mask)
    for which somebody waits, as if their detectors said so; `omits` are groups it shall not serve by itself.
    A later plan replaces an earlier one as a whole. `seq` is 16 bit and must follow the cabinet's last.
    """

    seq: int
    rows: tuple[PlanRow, ...]
    ttl: int
    valid_from: int = 0
    kind: Kind = Kind.STAGES
    pattern: int = OWN_PATTERN
    calls: int = 0
    omits: int = 0


class Receipt(NamedTuple):
    """Proof that the cabinet took a plan, `at` cabinet time (tenths), after `sends` frames."""

    seq: int
    crc: int
    at: int
    sends: int = 1


class CabinetState(NamedTuple):
    """One consistent read of a cabinet; times in tenths, `time` on the cabinet's own monotonic clock.

    `stage` is in force or being entered, `target` the stage asked for and not yet taken up (else the same).
    `aspects` follow the plan's groups (`Aspect` values or DARK), `readings` its detectors. A stage one past
    the plan's last is all red. `mode` says who decides: flash that was asked for is REMOTE, flag FLASH, and a
    preempt that was asked for is REMOTE, flag PREEMPT. A tuple, not a dataclass: one is made per junction and
    tick, and a frozen dataclass of so many fields takes three times as long to make.
    """

    time: int
    mode: Mode
    flags: Flag = Flag.NONE
    faults: int = 0
    stage: int = NO_STAGE
    target: int = NO_STAGE
    settled_in: int = 0
    stage_elapsed: int = 0
    aspects: tuple[int, ...] = ()
    readings: tuple[DetectorReading, ...] = ()
    calls: int = 0
    legal: int = 0
    active_seq: int = 0
    staged_seq: int = 0
    judged_seq: int = 0
    result: Result = Result.NONE
    active_crc: int = 0
    judged_crc: int = 0
    row: int = 0
    ttl_remaining: int = 0
    heartbeat_echo: int = 0
    heartbeat_age: int = 0
    heartbeat_limit: int = 0
    owner: int = 0
    violations: int = 0
    plan_digest: int = 0
    can: Can = Can.NONE
    omits: int = 0
    pattern: int = OWN_PATTERN

    @property
    def in_transition(self) -> bool:
        """Whether the stage is still being entered."""
        return int(self.flags) & _IN_TRANSITION != 0

    @property
    def monitor_ok(self) -> bool:
        """Whether the conflict monitor is content."""
        return int(self.flags) & _MONITOR_OK != 0

    @property
    def flash(self) -> bool:
        """Whether the lamps flash."""
        return int(self.flags) & _FLASH != 0

    @property
    def manual(self) -> bool:
        """Whether somebody works the cabinet's panel."""
        return int(self.flags) & _MANUAL != 0

    @property
    def preempt(self) -> bool:
        """Whether a preemption at the cabinet runs."""
        return int(self.flags) & _PREEMPT != 0


def stage_minimum(plan: SignalPlan, stage: int) -> int:
    """The least `PlanRow.minimum` a cabinet takes for a stage: its groups' longest minimum (tenths)."""
    return max((plan.groups[group].minimum for group in plan.stages[stage].groups), default=0)


def stages_omitted(plan: SignalPlan, omits: int) -> int:
    """Mask of the stages that fall away with the omitted groups (mask); on-demand groups just stay red."""
    return sum(
        1 << number
        for number, stage in enumerate(plan.stages)
        if any(omits >> group & 1 and not plan.groups[group].on_demand for group in stage.groups)
    )


def following(seq: int) -> int:
    """The sequence number after `seq`; 16 bit, never 0, which means no plan."""
    return (seq + 1) & 0xFFFF or 1


def is_newer(seq: int, than: int) -> bool:
    """Whether a 16-bit sequence number is ahead of another, wrap-around included."""
    return 0 < (seq - than) & 0xFFFF < 0x8000


def digest32(digest: str) -> int:
    """The first 32 bits of a signal plan's digest, as the cabinet shows it."""
    return int(digest[:8], 16)
