"""One signal in the simulation: engine, guard, lamps, push-button latches and the conflict monitor."""

from __future__ import annotations

from stopline_envs.monitor import LampWatch
from stopline_envs.plans import Program
from stopline_signals.detectors import DetectorReading, calls_from
from stopline_signals.engine import KEEP, Engine, EngineState
from stopline_signals.guard import Guard, Verdict
from stopline_signals.plan import Aspect, DetectorKind, GroupKind, SignalPlan
from stopline_signals.view import JunctionView

SECOND = 10
"""Tenths in a simulation step."""


class SimJunction:
    """Runs one signal's plan against the clock of the simulation.

    All intervals are rounded up to the step of one second. Between two decisions the engine is only woken
    when a lamp is due to change, which equals waking it every tenth.
    """

    def __init__(self, plan: SignalPlan, program: Program, watch: LampWatch) -> None:
        """`program` gives the number of links and which permissive heads are stop-then-go arrows."""
        self.plan = plan.rounded_up(SECOND)
        self.engine = Engine(self.plan)
        self.guard = Guard(self.engine)
        self.monitor = watch.monitor
        self._watch = watch
        self.readings: tuple[DetectorReading, ...] = ()
        self.calls = 0
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
        self.readings = ()
        self.calls = 0
        self._latched.clear()
        self._request = KEEP
        self._lit = ()
        self.monitor.reset()

    def sense(self, now: int, readings: tuple[DetectorReading, ...]) -> None:
        """Bring the engine to `now` (s) and take new readings; button calls stay until walk."""
        self.state = self.engine.advance(self.state, KEEP, self.calls, now * SECOND).state
        self.readings = self._latch(readings)
        calls = calls_from(self.plan, self.readings)
        if calls != self.calls:
            self.calls = calls
            self.state = self.engine.advance(self.state, KEEP, calls, now * SECOND).state  # note who waits

    def view(self) -> JunctionView:
        """What a policy sees now."""
        self._allowed = self.guard.allowed(self.state)
        self._judged = self.state
        return JunctionView(self.plan, self.state, self.readings, self._allowed, self.state.now / SECOND)

    def program_stage(self) -> int:
        """The stage the fixed program asks for now, early enough for its green to start on time."""
        if self.plan.program is None:
            return self.state.stage
        return self.engine.program_request(self.state, self.calls)

    def ask(self, stage: int) -> Verdict:
        """Ask for a stage from now on; the guard's answer is what the engine is asked for."""
        seen = self.state is self._judged and stage >= 0 and self._allowed >> stage & 1
        verdict = Verdict(stage, None) if seen else self.guard.decide(self.state, stage)
        self._request = KEEP if verdict.stage == self.state.stage else verdict.stage
        return verdict

    def lamps(self, now: int) -> str:
        """Letters to show in the second that begins at `now` (s)."""
        self.state = self.engine.advance(self.state, self._request, self.calls, now * SECOND).state
        self._request = KEEP
        self._lit = self.state.aspects
        return self._state_letters(self._lit)

    def due(self, now: int) -> bool:
        """Whether a lamp may change in the second that begins at `now` (s)."""
        state = self.state
        if state.aspects is not self._lit or self._request != KEEP:
            return True
        if state.pending and state.pending[0][0] <= now * SECOND:
            return True
        return bool(self._on_demand & self.calls)

    def watch(self, now: int, letters: str) -> int:
        """Show the monitor what the lamps show; returns the number of new violations."""
        return self._watch.observe(now, letters)

    def _latch(self, readings: tuple[DetectorReading, ...]) -> tuple[DetectorReading, ...]:
        if not self._buttons:
            return readings
        latched = list(readings)
        for position, group in self._buttons:
            if self.state.aspects[group] >= Aspect.PERMISSIVE:
                self._latched.discard(position)
                latched[position] = DetectorReading()
            elif readings[position].vehicles or position in self._latched:
                self._latched.add(position)
                latched[position] = DetectorReading(1)
        return tuple(latched)

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
