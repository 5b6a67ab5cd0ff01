"""What a well-behaved cabinet does with what it is asked: the pure core of the fake and of the virtual PLC.

Lease, plan checks, deadlines, watchdog and local plan; lamps come from the timing engine. Time is passed
in (tenths, monotonic), nothing here waits or talks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stopline_cabinets.localplan import LocalPlan
from stopline_cabinets.preempts import with_preempts
from stopline_cabinets.words import (
    DARK,
    OWN_PATTERN,
    CabinetState,
    Can,
    Flag,
    Kind,
    Mode,
    PlanCommand,
    Result,
    digest32,
    is_newer,
    stage_minimum,
    stages_omitted,
)
from stopline_signals.detectors import NOTHING, DetectorReading, calls_from
from stopline_signals.engine import KEEP, Engine, EngineState
from stopline_signals.events import Event
from stopline_signals.flash import FlashControl, FlashPhase
from stopline_signals.plan import Aspect, DetectorKind, SignalPlan
from stopline_signals.preemption import PreemptControl, PreemptStatus

LIMITS = range(10, 101)
"""Heartbeat limits a cabinet agrees to (tenths)."""

MAX_TTL = 3_000
MAX_OFFSET = 6_000
MAX_INTERVAL = 36_000

FAULT_MONITOR, FAULT_DETECTOR, FAULT_HEARTBEAT, FAULT_EXPIRED = 1, 2, 4, 8

KEPT_EVENTS = 10_000

NEEDS = {
    Kind.ALL_RED: Can.ALL_RED,
    Kind.FLASH: Can.FLASH,
    Kind.PATTERN: Can.PATTERN,
    Kind.PREEMPT: Can.PREEMPT,
}

Observer = Callable[[int, tuple[int, ...]], None]


@dataclass(slots=True)
class Lease:
    """Who may send plans, and how long they may be silent (tenths)."""

    owner: int
    label: str
    limit: int
    beat_at: int
    counter: int


class Accepted(NamedTuple):
    """A plan the cabinet took: `begins` and `ends` on its own clock."""

    command: PlanCommand
    crc: int
    begins: int
    ends: int


class Judged(NamedTuple):
    """The last plan written and what became of it."""

    seq: int = 0
    crc: int = 0
    result: Result = Result.NONE


class ReferenceCabinet:
    """One junction's cabinet; `step` is the grid (tenths) on which it takes requests up and shows lamps."""

    can = ~Can.NONE

    def __init__(
        self, plan: SignalPlan, *, now: int = 0, step: int = 1, observer: Observer | None = None
    ) -> None:
        self.plan = plan
        self.engine = Engine(plan)
        self.readings: tuple[DetectorReading, ...] = (NOTHING,) * len(plan.detectors)
        self.events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self.accepted_seq = 0
        self.lease: Lease | None = None
        self.judged = Judged()
        self.violations = 0
        self.preempt_inputs = 0
        """The cabinet's own, wired preempt inputs (mask, the first in bit 0)."""
        self._step = step
        self._observer = observer
        self._local = LocalPlan(self.engine)
        self._flash_control = FlashControl(self.engine)
        self._preempts = with_preempts(plan).preempts
        self._preempt_control = PreemptControl(with_preempts(plan))
        self._digest = digest32(plan.digest())
        self._stages = (1 << len(plan.stages)) - 1
        self._minimum = tuple(stage_minimum(plan, stage) for stage in range(len(plan.stages)))
        self._calls = 0
        self._buttons = tuple(
            (position, detector.group)
            for position, detector in enumerate(plan.detectors)
            if detector.kind is DetectorKind.BUTTON
        )
        self._pressed = dict.fromkeys((position for position, _ in self._buttons), False)
        self.restart(now)

    def restart(self, now: int) -> None:
        """Power-up: all red, local plan, no lease, no plan; the sequence starts over."""
        self.lease = None
        self.judged = Judged()
        self.accepted_seq = 0
        self._active: Accepted | None = None
        self._staged: Accepted | None = None
        self._manual: int | None = None
        self._flash = False
        self._tripped = False
        self._faults = 0
        self._started = False
        self._preempt_memory = self._preempt_control.start(now)
        self._preempt: int | None = None
        self._called = 0
        self._wired = False
        self._begin(now)

    # --- the street side ---

    @property
    def aspects(self) -> tuple[int, ...]:
        """What each group shows; all DARK while the cabinet flashes."""
        return (DARK,) * len(self.plan.groups) if self.flashing else self._engine_state.aspects

    @property
    def flashing(self) -> bool:
        """Whether the lamps flash: by the panel, by the monitor or because a plan asks for it."""
        return self._flash or self._phase is FlashPhase.FLASHING

    def set_readings(self, readings: Sequence[DetectorReading]) -> None:
        """New detector readings, aligned with the plan's detectors; a button stays pressed until walk."""
        latched = list(readings)
        for position, group in self._buttons:
            walking = self._engine_state.aspects[group] >= Aspect.PERMISSIVE
            self._pressed[position] = not walking and (
                self._pressed[position] or readings[position].vehicles > 0
            )
            latched[position] = readings[position]._replace(vehicles=int(self._pressed[position]))
        self.readings = tuple(latched)
        self._calls = calls_from(self.plan, self.readings)

    def set_manual(self, stage: int | None) -> None:
        """Somebody at the panel asks for a stage (None: leaves the panel)."""
        self._manual = stage
        if stage is not None:
            self._drop_plans()

    def set_flash(self, on: bool, now: int, *, tripped: bool = False) -> None:
        """Flash, by the panel or because the monitor tripped; leaving it starts up with all red."""
        if on:
            self._flash = True
            self._tripped = self._tripped or tripped
            self._drop_plans()
        elif self._flash:
            self._flash = self._tripped = False
            self._begin(now)

    def tick(self, now: int) -> None:
        """Bring lamps, deadlines and watchdog up to `now` (tenths); late ticks are caught up one by one."""
        self._watch(now)
        grid = now - now % self._step
        while self._at + self._step <= grid:
            self._at += self._step
            self._advance(self._at)

    # --- the wire side ---

    def claim(self, owner: int, label: str, limit: int, counter: int, now: int) -> bool:
        """Take or renew the lease; False while another owner's lives, or for a limit not agreed to."""
        self._watch(now)
        if owner <= 0 or limit not in LIMITS or (self.lease is not None and self.lease.owner != owner):
            return False
        self.lease = Lease(owner, label, limit, now, counter)
        self._faults &= ~FAULT_HEARTBEAT
        return True

    def beat(self, owner: int, counter: int, now: int) -> bool:
        """A heartbeat; False when this owner holds no lease. A counter that does not move is silence."""
        self._watch(now)
        if self.lease is None or self.lease.owner != owner:
            return False
        if counter != self.lease.counter:
            self.lease.beat_at = now
            self.lease.counter = counter
        return True

    def give_back(self, owner: int, now: int) -> bool:
        """End the lease and go to the local plan; False when this owner holds none."""
        self._watch(now)
        if self.lease is None or self.lease.owner != owner:
            return False
        self.lease = None
        self._drop_plans()
        return True

    def submit(self, command: PlanCommand, owner: int, crc: int, now: int) -> Result:
        """Judge a plan and, when it is good, put it in force at its valid_from."""
        self._watch(now)
        if command.seq == self.accepted_seq and self._holds(command.seq, crc):
            self.judged = Judged(command.seq, crc, Result.ACCEPTED)  # the same plan again is the same plan
            return Result.ACCEPTED
        result = self._judge(command, owner)
        self.refuse(command.seq, crc, result)
        if result is Result.ACCEPTED:
            begins = now + command.valid_from
            self.accepted_seq = command.seq
            self._staged = Accepted(command, crc, begins, begins + command.ttl)
            self._faults &= ~FAULT_EXPIRED
            self._watch(now)
        return result

    def refuse(self, seq: int, crc: int, result: Result) -> None:
        """Note the verdict on a plan, as the cabinet shows it."""
        self.judged = Judged(seq, crc, result)

    def state(self, now: int) -> CabinetState:
        """What the cabinet tells the world."""
        state, active, lease = self._engine_state, self._active, self.lease
        flashing = self.flashing
        settled_in = 0 if flashing else max(0, state.settled_at - now)
        elapsed = 0 if settled_in or flashing else now - state.settled_at
        return CabinetState(
            time=now,
            mode=self.mode,
            flags=self._flags(settled_in),
            faults=self._faults | FAULT_DETECTOR * any(not reading.healthy for reading in self.readings),
            stage=state.stage,
            target=self._target if self._target != KEEP else state.stage,
            settled_in=settled_in,
            stage_elapsed=elapsed,
            aspects=self.aspects,
            readings=self.readings,
            calls=self._demand,
            legal=0 if flashing else self.engine.legal(state) & self._stages,
            active_seq=active.command.seq if active else 0,
            staged_seq=self._staged.command.seq if self._staged else 0,
            judged_seq=self.judged.seq,
            result=self.judged.result,
            active_crc=active.crc if active else 0,
            judged_crc=self.judged.crc,
            row=self._row if active else 0,
            ttl_remaining=max(0, active.ends - now) if active else 0,
            heartbeat_echo=lease.counter if lease else 0,
            heartbeat_age=now - lease.beat_at if lease else 0,
            heartbeat_limit=lease.limit if lease else 0,
            owner=lease.owner if lease else 0,
            violations=self.violations,
            plan_digest=self._digest,
            can=self.can,
            omits=active.command.omits if active else 0,
            pattern=active.command.pattern if active else OWN_PATTERN,
        )

    @property
    def mode(self) -> Mode:
        """Who decides now."""
        if self._flash:
            return Mode.FLASH
        if not self._started:
            return Mode.STARTUP
        if self._manual is not None:
            return Mode.MANUAL
        if self._wired:
            return Mode.PREEMPT
        return Mode.REMOTE if self._active else Mode.LOCAL

    def _begin(self, now: int) -> None:
        self._at = now - now % self._step
        self._engine_state: EngineState = self.engine.start(self._at, self._local.first(self._at))
        self._started = False
        self._phase = FlashPhase.STEADY
        self._target = KEEP
        self._row = 0
        self._row_since: int | None = None

    def _advance(self, now: int) -> None:
        """One grid point: finish the past with no request, then take up what is asked for now."""
        demand = self._demand
        state, events = self.engine.advance(self._engine_state, KEEP, demand, now)
        self._started = self._started or state.now >= state.settled_at
        self._engine_state = state
        request = self._flash_or(self._request(now))
        self._engine_state, more = self.engine.advance(self._engine_state, request, demand, now)
        self._target = request
        self.events += events + more
        if self._observer:
            self._observer(now, self.aspects)

    def _request(self, now: int) -> int:
        # Who stands at the panel sees the street: not even a train is above that, or above its flash.
        preempted = self._preempted(held=self._flash or not self._started or self._manual is not None)
        if self._flash or not self._started:
            return KEEP
        if self._manual is not None:
            return self._manual
        if preempted is not None:
            return preempted
        command = self._active.command if self._active else None
        if command is None or command.kind in (Kind.PATTERN, Kind.PREEMPT):
            pattern = command.pattern if command and command.kind is Kind.PATTERN else OWN_PATTERN
            closed = stages_omitted(self.plan, command.omits) if command else 0
            return self._local.request(self._engine_state, self._demand, self.readings, pattern, closed)
        return self._rows(command, now) if command.kind is Kind.STAGES else self.engine.all_red

    def _preempted(self, *, held: bool) -> int | None:
        """The stage a preempt wants; its own inputs end every plan, as the panel does. `held`: all wait."""
        command = self._active.command if self._active else None
        asked = 1 << command.pattern - 1 if command and command.kind is Kind.PREEMPT else 0
        called = self.preempt_inputs | asked
        if not called and self._called == 0 and self._preempt is None:
            return None
        self._called = called
        decision = self._preempt_control.decide(self._preempt_memory, self._engine_state, called, held=held)
        self._preempt_memory, self._preempt = decision.memory, decision.active
        if self._preempt is None:
            self._wired = False
        elif self.preempt_inputs >> self._preempt & 1 and self._runs_preempt:
            self._wired = True
            self._drop_plans()
        return decision.stage

    @property
    def _runs_preempt(self) -> bool:
        """Whether a preempt has the signals."""
        waiting = (PreemptStatus.NOT_ACTIVE, PreemptStatus.NOT_ACTIVE_WITH_CALL, PreemptStatus.MAX_PRESENCE)
        return self._preempt is not None and self._preempt_memory.status[self._preempt] not in waiting

    @property
    def _demand(self) -> int:
        """Groups with demand: what the detectors say, and what the plan in force adds and takes away."""
        if self._active is None:
            return self._calls
        command = self._active.command
        return (self._calls | command.calls) & ~command.omits

    def _flash_or(self, request: int) -> int:
        """The request, unless flash is asked for: then the way into it, and later out of it."""
        if self._flash or not self._started:
            return request
        wanted = self._active is not None and self._active.command.kind is Kind.FLASH
        step = self._flash_control.step(self._phase, self._engine_state, request, wanted)
        if self._phase is FlashPhase.FLASHING and step.phase is FlashPhase.STEADY:
            self._begin(self._engine_state.now)
            return KEEP
        self._phase = step.phase
        return step.request

    def _rows(self, command: PlanCommand, now: int) -> int:
        rows = command.rows
        row = rows[self._row]
        in_force = self._engine_state.stage == row.stage and not self._engine_state.in_transition
        if in_force and self._row_since is None:
            self._row_since = now
        over = self._row_since is not None and now - self._row_since >= row.maximum
        if over and self._row + 1 < len(rows):
            self._row += 1
            self._row_since = None
        return rows[self._row].stage

    def _watch(self, now: int) -> None:
        """Apply every deadline that has passed: heartbeat, staged plan, plan's life."""
        lease = self.lease
        if lease is not None and now - lease.beat_at > lease.limit:
            self.lease = None
            self._faults |= FAULT_HEARTBEAT
            self._drop_plans()
        if self._staged is not None and now >= self._staged.begins:
            self._active, self._staged = self._staged, None
            self._row, self._row_since = 0, None
        if self._active is not None and now >= self._active.ends:
            self._active = None
            self._faults |= FAULT_EXPIRED

    def _drop_plans(self) -> None:
        self._active = self._staged = None

    def _holds(self, seq: int, crc: int) -> bool:
        """Whether that very plan was accepted last."""
        held = [plan for plan in (self._active, self._staged) if plan is not None]
        return any((plan.command.seq, plan.crc) == (seq, crc) for plan in held)

    def _judge(self, command: PlanCommand, owner: int) -> Result:
        if self.lease is None or owner != self.lease.owner:
            return Result.NOT_OWNER
        if self.accepted_seq and not is_newer(command.seq, self.accepted_seq):
            return Result.STALE_SEQUENCE
        if not 0 < command.ttl <= MAX_TTL or command.valid_from > MAX_OFFSET or command.seq == 0:
            return Result.BAD_FIELD
        if result := self._unable(command):
            return result
        for row in command.rows:
            if row.stage >= len(self.plan.stages):
                return Result.UNKNOWN_STAGE
            if not self._minimum[row.stage] <= row.minimum <= row.maximum <= MAX_INTERVAL:
                return Result.UNSAFE_TIMING
        if self.mode not in (Mode.LOCAL, Mode.REMOTE):
            return Result.NOT_REMOTE
        return Result.ACCEPTED

    def _unable(self, command: PlanCommand) -> Result | None:
        """Why the plan asks for what this cabinet does not have, if it does."""
        needed = NEEDS.get(command.kind, Can.NONE)
        needed |= Can.CALL if command.calls else Can.NONE
        needed |= Can.OMIT if command.omits else Can.NONE
        if needed not in self.can:
            return Result.UNABLE
        groups = len(self.plan.groups)
        known = command.pattern in self._numbers(command.kind)
        shaped = bool(command.rows) == (command.kind is Kind.STAGES)
        if not known or not shaped or (command.calls | command.omits) >> groups:
            return Result.BAD_FIELD
        return None

    def _numbers(self, kind: Kind) -> Container[int]:
        """What `PlanCommand.pattern` may be."""
        if kind is Kind.PATTERN:
            return self._local.patterns
        return range(1, len(self._preempts) + 1) if kind is Kind.PREEMPT else (OWN_PATTERN,)

    def _flags(self, settled_in: int) -> Flag:
        flags = Flag.POWER_OK
        for flag, on in (
            (Flag.MONITOR_OK, not self._tripped),
            (Flag.FLASH, self.flashing),
            (Flag.MANUAL, self._manual is not None),
            (Flag.PREEMPT, self._runs_preempt),
            (Flag.IN_TRANSITION, settled_in > 0),
            (Flag.REMOTE_ACTIVE, self._active is not None),
        ):
            if on:
                flags |= flag
        return flags
