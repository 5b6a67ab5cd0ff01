"""Cabinets with one defect each, for a conformance suite that must find them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from pymodbus.constants import ExcCodes

from stopline_cabinets.modbus import codec
from stopline_cabinets.reference import ReferenceCabinet
from stopline_cabinets.snmp.codec import ErrorStatus, Message, VarBind
from stopline_cabinets.words import PlanCommand, Result, digest32
from stopline_hil.clock import SteppedClock
from stopline_hil.modbus_plc import PlcCabinet
from stopline_hil.ntcip import NtcipCabinet
from stopline_signals.plan import SignalPlan


class Defect(NamedTuple):
    """A cabinet, and words of a requirement that must not be met at it."""

    make: Callable[[SignalPlan, SteppedClock], PlcCabinet]
    broken: str


class _Plc(PlcCabinet):
    """A PLC whose core can be another one than the reference."""

    core_type: type[ReferenceCabinet] = ReferenceCabinet

    def _core(self, now: int) -> ReferenceCabinet:
        return self.core_type(self.plan, now=now, observer=self._observe)

    def _observe(self, now: int, aspects: tuple[int, ...]) -> None:
        """Its own monitor is broken too: what is wrong must be seen from outside."""


def _as_if(given: SignalPlan, times: SignalPlan, now: int) -> ReferenceCabinet:
    """Runs other times than it says."""
    core = ReferenceCabinet(times, now=now)
    core._digest = digest32(given.digest())
    return core


class SkipsYellow(_Plc):
    def state_registers(self) -> list[int]:
        registers = super().state_registers()
        yellow, red = codec.S["yellow"], codec.S["red"]
        codec.put32(registers, red, codec.get32(registers, red) | codec.get32(registers, yellow))
        codec.put32(registers, yellow, 0)
        return registers


class ShortYellow(_Plc):
    def _core(self, now: int) -> ReferenceCabinet:
        groups = tuple(replace(g, yellow=g.yellow and 10) for g in self.plan.groups)
        return _as_if(self.plan, replace(self.plan, groups=groups), now)


class ShortClearance(_Plc):
    def _core(self, now: int) -> ReferenceCabinet:
        groups = self.plan.groups
        matrix = tuple(
            tuple(value if value < 0 else groups[i].change for value in row)
            for i, row in enumerate(self.plan.intergreen)
        )
        return _as_if(self.plan, replace(self.plan, intergreen=matrix), now)


class IgnoresMinimumGreen(_Plc):
    def _core(self, now: int) -> ReferenceCabinet:
        groups = tuple(replace(g, min_green=g.min_green and 10, walk=g.walk and 10) for g in self.plan.groups)
        return _as_if(self.plan, replace(self.plan, groups=groups), now)


class _NoWatchdog(ReferenceCabinet):
    def _watch(self, now: int) -> None:
        if self.lease is not None:
            self.lease.beat_at = now
        super()._watch(now)


class IgnoresTheWatchdog(_Plc):
    core_type = _NoWatchdog


class _NoDeadline(ReferenceCabinet):
    def submit(self, command: PlanCommand, owner: int, crc: int, now: int) -> Result:
        result = super().submit(command, owner, crc, now)
        if self._active is not None:
            self._active = self._active._replace(ends=10**9)
        return result


class KeepsTheLastCommand(_Plc):
    core_type = _NoDeadline


class _AnyNumber(ReferenceCabinet):
    def submit(self, command: PlanCommand, owner: int, crc: int, now: int) -> Result:
        self.accepted_seq = 0
        return super().submit(command, owner, crc, now)


class AcceptsStaleSequence(_Plc):
    core_type = _AnyNumber


class WrongCrcEcho(_Plc):
    def state_registers(self) -> list[int]:
        registers = super().state_registers()
        registers[codec.S["judged_crc"]] ^= 0x0100
        return registers


class NeverChecksTheCrc(_Plc):
    def _plan_written(self, registers: list[int]) -> ExcCodes | None:
        codec.put32(registers, codec.P["crc"], codec.plan_crc(registers))
        return super()._plan_written(registers)


class TornState(_Plc):
    def state_registers(self) -> list[int]:
        registers = super().state_registers()
        if self.reads % 3:
            registers[codec.S["state_seq_copy"]] ^= 1
        return registers


class _AnyOwner(ReferenceCabinet):
    def submit(self, command: PlanCommand, owner: int, crc: int, now: int) -> Result:
        if self.lease is not None:
            owner = self.lease.owner
        return super().submit(command, owner, crc, now)


class AcceptsASecondWriter(_Plc):
    core_type = _AnyOwner


class _StolenLease(ReferenceCabinet):
    def claim(self, owner: int, label: str, limit: int, counter: int, now: int) -> bool:
        self.lease = None
        return super().claim(owner, label, limit, counter, now)


class LetsTheLeaseBeStolen(_Plc):
    core_type = _StolenLease


class _AnyBeat(ReferenceCabinet):
    def beat(self, owner: int, counter: int, now: int) -> bool:
        if self.lease is not None:
            self.lease.counter = -1
        return super().beat(owner, counter, now)


class TakesAnOldBeat(_Plc):
    core_type = _AnyBeat


class WrongClock(_Plc):
    def __init__(self, plan: SignalPlan, clock: SteppedClock) -> None:
        super().__init__(plan, clock)
        self._clock_off = 86_400.0


class StoresRefusedPlans(_Plc):
    async def _action(
        self,
        code: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: Sequence[int] | None,
    ) -> ExcCodes | None:
        answer = await super()._action(code, start, address, count, registers, values)
        if values is not None and answer is ExcCodes.ILLEGAL_VALUE and address == 0:
            registers[: len(values)] = values
        return answer


class OtherClearancesThanItShows(_Plc):
    """Its configuration block says what it was once programmed with."""

    async def start(self) -> None:
        plan, self.plan = self.plan, replace(self.plan, red_revert=self.plan.red_revert + 10)
        await super().start()
        self.plan = plan


MODBUS_DEFECTS: dict[str, Defect] = {
    "skips yellow": Defect(SkipsYellow, "lamps break no rule"),
    "shows a short yellow": Defect(ShortYellow, "lamps break no rule"),
    "cuts the red clearance": Defect(ShortClearance, "lamps break no rule"),
    "ignores minimum green": Defect(IgnoresMinimumGreen, "refuses UNSAFE_TIMING"),
    "ignores the watchdog": Defect(IgnoresTheWatchdog, "silence puts it on its local plan"),
    "keeps the last command": Defect(KeepsTheLastCommand, "a plan ends with its ttl"),
    "accepts a stale sequence": Defect(AcceptsStaleSequence, "an old number is refused"),
    "echoes a wrong CRC": Defect(WrongCrcEcho, "it shows the CRC it computed"),
    "never checks the CRC": Defect(NeverChecksTheCrc, "a damaged plan is refused"),
    "shows a torn state": Defect(TornState, "reads are rarely torn"),
    "accepts a second writer": Defect(AcceptsASecondWriter, "a plan needs the lease"),
    "lets the lease be stolen": Defect(LetsTheLeaseBeStolen, "a second controller is refused by name"),
    "takes an old beat for a new one": Defect(TakesAnOldBeat, "a counter that does not move is silence"),
    "has a wrong clock": Defect(WrongClock, "its clock is right"),
    "stores refused plans": Defect(StoresRefusedPlans, "nothing of a refused plan is stored"),
    "shows other times than it was given": Defect(OtherClearancesThanItShows, "are the plan's"),
}


class NtcipDefect(NamedTuple):
    """An NTCIP cabinet, and words of a requirement that must not be met at it."""

    break_it: Callable[[NtcipCabinet], None]
    broken: str


def _ignores_the_backup_timer(cabinet: NtcipCabinet) -> None:
    def check(now: int, limit: int) -> bool:
        return False

    cabinet.unit.timer.check = check  # type: ignore[method-assign]  # the defect


def _keeps_force_offs(cabinet: NtcipCabinet) -> None:
    def clear_bits(name: str, bits: int) -> None:
        pass

    cabinet.unit.controls.clear_bits = clear_bits  # type: ignore[method-assign]  # the defect


def _sets_what_it_can_of_a_refused_message(cabinet: NtcipCabinet) -> None:
    mib = cabinet.agent._mib
    sound = mib.judge

    def judge(binding: VarBind) -> ErrorStatus:
        status = sound(binding)
        if status is ErrorStatus.NO_ERROR:
            mib.write((binding,))
        return status

    mib.judge = judge  # type: ignore[method-assign]  # the defect


def _answers_every_community(cabinet: NtcipCabinet) -> None:
    def knows(request: Message) -> bool:
        return True

    cabinet.agent._knows = knows  # type: ignore[method-assign]  # the defect


def _has_a_wrong_clock(cabinet: NtcipCabinet) -> None:
    cabinet.unit.log.epoch += 86_400


def _backup_time_off(cabinet: NtcipCabinet) -> None:
    cabinet.edit_by_hand("unitBackupTime", (), 0)


NTCIP_DEFECTS: dict[str, NtcipDefect] = {
    "ignores the backup timer": NtcipDefect(_ignores_the_backup_timer, "silence for the backup time zeroes"),
    "keeps force-offs": NtcipDefect(_keeps_force_offs, "a force-off ends with the green"),
    "sets half of a refused message": NtcipDefect(
        _sets_what_it_can_of_a_refused_message, "a refused message sets nothing"
    ),
    "answers every community": NtcipDefect(_answers_every_community, "an unknown community is told nothing"),
    "has a wrong clock": NtcipDefect(_has_a_wrong_clock, "its clock is right"),
    "has its backup timer switched off": NtcipDefect(_backup_time_off, "unitBackupTime is"),
}
