"""The public conformance test of the cabinet seam: fakes, virtual cabinets and hardware pass the same one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NamedTuple

from stopline_cabinets.errors import LeaseRefused, PlanRefused
from stopline_cabinets.preempts import preempts_of
from stopline_cabinets.seam import Cabinet
from stopline_cabinets.words import (
    CabinetState,
    Can,
    Kind,
    Mode,
    PlanCommand,
    PlanRow,
    Result,
    following,
    stage_minimum,
)
from stopline_signals.engine import Engine
from stopline_signals.errors import CabinetError
from stopline_signals.plan import Aspect, SignalPlan

Open = Callable[[int, str], Cabinet]
Pause = Callable[[int], Awaitable[None]]

SLICE = 5
"""Tenths between two looks at the cabinet while the test waits; also how often it beats."""

SILENCE = 20
"""Tenths beyond its own heartbeat limit for which a cabinet is watched to fall back."""


class Finding(NamedTuple):
    """One requirement and whether the cabinet met it."""

    requirement: str
    met: bool
    detail: str = ""


class ConformanceError(CabinetError):
    """The cabinet broke its contract; `findings` holds every requirement tried."""

    def __init__(self, findings: list[Finding]) -> None:
        broken = [f"{finding.requirement}: {finding.detail}" for finding in findings if not finding.met]
        super().__init__("cabinet does not conform: " + "; ".join(broken))
        self.findings = findings


async def check_cabinet(open_cabinet: Open, plan: SignalPlan, pause: Pause) -> list[Finding]:
    """Try every promise of the seam on one cabinet that nobody else uses; it changes stages while it runs.

    `open_cabinet(owner, label)` makes a new, unconnected client of the same cabinet; `pause(tenths)` lets
    cabinet time pass. Returns the findings.

    Raises:
        ConformanceError: at least one requirement is not met.
    """
    check = _Check(open_cabinet, plan, pause)
    await check.run()
    if not all(finding.met for finding in check.findings):
        raise ConformanceError(check.findings)
    return check.findings


class _Check:
    def __init__(self, open_cabinet: Open, plan: SignalPlan, pause: Pause) -> None:
        self._open = open_cabinet
        self._plan = plan
        self._pause = pause
        engine = Engine(plan)
        stages = range(len(plan.stages))
        # Longest wait for a stage: what runs, a whole transition, start-up, and slack for a slow wire.
        self._patience = (
            100
            + plan.startup_red
            + max(engine.worst_transition(i, j) + stage_minimum(plan, i) for i in stages for j in stages)
        )
        self.findings: list[Finding] = []

    async def run(self) -> None:
        first = self._open(101, "conformance")
        second = self._open(102, "intruder")
        for step in (
            self._reads_without_lease,
            self._takes_a_plan,
            self._same_plan_is_one_plan,
            self._refuses_what_it_must,
            self._does_what_it_says_it_can,
            self._keeps_a_second_controller_out,
            self._plan_expires,
            self._silence_goes_local,
            self._hands_back,
        ):
            try:
                await step(first, second)
            except CabinetError as error:
                self._note(
                    step.__name__.strip("_").replace("_", " "), False, f"{type(error).__name__}: {error}"
                )
        await first.close()
        await second.close()

    async def _reads_without_lease(self, first: Cabinet, _second: Cabinet) -> None:
        state = await first.connect(lease=False)
        self._note("reading needs no lease and takes none", state.owner != 101)
        groups, detectors = len(self._plan.groups), len(self._plan.detectors)
        self._note("state has every group", len(state.aspects) == groups, f"{len(state.aspects)} of {groups}")
        self._note("state has every detector", len(state.readings) == detectors)
        await self._pause(SLICE)
        later = await first.read()
        self._note("cabinet time runs", later.time > state.time, f"{state.time} then {later.time}")

    async def _takes_a_plan(self, first: Cabinet, _second: Cabinet) -> None:
        await first.connect()
        state = await self._until(first, lambda s: s.mode is Mode.LOCAL and not s.in_transition)
        self._note("runs its local plan when nobody asks", state.mode is Mode.LOCAL, state.mode.name)
        for stage in range(len(self._plan.stages)):
            if stage == state.stage and len(self._plan.stages) > 1:
                continue
            command = self._command(first.next_seq, stage)
            receipt = await first.write(command)
            self._note("receipt carries the plan's number", receipt.seq == command.seq)
            state = await self._until(first, _settled_in(stage))
            want = tuple(int(self._plan.stages[stage].aspect(g)) for g in range(len(self._plan.groups)))
            name = self._plan.stages[stage].name
            self._note(f"stage {name} is reached", state.stage == stage, f"in stage {state.stage}")
            self._note(f"stage {name} shows its lamps", _shows(self._plan, state, want), f"{state.aspects}")
            self._note(
                "plan in force is the one sent", state.active_seq == command.seq, f"{state.active_seq}"
            )
            self._note("mode is remote", state.mode is Mode.REMOTE, state.mode.name)

    async def _same_plan_is_one_plan(self, first: Cabinet, _second: Cabinet) -> None:
        state = await first.read()
        command = self._command(first.next_seq, state.stage)
        await first.write(command)
        await first.write(command)
        state = await first.read()
        self._note("the same plan twice is one plan", state.active_seq == command.seq, f"{state.active_seq}")

    async def _refuses_what_it_must(self, first: Cabinet, _second: Cabinet) -> None:
        before = await first.read()
        new = following(before.active_seq)
        stage, least = before.stage, stage_minimum(self._plan, before.stage)
        cases = {
            Result.STALE_SEQUENCE: PlanCommand(
                (before.active_seq - 1) & 0xFFFF, (PlanRow(stage, least, 600),), 100
            ),
            Result.UNKNOWN_STAGE: PlanCommand(new, (PlanRow(len(self._plan.stages), least, 600),), 100),
            Result.UNSAFE_TIMING: PlanCommand(new, (PlanRow(stage, least - 1, 600),), 100),
            Result.BAD_FIELD: PlanCommand(new, (PlanRow(stage, least, 600),), 0),
        }
        for result, command in cases.items():
            try:
                await first.write(command)
            except PlanRefused as refusal:
                self._note(f"refuses {result.name}", refusal.result is result, refusal.result.name)
            else:
                self._note(f"refuses {result.name}", False, "it was accepted")
        after = await first.read()
        kept = (after.active_seq, after.active_crc) == (before.active_seq, before.active_crc)
        self._note("a refused plan changes nothing", kept, f"{before.active_seq} then {after.active_seq}")

    async def _does_what_it_says_it_can(self, first: Cabinet, _second: Cabinet) -> None:
        can = (await first.connect()).can
        preempts = preempts_of(self._plan)
        number = next((at for at, preempt in enumerate(preempts) if not preempt.rail), 0)
        tries = {
            Can.ALL_RED: ("all red", Kind.ALL_RED, _all_red),
            Can.FLASH: ("flash", Kind.FLASH, _flashes),
            Can.PATTERN: ("a pattern", Kind.PATTERN, _follows_itself),
            Can.PREEMPT: ("a preempt", Kind.PREEMPT, _dwells_in(preempts[number].dwell)),
        }
        for ability, (name, kind, reached) in tries.items():
            seq = first.next_seq
            pattern = number + 1 if kind is Kind.PREEMPT else 0
            command = PlanCommand(seq, (), 600, kind=kind, pattern=pattern)
            if ability not in can:
                await self._is_unable(first, command, name)
                continue
            await first.write(command)
            state = await self._until(first, reached)
            self._note(f"{name} is reached", reached(state), f"{state.mode.name}, {state.aspects}")
            self._note(f"{name} is the plan in force", state.active_seq == seq, f"{state.active_seq}")
            await first.release()
            state = await self._until_ready(first)
            self._note(f"{name} ends with the lease", not state.flash and state.active_seq == 0)
        for ability, name in ((Can.CALL, "calls"), (Can.OMIT, "omits")):
            stage = (await first.read()).stage
            plain = self._command(first.next_seq, stage)
            command = replace(plain, calls=1) if ability is Can.CALL else replace(plain, omits=1)
            if ability not in can:
                await self._is_unable(first, command, f"groups to {name}")
                continue
            await first.write(command)
            shown = getattr(await first.read(), name)
            called = bool(shown & 1)
            self._note(f"a plan that {name} a group shows it", called, f"{shown:#x}")
        await first.write(self._command(first.next_seq, (await first.read()).stage))

    async def _is_unable(self, cabinet: Cabinet, command: PlanCommand, name: str) -> None:
        try:
            await cabinet.write(command)
        except PlanRefused as refusal:
            self._note(f"refuses {name}", refusal.result is Result.UNABLE, refusal.result.name)
        else:
            self._note(f"refuses {name}", False, "it was accepted")

    async def _until_ready(self, cabinet: Cabinet) -> CabinetState:
        """Take the lease again and wait until the cabinet runs its local plan."""
        await cabinet.connect()
        return await self._until(
            cabinet,
            lambda state: (
                state.mode is Mode.LOCAL and not (state.flash or state.preempt or state.in_transition)
            ),
        )

    async def _keeps_a_second_controller_out(self, first: Cabinet, second: Cabinet) -> None:
        await first.heartbeat()
        try:
            await second.connect()
        except LeaseRefused as refusal:
            self._note(
                "a second controller is refused by name", refusal.owner == 101, f"owner {refusal.owner}"
            )
        else:
            self._note("a second controller is refused by name", False, "it got the lease")
        await second.connect(lease=False)
        try:
            await second.write(self._command(second.next_seq, 0))
        except PlanRefused as refusal:
            self._note("a plan needs the lease", refusal.result is Result.NOT_OWNER, refusal.result.name)
        else:
            self._note("a plan needs the lease", False, "it was accepted")

    async def _plan_expires(self, first: Cabinet, _second: Cabinet) -> None:
        await first.connect()
        await first.write(self._command(first.next_seq, 0, ttl=20))
        state = await self._until(first, lambda s: s.mode is Mode.LOCAL, least=30)
        self._note(
            "a plan ends with its ttl", state.mode is Mode.LOCAL and state.active_seq == 0, state.mode.name
        )
        self._note("the lease outlives the plan", state.owner == 101, f"owner {state.owner}")

    async def _silence_goes_local(self, first: Cabinet, second: Cabinet) -> None:
        await first.connect()
        await first.write(self._command(first.next_seq, 0, ttl=600))
        limit = (await first.read()).heartbeat_limit
        waited = 0
        state = await second.read()
        while waited < limit + SILENCE and state.mode is Mode.REMOTE:
            await self._pause(SLICE)
            waited += SLICE
            state = await second.read()
        detail = f"{state.mode.name} after {waited / 10} s"
        self._note("silence puts it on its local plan", state.mode is Mode.LOCAL, detail)
        self._note(
            "no later than its limit", waited <= limit + 2 * SLICE, f"{waited / 10} s of {limit / 10} s"
        )
        try:
            await first.heartbeat()
        except LeaseRefused:
            self._note("a lease that ran out stays out", True)
        else:
            self._note("a lease that ran out stays out", False, "a late heartbeat revived it")

    async def _hands_back(self, first: Cabinet, second: Cabinet) -> None:
        await first.connect()
        await first.write(self._command(first.next_seq, 0, ttl=600))
        await first.release()
        state = await first.read()
        self._note("release ends the plan and the lease", state.owner == 0 and state.active_seq == 0)
        await second.connect()
        await second.release()
        self._note("another controller may follow", True)

    def _command(self, seq: int, stage: int, ttl: int = 600) -> PlanCommand:
        return PlanCommand(seq, (PlanRow(stage, stage_minimum(self._plan, stage), 3000),), ttl)

    async def _until(
        self, cabinet: Cabinet, done: Callable[[CabinetState], bool], least: int = 0
    ) -> CabinetState:
        """Beat and read until it is done, or patience is over."""
        for _ in range(0, max(self._patience, least), SLICE):
            await cabinet.heartbeat()
            state = await cabinet.read()
            if done(state):
                return state
            await self._pause(SLICE)
        return await cabinet.read()

    def _note(self, requirement: str, met: bool, detail: str = "") -> None:
        self.findings.append(Finding(requirement, met, "" if met else detail))


def _settled_in(stage: int) -> Callable[[CabinetState], bool]:
    return lambda state: state.stage == stage and not state.in_transition


def _all_red(state: CabinetState) -> bool:
    return not state.in_transition and set(state.aspects) == {int(Aspect.RED)}


def _flashes(state: CabinetState) -> bool:
    return state.flash and state.mode is Mode.REMOTE


def _follows_itself(state: CabinetState) -> bool:
    return state.mode is Mode.REMOTE and state.legal != 0


def _dwells_in(stage: int) -> Callable[[CabinetState], bool]:
    return lambda state: (
        state.preempt and state.mode is Mode.REMOTE and state.stage == stage and not state.in_transition
    )


def _shows(plan: SignalPlan, state: CabinetState, want: tuple[int, ...]) -> bool:
    """Whether the lamps are the stage's; an on-demand group may rest in red."""
    return all(
        shown == wanted or (group.on_demand and shown == Aspect.RED)
        for group, shown, wanted in zip(plan.groups, state.aspects, want, strict=True)
    )
