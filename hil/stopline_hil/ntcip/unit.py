"""The controller unit: start-up, flash, manual, preempts, patterns and actuation over the timing engine.

Times are tenths on the cabinet's monotonic clock and passed in; nothing here waits or talks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum

from stopline_cabinets.ntcip.feeds import Feed, default_feeds
from stopline_cabinets.words import DARK
from stopline_hil.ntcip.actuation import Actuation
from stopline_hil.ntcip.controls import BackupTimer, Controls
from stopline_hil.ntcip.coordinator import Coordinator
from stopline_hil.ntcip.database import Database
from stopline_hil.ntcip.defaults import FLASH, defaults
from stopline_hil.ntcip.hires import Code, HiResLog
from stopline_hil.ntcip.journal import Journal
from stopline_hil.ntcip.lamps import PhaseLamps
from stopline_hil.ntcip.phases import Phases, mask, numbers_in
from stopline_hil.ntcip.preempts import Preempts
from stopline_hil.ntcip.runtime import plan_in_force
from stopline_hil.ntcip.sensors import Sensors
from stopline_hil.ntcip.size import FUNCTIONS, size_of
from stopline_signals.detectors import DetectorReading
from stopline_signals.engine import KEEP, Engine, EngineState
from stopline_signals.flash import FlashControl, FlashPhase
from stopline_signals.plan import SignalPlan

FLASHING = -2
"""Aspect of a lamp that flashes; DARK is one without power."""

Observer = Callable[[int, tuple[int, ...]], None]


class ControlStatus(IntEnum):
    """unitControlStatus."""

    SYSTEM_CONTROL = 2
    SYSTEM_STANDBY = 3
    BACKUP_MODE = 4
    MANUAL = 5
    TIMEBASE = 6


class FlashStatus(IntEnum):
    """unitFlashStatus."""

    NOT_FLASH = 2
    AUTOMATIC = 3
    LOCAL_MANUAL = 4
    FAULT_MONITOR = 5
    MMU = 6
    STARTUP = 7
    PREEMPT = 8


class Unit:
    """One controller; `step` is the grid (tenths) on which it takes requests up and shows lamps.

    `epoch` is the Unix time at the clock's zero, `feeds` the detectors behind the plan's zones. The observer
    is shown every lamp sample.
    """

    def __init__(
        self,
        plan: SignalPlan,
        *,
        now: int,
        epoch: float,
        step: int = 1,
        feeds: Mapping[str, Feed] | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.phases = Phases(plan)
        feeds = default_feeds(plan) if feeds is None else feeds
        self.size = size_of(self.phases, feeds)
        self.log = HiResLog(epoch)
        self.database = Database(self.phases, defaults(self.phases, self.size, feeds))
        self.controls = Controls(
            phase_groups=self.size.groups_of(self.size.phases),
            detector_groups=self.size.groups_of(self.size.detectors),
            ped_groups=self.size.groups_of(self.size.buttons),
            preempts=self.size.preempts,
            functions=FUNCTIONS,
        )
        self.timer = BackupTimer()
        self.sensors = Sensors(self.phases, self.database, feeds, self.log.add)
        self.journal = Journal(self.phases, self.log)
        self.actuation = Actuation(self.phases, self.database, self.controls, self.sensors)
        self.coordinator = Coordinator(self.phases, self.database, self.controls, self.actuation, self.log)
        self._step = step
        self._observer = observer
        self._stopped = 0
        self.engine = Engine(plan_in_force(self.phases, self.database, 0))
        self.preempts = Preempts(self.engine.plan, self.log, now)
        self.panel_flash = self.panel_stop_time = False
        self.manual: int | None = None
        """Stage somebody at the panel asks for."""
        self.tripped = False
        """Whether the conflict monitor holds the lamps on flash."""
        self.power = True
        self.database.changed = self._reload
        self.controls.changed = self._control_changed
        self.restarted_at: int | None = None
        """When power came back last."""
        self._now = now
        self._stopped_before = 0
        self._begin(now)

    # --- the street and the panel ---

    @property
    def aspects(self) -> tuple[int, ...]:
        """What each group shows: an Aspect, FLASHING or DARK."""
        if self.lit:
            return self.state.aspects
        return (FLASHING if self.power else DARK,) * len(self.phases.phase_of)

    @property
    def flash_status(self) -> FlashStatus:
        """Whether the lamps flash, and why."""
        if self.tripped:
            return FlashStatus.MMU
        if self._flash_until is not None:
            return FlashStatus.STARTUP
        if self._flash is FlashPhase.FLASHING:
            return FlashStatus.LOCAL_MANUAL if self.panel_flash else FlashStatus.AUTOMATIC
        return FlashStatus.NOT_FLASH

    @property
    def lit(self) -> bool:
        """Whether the lamps show the phases: powered, and not flashing."""
        steady = self._flash is not FlashPhase.FLASHING and self._flash_until is None
        return steady and self.power and not self.tripped

    @property
    def control_status(self) -> ControlStatus:
        """Who decides, as unitControlStatus says it."""
        if self.manual is not None or self.database.number("coordOperationalMode"):
            return ControlStatus.MANUAL
        if self.timer.expired:
            return ControlStatus.BACKUP_MODE
        if not self.timer.running:
            return ControlStatus.TIMEBASE
        return ControlStatus.SYSTEM_STANDBY if self.controls.idle else ControlStatus.SYSTEM_CONTROL

    @property
    def started(self) -> bool:
        """Whether the start-up sequence is over."""
        return self._started

    @property
    def stop_time(self) -> bool:
        """Whether timing stands still."""
        return self.panel_stop_time or bool(self.controls.get("ringControlGroupStopTime", 1))

    @property
    def now(self) -> int:
        """The last grid point."""
        return self._at

    def engine_time(self, now: int) -> int:
        """Cabinet time as the engine counts it, which stands still during stop time."""
        return max(self.state.now, now - self._stopped)

    def set_readings(self, readings: Sequence[DetectorReading]) -> None:
        """What the street's sensors say, aligned with the plan's detectors."""
        self.sensors.see(readings)

    def set_manual(self, stage: int | None, now: int) -> None:
        """Somebody at the panel asks for a stage (None: leaves the panel)."""
        if (stage is None) != (self.manual is None):
            self.log.add(now, Code.MANUAL_CONTROL, int(stage is not None))
        self.manual = stage

    def trip(self) -> None:
        """The conflict monitor takes the lamps; only a visit gives them back."""
        self.tripped = True

    def reset_monitor(self, now: int) -> None:
        """The visit: flash ends with an ordinary start-up."""
        self.tripped = False
        self._begin(now)

    def power_off(self, now: int) -> None:
        """Everything goes dark; what is under way is forgotten, the database is not."""
        self.log.add(now, Code.POWER_FAIL, 0)
        self.power = False
        self.controls.zero()
        self.timer.reset()
        self.database.abandon()
        self.preempts.restart(now)
        self.manual = None

    def power_on(self, now: int) -> None:
        """Start-up flash, all red, and on with the local plan."""
        self.log.add(now, Code.POWER_RESTORE, 0)
        self.power = True
        self.restarted_at = now
        self._begin(now)

    def tick(self, now: int) -> None:
        """Bring lamps and deadlines up to `now`; late ticks are caught up one by one."""
        self._now = now
        if not self.power:
            self._at = now - now % self._step
            return
        self._watch(now)
        grid = now - now % self._step
        while self._at + self._step <= grid:
            self._at += self._step
            self._advance(self._at)

    # --- the clock ---

    def clock(self, now: int) -> int:
        """Unix time (s) as the controller has it."""
        return int(self.log.epoch + now / 10)

    def set_clock(self, epoch: float, now: int) -> None:
        """Somebody sets the clock; timers and coordination run on, only stamps and the date are others."""
        self.log.add(now, Code.CLOCK_UPDATED, 1)
        self.log.epoch = epoch - now / 10

    # --- the wire ---

    def set_control(self, name: str, index: int, value: int) -> None:
        """A SET of a control object: it acts at once, and feeds the backup timer where it is listed."""
        self.controls.set(name, index, value)
        if (name, index) in self.controls.listed:
            self.timer.feed(self._now)
        if name == "systemSyncControl":
            self.coordinator.synchronise(self._now, value)

    def enter_transaction(self, state: int) -> None:
        """A SET of dbCreateTransaction."""
        self.database.enter(state, self._now)

    def _begin(self, now: int) -> None:
        self._at = now - now % self._step
        flash = 10 * self.database.number("unitStartUpFlash")
        self._flash_until = self._at + flash if flash else None
        self._flash = FlashPhase.STEADY
        self._started = False
        self._flash_control = FlashControl(self.engine)
        self._red_clear = {p: self.database.number("phaseRedClear", p) for p in self.phases.numbers}
        self.lamps = PhaseLamps(self.phases)
        self.state: EngineState = self.engine.start(self._at - self._stopped, self._first_stage())

    def _first_stage(self) -> int:
        """The program's stage, else the first with the major street's through phases 2 and 6."""
        program = self.engine.plan.program
        if program is not None:
            return program.steps[program.step_at(self._at - self._stopped)].stage
        major = [index for index, shown in enumerate(self.phases.stages[:-1]) if shown == 0b100010]
        return major[0] if major else 0

    def _watch(self, now: int) -> None:
        """Deadlines that do not wait for the grid."""
        if self.timer.check(now, 10 * self.database.number("unitBackupTime")):
            self.controls.zero()
        self.database.tick(now)

    def _advance(self, at: int) -> None:
        if self._flash_until is not None:
            if at < self._flash_until:
                self._show(at)
                return
            self._flash_until = None
            self.state = self.engine.start(at - self._stopped, self._first_stage())
        if self.stop_time:
            self._stopped += self._step
        elif self._stopped_before != self._stopped:
            self._stopped_before = self._stopped
            self._reload()
        self._run(at, at - self._stopped)
        self._show(at)

    def _run(self, at: int, time: int) -> None:
        """Finish the past with no request, look around, then take up what is asked for now."""
        calls = self.actuation.group_calls(self.lamps)
        self.state = self.engine.advance(self.state, KEEP, calls, time).state
        self._started = self._started or not self.state.in_transition
        self._follow(at)
        self._sense(at)
        request = self._request(at)
        step = self._flash_control.step(
            self._flash, self.state, request, self._flash_wanted, self._first_stage()
        )
        self._flash, stage = step.phase, step.state.stage
        calls = self.actuation.group_calls(self.lamps)
        self.state = self.engine.advance(step.state, step.request, calls, time).state
        if self.state.stage != stage:
            self._note_change(at, stage)
        self._follow(at)

    def _sense(self, at: int) -> None:
        shown, controls = self.lamps.shown, self.controls
        self.sensors.tick(
            at,
            controls.mask("vehicleDetectorControlGroupActuation"),
            controls.mask("pedestrianDetectorControlGroupActuation"),
            shown.greens,
        )
        self.sensors.serve(shown.walks)
        self.coordinator.tick(at, self.lamps)
        self.actuation.look(at, self.lamps, self.coordinator.pattern)
        self.journal.calls(at, self.actuation.calls, self.actuation.ped_calls)
        self.journal.checks(at, mask(self.actuation.opposed))

    def _request(self, at: int) -> int:
        dark = not self._started or self._flash is not FlashPhase.STEADY or self.tripped
        remote = self.controls.mask("preemptControlState")
        # Who stands at the panel sees the street: not even a train is above that, or above flash.
        held = dark or self.manual is not None
        preempt = self.preempts.tick(at, self.state, remote, held=held)
        if dark:
            return KEEP
        if self.manual is not None:
            return self.manual
        if preempt is not None:
            return preempt
        if self.coordinator.runs_program:
            wanted = self.engine.program_request(self.state)
            return wanted if self.actuation.may_leave(self.state, wanted, self.lamps) else KEEP
        return self.actuation.decide(at, self.state, self.lamps, self.coordinator.pattern)

    @property
    def _flash_wanted(self) -> bool:
        return self.panel_flash or (self.coordinator.number == FLASH and not self.preempts.ends_flash)

    def _follow(self, at: int) -> None:
        before = self.lamps.shown
        shown = self.lamps.observe(at, self.state, self._red_clear)
        self.controls.clear_bits("phaseControlGroupForceOff", before.greens & ~shown.greens)

    def _show(self, at: int) -> None:
        self.journal.lamps(at, self.lamps.shown, self.actuation.minimum)
        if self._observer is not None:
            self._observer(at, self.aspects)

    def _note_change(self, at: int, left: int) -> None:
        """Why the phases end that the new stage has not, and whether the rings cross a barrier."""
        before, after = self.phases.stages[left], self.phases.stages[self.state.stage]
        for phase in numbers_in(self.lamps.shown.greens & ~after):
            self.log.add(at, self.actuation.reasons.setdefault(phase, Code.FORCE_OFF), phase)
        sides = [
            sum(1 << p - 1 for ring in self.phases.rings for p in ring[side])
            for side in range(len(self.phases.rings[0]) if self.phases.rings else 0)
        ]
        if any(before & side and after and not after & side for side in sides):
            self.log.add(at, Code.BARRIER, 1)

    def _reload(self) -> None:
        """The database changed: new times are in force from now on."""
        self.engine = Engine(plan_in_force(self.phases, self.database, self._stopped))
        self._flash_control = FlashControl(self.engine)
        self._red_clear = {p: self.database.number("phaseRedClear", p) for p in self.phases.numbers}
        self.preempts.load(self.engine.plan)
        self.sensors.reload()
        self.actuation.reload()
        self.coordinator.reload()

    def _control_changed(self, name: str, index: int, bits: int) -> None:
        self.journal.control(self._now, self.controls, name, index, bits)
