"""Which pattern runs, and how well it is in step."""

from __future__ import annotations

from dataclasses import replace

from stopline_hil.ntcip.actuation import Actuation
from stopline_hil.ntcip.controls import Controls
from stopline_hil.ntcip.coordination import IN_STEP_TENTHS, FreeStatus, Pattern, pattern_of
from stopline_hil.ntcip.database import Database
from stopline_hil.ntcip.defaults import FLASH, FREE, LOCAL_PATTERN
from stopline_hil.ntcip.hires import Code, HiResLog
from stopline_hil.ntcip.lamps import PhaseLamps
from stopline_hil.ntcip.phases import Phases, numbers_in
from stopline_hil.ntcip.size import PATTERNS

STANDBY = 0
LOCAL_TIME_BASE = 255
STATE_FREE, STATE_IN_STEP, STATE_TRANSITION = 0, 1, 2


class Coordinator:
    """Follows coordOperationalMode, then systemPatternControl, then the local time base."""

    def __init__(
        self, phases: Phases, database: Database, controls: Controls, actuation: Actuation, log: HiResLog
    ) -> None:
        self.number = FREE
        """Pattern in force: 1 to 253, 254 free, 255 flash."""
        self.pattern: Pattern | None = None
        """Its windows; None when free, and while the plan's own program runs."""
        self.free = FreeStatus.COORD_FREE
        self.in_step = False
        self.runs_program = False
        """Whether the stages of the plan's fixed program are followed as they are."""
        self._phases = phases
        self._database = database
        self._controls = controls
        self._actuation = actuation
        self._log = log
        self._choice: int | None = None
        self._since = 0
        self._sync: int | None = None
        self._left = 0
        """Tenths to the yield point at the last tick."""

    def reload(self) -> None:
        """The database changed."""
        self._choice = None

    def synchronise(self, now: int, value: int) -> None:
        """systemSyncControl: so many seconds into the cycle now, or back to the local time base."""
        self._sync = None if value == LOCAL_TIME_BASE else now - 10 * value
        self._choice = None

    def tick(self, now: int, lamps: PhaseLamps) -> None:
        """Follow what is asked for now."""
        choice = self._wanted()
        if choice != self._choice:
            self._choice = choice
            self._change(now, choice)
        if self.pattern is not None and not self.runs_program:
            self._watch_step(now, self.pattern, lamps)
            self._watch_yield(now, self.pattern)

    def cycle(self, now: int) -> tuple[int, int]:
        """Length of the cycle and where in it we are (tenths); (0, 0) when free."""
        program = self._phases.given.program
        if self.runs_program and program is not None:
            return program.cycle, (now - program.offset) % program.cycle
        if self.pattern is not None:
            return self.pattern.cycle, self.pattern.local(now)
        return 0, 0

    def _wanted(self) -> int:
        manual = self._database.number("coordOperationalMode")
        if manual:
            return manual
        system = self._controls.get("systemPatternControl")
        if system != STANDBY:
            return system
        return LOCAL_PATTERN if self._phases.given.program is not None else FREE

    def _change(self, now: int, choice: int) -> None:
        before, self._since, self._left = self.number, now, 0
        self.pattern, self.runs_program, self.in_step = None, False, False
        self.number = choice
        if choice >= FREE:
            commanded = self._controls.get("systemPatternControl") == choice
            self.free = FreeStatus.COMMAND_FREE if commanded else FreeStatus.COORD_FREE
        elif self._is_program(choice):
            self.runs_program = self.in_step = True
            self.free = FreeStatus.NOT_FREE
        else:
            self._load(choice)
        if self.number != before:
            self._log.add(now, Code.PATTERN, self.number)
            self._log_pattern(now)

    def _is_program(self, number: int) -> bool:
        """Whether it is the plan's own program, untouched in the database."""
        database, phases = self._database, self._phases
        names = ("patternCycleTime", "patternOffsetTime", "patternSplitNumber", "patternSequenceNumber")
        same = all(database.is_initial(name, LOCAL_PATTERN) for name in names)
        same = same and all(
            database.is_initial(name, LOCAL_PATTERN, phase)
            for name in ("splitTime", "splitMode", "splitCoordPhase")
            for phase in phases.numbers
        )
        return number == LOCAL_PATTERN and phases.given.program is not None and same and self._sync is None

    def _load(self, number: int) -> None:
        """A pattern of the table; one that cannot run leaves the controller free."""
        if number > PATTERNS:
            found: Pattern | FreeStatus = FreeStatus.BAD_PLAN
        else:
            sequence = max(1, self._database.number("patternSequenceNumber", number))
            order = self._actuation.order(min(sequence, 2))
            found = pattern_of(number, self._phases, order, self._database.number)
        if isinstance(found, FreeStatus):
            self.number, self.free = FREE, found
            return
        if self._sync is not None:
            found = replace(found, offset=self._sync + found.offset)
        self.pattern, self.free = found, FreeStatus.NOT_FREE

    def _watch_step(self, now: int, pattern: Pattern, lamps: PhaseLamps) -> None:
        """In step once a coordinated phase turned green close to where its window begins, or rests in it."""
        for phase in numbers_in(pattern.coordinated & lamps.shown.greens):
            held = now - max(self._since, lamps.since[phase]) >= pattern.cycle
            if lamps.since[phase] < self._since and not held:
                continue
            late = (pattern.local(lamps.since[phase]) - pattern.begin[phase]) % pattern.cycle
            in_step = held or late <= IN_STEP_TENTHS or late >= pattern.cycle - pattern.cycle // 4
            if in_step != self.in_step:
                self.in_step = in_step
                self._log.add(now, Code.COORD_STATE, STATE_IN_STEP if in_step else STATE_TRANSITION)
            return

    def _watch_yield(self, now: int, pattern: Pattern) -> None:
        """The point of the cycle at which the coordinated phases may end."""
        phase = next(iter(numbers_in(pattern.coordinated)), 0)
        if not phase:
            return
        left = pattern.until(phase, now)
        if left > self._left > 0 or left == 0:
            self._log.add(now, Code.COORD_YIELD, phase)
        self._left = left

    def _log_pattern(self, now: int) -> None:
        if self.pattern is None:
            state = STATE_IN_STEP if self.runs_program else STATE_FREE
            if self.number != FLASH:
                self._log.add(now, Code.COORD_STATE, state)
            return
        self._log.add(now, Code.CYCLE, self.pattern.cycle // 10)
        self._log.add(now, Code.OFFSET, self.pattern.offset // 10 % 256)
        split = self._database.number("patternSplitNumber", self.pattern.number)
        for phase in self._phases.numbers:
            length = self._database.number("splitTime", split, phase)
            self._log.add(now, Code.SPLIT_1 + phase - 1, length)
