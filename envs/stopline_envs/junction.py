"""One signal in the simulation: engine, guard, lamps, push-button latches and the conflict monitor."""

from __future__ import annotations

from stopline_envs.monitor import LampWatch
from stopline_envs.plans import Program
from stopline_envs.snapshot import Snapshot
from stopline_signals.detectors import DetectorReading
from stopline_signals.engine import KEEP, Engine, EngineState
from stopline_signals.guard import Guard, Verdict
from stopline_signals.plan import Aspect, DetectorKind, GroupKind, SignalPlan
from stopline_signals.view import JunctionView

SECOND = 10
"""Tenths in a simulation step."""
_UNKNOWN = -2


class SimJunction:
    """Runs one signal's plan against the clock of the simulation.

    All intervals are rounded up to the step of one second. Between two decisions the engine is only asked for
    the changes of the lamps on the way, which equals waking it every tenth.
    """

    def __init__(self, plan: SignalPlan, program: Program, watch: LampWatch) -> None:
        """`program` gives the number of links and which permissive heads are stop-then-go arrows."""
        self.plan = plan.rounded_up(SECOND)
        self.engine = Engine(self.plan)
        self.guard = Guard(self.engine)
        self.monitor = watch.monitor
        self._watch = watch
        self.calls = 0
        self.grace = 0
        """Tenths past its max red for which who asks now may keep a call waiting: an emergency's right."""
        self._seen: Snapshot | None = None
        self._number = 0
        self._readings: tuple[DetectorReading, ...] | None = ()
        self._letters = lamp_letters(plan, program)
        self._blank = ["r"] * len(program.phases[0].state)
        self._shown: dict[tuple[int, ...], str] = {}
        self._buttons = tuple(
            (position, detector.group)
            for position, detector in enumerate(plan.detectors)
            if detector.kind is DetectorKind.BUTTON
        )
        self._latched: set[int] = set()
        self._on_demand = sum(1 << index for index, group in enumerate(plan.groups) if group.on_demand)
        self._request = KEEP
        self._lit: tuple[int, ...] = ()
        self._displayed = ""
        self.state = self.engine.start(0)
        self._judged: EngineState | None = None
        self._allowed = 0

    def start(self, now: int, stage: int | None = None) -> None:
        """Begin at `now` (s): all red, then the stage; by default the one the fixed program wants."""
        tenths = now * SECOND
        if stage is None:
            program = self.plan.program
            stage = 0 if program is None else program.steps[program.step_at(tenths)].stage
        self.state = self.engine.start(tenths, stage)
        self._readings = ()
        self.calls = 0
        self._latched.clear()
        self._request = KEEP
        self._lit = ()
        self._displayed = ""
        self.monitor.reset()

    @property
    def readings(self) -> tuple[DetectorReading, ...]:
        """The readings of the last look, aligned with `plan.detectors`; empty before the first."""
        if self._readings is None:
            assert self._seen is not None
            self._readings = self._seen.readings_of(self._number)
        return self._readings

    def sense(self, now: int, seen: Snapshot, number: int) -> None:
        """Take the readings of junction `number` of a look at `now` (s), to which the engine is run.

        Button calls stay until walk, and are written into the look as latched.
        """
        calls = seen.calls[number]
        if self._buttons:
            calls |= self._latch(seen, seen.row.firsts[number])
        self._seen, self._number, self._readings = seen, number, None
        self.calls = calls
        self.state = self.engine.sense(self.state, calls, now * SECOND)

    def judge(self) -> int:
        """Stages (bit mask) that may be chosen now."""
        self._allowed = self.guard.allowed(self.state)
        self._judged = self.state
        return self._allowed

    def view(self) -> JunctionView:
        """What a policy sees now."""
        allowed = self.judge()
        return JunctionView(self.plan, self.state, self.readings, allowed, self.state.now / SECOND)

    def program_stage(self) -> int:
        """The stage the fixed program asks for now, early enough for its green to start on time."""
        if self.plan.program is None:
            return self.state.stage
        return self.engine.program_request(self.state, self.calls)

    def ask(self, stage: int) -> Verdict:
        """Ask for a stage from now on; the guard's answer is what the engine is asked for.

        Only the plan's own stages can be had: all red is for operators, not for policies.
        """
        if stage >= self.engine.all_red:
            stage = _UNKNOWN
        seen = self.state is self._judged and stage >= 0 and self._allowed >> stage & 1
        verdict = Verdict(stage, None) if seen else self.guard.decide(self.state, stage, self.grace)
        self._request = KEEP if verdict.stage == self.state.stage else verdict.stage
        return verdict

    def run(self, now: int, end: int) -> list[tuple[int, str]]:
        """Run from `now` to `end` (s) on what was asked and called; the changes of the lamps on the way.

        Each change is the second from which on its letters are to be shown. All of them are known before
        the traffic moves, for nothing is asked or sensed in between. Found in one go they cost less than
        second by second, when the simulation has emptied the processor's caches in between. Time itself
        passes when `sense` is told of it.
        """
        changes: list[tuple[int, str]] = []
        request, until = self._request, end * SECOND
        if request == KEEP and not self._on_demand & self.calls and not self._due_by(until):
            self._light(now, self.state.aspects, changes)
            return changes
        lamps = {now: self.state.aspects}
        self._request = KEEP
        self.state, shown = self.engine.run(self.state, until, request)
        for moment, aspects in shown:
            lamps[-(-moment // SECOND)] = aspects
        for second, aspects in lamps.items():
            if second < end:  # what changes at the end is shown from then on: by the next run
                self._light(second, aspects, changes)
        return changes

    def _due_by(self, until: int) -> bool:
        pending = self.state.pending
        return bool(pending) and pending[0][0] <= until

    def _light(self, second: int, aspects: tuple[int, ...], changes: list[tuple[int, str]]) -> None:
        """Add the lamps' letters to the changes if they differ from what is displayed."""
        if aspects is self._lit:
            return
        self._lit = aspects
        letters = self._state_letters(aspects)
        if letters != self._displayed:
            self._displayed = letters
            changes.append((second, letters))

    def watch(self, now: int, letters: str) -> int:
        """Show the monitor what the lamps show; returns the number of new violations."""
        return self._watch.observe(now, letters)

    def _latch(self, seen: Snapshot, first: int) -> int:
        """Write latched calls into the look; the groups (bit mask) called."""
        calls = 0
        for position, group in self._buttons:
            slot = first + position
            if self.state.aspects[group] >= Aspect.PERMISSIVE:
                self._latched.discard(position)
                seen.vehicles[slot] = 0
                if seen.healthy is not None:
                    seen.healthy[slot] = True
            elif seen.vehicles[slot] or position in self._latched:
                self._latched.add(position)
                seen.vehicles[slot] = 1
                calls |= 1 << group
            elif seen.healthy is not None and not seen.healthy[slot]:
                calls |= 1 << group
        return calls

    def _state_letters(self, aspects: tuple[int, ...]) -> str:
        letters = self._shown.get(aspects)
        if letters is None:
            state = list(self._blank)
            for group, aspect, own in zip(self.plan.groups, aspects, self._letters, strict=True):
                for link in group.links:
                    state[link] = own[aspect]
            letters = self._shown[aspects] = "".join(state)
        return letters


def lamp_letters(plan: SignalPlan, program: Program) -> tuple[str, ...]:
    """Per group the letters of red, yellow, permissive and green.

    SUMO has no pedestrian clearance lamp: nobody may start, so it is red. A head that the program only ever
    shows as an arrow on which to stop first keeps that.
    """
    letters: list[str] = []
    for group in plan.groups:
        own = {phase.state[link] for phase in program.phases for link in group.links}
        permissive = "s" if "s" in own and not own & set("goO") else "g"
        yellow = "r" if group.kind is GroupKind.PEDESTRIAN else "y"
        letters.append(f"r{yellow}{permissive}G")
    return tuple(letters)
