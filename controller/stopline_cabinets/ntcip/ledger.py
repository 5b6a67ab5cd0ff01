"""The plans an NTCIP cabinet is run by: the cabinet knows none, so their rows and deadlines are kept here."""

from __future__ import annotations

import json
import zlib
from dataclasses import astuple
from typing import NamedTuple

from stopline_cabinets.reference import MAX_INTERVAL, MAX_OFFSET, MAX_TTL
from stopline_cabinets.words import (
    FREE_PATTERN,
    NO_STAGE,
    OWN_PATTERN,
    Can,
    Kind,
    PlanCommand,
    Result,
    is_newer,
    stage_minimum,
)
from stopline_signals.plan import SignalPlan

CAN = Can.FLASH | Can.PATTERN | Can.CALL | Can.OMIT | Can.PREEMPT
"""What any NTCIP cabinet can be asked for beyond stages; there is no object for all red."""


class Entry(NamedTuple):
    """A plan that was taken: `begins` and `ends` on the cabinet's clock (tenths)."""

    command: PlanCommand
    crc: int
    begins: int
    ends: int


class Ledger:
    """Judges plans, and says which stage is wanted when; pure, time is passed in (tenths)."""

    def __init__(self, plan: SignalPlan) -> None:
        self.patterns = 0
        """How many patterns the cabinet has, numbered from 1."""
        self.accepted_seq = 0
        self.judged = (0, 0, Result.NONE)
        """Number, CRC and verdict of the last plan."""
        self.active: Entry | None = None
        self.staged: Entry | None = None
        self.row = 0
        self.expired = False
        """Whether the last plan ran out."""
        self._row_since: int | None = None
        self._groups = len(plan.groups)
        self._minimum = tuple(stage_minimum(plan, stage) for stage in range(len(plan.stages)))

    @property
    def wanted(self) -> int:
        """The stage wanted now, NO_STAGE while none is."""
        rows = self.active.command.rows if self.active else ()
        return rows[self.row].stage if rows else NO_STAGE

    @property
    def preempt(self) -> int:
        """The preempt asked for, as a mask."""
        command = None if self.active is None else self.active.command
        return 1 << command.pattern - 1 if command is not None and command.kind is Kind.PREEMPT else 0

    @property
    def asks_flash(self) -> bool:
        """Whether flash is asked for."""
        return self.active is not None and self.active.command.kind is Kind.FLASH

    def submit(self, command: PlanCommand, now: int, *, leased: bool, in_service: bool) -> Result:
        """Judge a plan and, when it is good, put it in force at its valid_from."""
        crc = command_crc(command)
        if self._holds(command.seq, crc) and command.seq == self.accepted_seq and leased:
            result = Result.ACCEPTED  # the same plan again is the same plan
        else:
            result = self._judge(command, leased, in_service)
            if result is Result.ACCEPTED:
                begins = now + command.valid_from
                self.accepted_seq = command.seq
                self.staged = Entry(command, crc, begins, begins + command.ttl)
                self.watch(now, NO_STAGE)
        self.judged = (command.seq, crc, result)
        return result

    def watch(self, now: int, in_force: int) -> None:
        """Apply every deadline that has passed; `in_force` is the stage in force, NO_STAGE on the way."""
        if self.staged is not None and now >= self.staged.begins:
            self.active, self.staged = self.staged, None
            self.row, self._row_since, self.expired = 0, None, False
        if self.active is None:
            return
        if now >= self.active.ends:
            self.active, self.row, self.expired = None, 0, True
            return
        if self._row_since is None and in_force == self.wanted:
            self._row_since = now
        rows = self.active.command.rows
        over = self._row_since is not None and bool(rows) and now - self._row_since >= rows[self.row].maximum
        if over and self.row + 1 < len(rows):
            self.row += 1
            self._row_since = None

    def drop(self) -> None:
        """End every plan."""
        self.active = self.staged = None
        self.row = 0

    def _holds(self, seq: int, crc: int) -> bool:
        held = [entry for entry in (self.active, self.staged) if entry is not None]
        return any((entry.command.seq, entry.crc) == (seq, crc) for entry in held)

    def _judge(self, command: PlanCommand, leased: bool, in_service: bool) -> Result:
        if not leased:
            return Result.NOT_OWNER
        if self.accepted_seq and not is_newer(command.seq, self.accepted_seq):
            return Result.STALE_SEQUENCE
        if command.kind is Kind.ALL_RED:
            return Result.UNABLE
        if not self._well_formed(command):
            return Result.BAD_FIELD
        for row in command.rows:
            if not 0 <= row.stage < len(self._minimum):
                return Result.UNKNOWN_STAGE
            if not self._minimum[row.stage] <= row.minimum <= row.maximum <= MAX_INTERVAL:
                return Result.UNSAFE_TIMING
        return Result.ACCEPTED if in_service else Result.NOT_REMOTE

    def _well_formed(self, command: PlanCommand) -> bool:
        timely = 0 < command.ttl <= MAX_TTL and 0 <= command.valid_from <= MAX_OFFSET
        return (
            timely
            and command.seq != 0
            and bool(command.rows) == (command.kind is Kind.STAGES)
            and self._knows(command)
            and not (command.calls | command.omits) >> self._groups
        )

    def _knows(self, command: PlanCommand) -> bool:
        """Whether there is such a pattern; which preempts there are is the driver's to know."""
        if command.kind is Kind.PATTERN:
            return 0 <= command.pattern <= self.patterns or command.pattern == FREE_PATTERN
        return command.pattern > 0 if command.kind is Kind.PREEMPT else command.pattern == OWN_PATTERN


def command_crc(command: PlanCommand) -> int:
    """CRC-32 over everything a plan says."""
    return zlib.crc32(json.dumps(astuple(command)).encode())
