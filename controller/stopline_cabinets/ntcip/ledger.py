"""The plans an NTCIP cabinet is run by: the cabinet knows none, so their rows and deadlines are kept here."""

from __future__ import annotations

import json
import zlib
from typing import NamedTuple

from stopline_cabinets.words import NO_STAGE, Kind, PlanCommand, Result, is_newer, stage_minimum
from stopline_signals.plan import SignalPlan

MAX_TTL = 3_000
MAX_OFFSET = 6_000
MAX_INTERVAL = 36_000


class Entry(NamedTuple):
    """A plan that was taken: `begins` and `ends` on the cabinet's clock (tenths)."""

    command: PlanCommand
    crc: int
    begins: int
    ends: int


class Ledger:
    """Judges plans, and says which stage is wanted when; pure, time is passed in (tenths)."""

    def __init__(self, plan: SignalPlan) -> None:
        self.accepted_seq = 0
        self.judged = (0, 0, Result.NONE)
        """Number, CRC and verdict of the last plan."""
        self.active: Entry | None = None
        self.staged: Entry | None = None
        self.row = 0
        self.expired = False
        """Whether the last plan ran out."""
        self._row_since: int | None = None
        self._minimum = tuple(stage_minimum(plan, stage) for stage in range(len(plan.stages)))

    @property
    def wanted(self) -> int:
        """The stage wanted now, NO_STAGE without a plan in force."""
        return self.active.command.rows[self.row].stage if self.active else NO_STAGE

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
        over = self._row_since is not None and now - self._row_since >= rows[self.row].maximum
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
        if command.kind is not Kind.STAGES or command.calls or command.omits:
            return Result.UNABLE  # this driver's cabinets say so: their `can` is empty
        good = 0 < command.ttl <= MAX_TTL and 0 <= command.valid_from <= MAX_OFFSET
        if not good or command.seq == 0 or not command.rows:
            return Result.BAD_FIELD
        for row in command.rows:
            if not 0 <= row.stage < len(self._minimum):
                return Result.UNKNOWN_STAGE
            if not self._minimum[row.stage] <= row.minimum <= row.maximum <= MAX_INTERVAL:
                return Result.UNSAFE_TIMING
        return Result.ACCEPTED if in_service else Result.NOT_REMOTE


def command_crc(command: PlanCommand) -> int:
    """CRC-32 over everything a plan says."""
    fields = [command.seq, command.rows, command.ttl, command.valid_from]
    return zlib.crc32(json.dumps(fields).encode())
