"""A virtual cabinet as a campaign sees it: what it truly does, and what people and the street do to it.

States are words that mean the same at every cabinet: `remote` (a wish of the controller is in force),
`foreign` (only another system's), `local` (its own plan runs), `manual`, `preempt` (by its own input),
`flash`, `startup` and `off`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from stopline_cabinets.ntcip import sensor_feeds
from stopline_cabinets.words import Mode
from stopline_hil.clock import CabinetClock
from stopline_hil.fitting import VirtualCabinet
from stopline_hil.modbus_plc import PlcCabinet
from stopline_hil.ntcip import NtcipCabinet, with_phases
from stopline_hil.ntcip.unit import FlashStatus
from stopline_signals.plan import SignalPlan
from stopline_signals.preemption import PreemptStatus

INTRUDER = 0xBAD
"""Owner id of the second writer."""
LEASE_LIMIT_S = 3.0
"""The silence a Modbus cabinet is told to bear."""


class Handle(Protocol):
    """One virtual cabinet and everything that can be done to it by hand."""

    cabinet: VirtualCabinet
    foreign: frozenset[tuple[str, int]]
    """Control objects (name, index) another system writes; with nothing else on, the state is `foreign`."""

    @property
    def state(self) -> str:
        """Who decides now, from inside the cabinet."""
        ...

    @property
    def backup_s(self) -> float:
        """Cabinet seconds after which a silent controller's wishes are void."""
        ...

    @property
    def aspects(self) -> tuple[int, ...]:
        """What each group shows."""
        ...

    @property
    def violations(self) -> int:
        """What its conflict monitor objected to since the start, visits of technicians or not."""
        ...

    def set_manual(self, stage: int | None) -> None:
        """The panel."""
        ...

    def set_flash(self, on: bool) -> None:
        """The flash switch."""
        ...

    def set_preempt(self, number: int, on: bool) -> None:
        """A wired preempt input, from 1."""
        ...

    def trip(self) -> None:
        """The conflict monitor trips."""
        ...

    def reset_monitor(self) -> None:
        """A technician clears it."""
        ...

    def set_clock(self, ahead_s: float) -> None:
        """Set the wall clock so far ahead of the true time."""
        ...

    async def power(self, on: bool) -> None:
        """Mains."""
        ...

    async def edit(self, on: bool) -> None:
        """Change the database by hand, or put it back."""
        ...


class ModbusHandle:
    """The virtual PLC."""

    def __init__(self, plan: SignalPlan, clock: CabinetClock, *, step: int = 1) -> None:
        self._plc = PlcCabinet(plan, clock, step=step)
        self.cabinet: VirtualCabinet = self._plc
        self.foreign: frozenset[tuple[str, int]] = frozenset()
        self._plan = plan
        self._seen = 0

    @property
    def state(self) -> str:
        """Its mode, and whose lease it is."""
        if not self._plc.power:
            return "off"
        mode, lease = self._plc.core.mode, self._plc.core.lease
        if mode is Mode.REMOTE and lease is not None and lease.owner == INTRUDER:
            return "foreign"  # it waited until the controller's lease ran out
        return mode.name.lower()

    @property
    def backup_s(self) -> float:
        """The limit its lease is taken with."""
        return LEASE_LIMIT_S

    @property
    def aspects(self) -> tuple[int, ...]:
        """What each group shows."""
        return tuple(int(lamp) for lamp in self._plc.lamps())

    @property
    def violations(self) -> int:
        """All of its monitors so far."""
        return self._seen + self._plc.monitor.total

    def set_manual(self, stage: int | None) -> None:
        """The panel."""
        self._plc.set_manual(stage)

    def set_flash(self, on: bool) -> None:
        """The flash switch."""
        self._plc.set_flash(on)

    def set_preempt(self, number: int, on: bool) -> None:
        """A wired preempt input."""
        self._plc.set_preempt(number, on)

    def trip(self) -> None:
        """The conflict monitor trips."""
        self._plc.trip()

    def reset_monitor(self) -> None:
        """A technician clears it."""
        self._seen += self._plc.monitor.total
        self._plc.reset_monitor()

    def set_clock(self, ahead_s: float) -> None:
        """The wall clock it shows."""
        self._plc.set_clock(time.time() + ahead_s)

    async def power(self, on: bool) -> None:
        """Mains."""
        await (self._plc.power_on() if on else self._plc.power_off())

    async def edit(self, on: bool) -> None:
        """Another program with longer maximum greens: a different signal plan."""
        self._seen += self._plc.monitor.total
        await self._plc.load(_longer(self._plan) if on else self._plan)


class NtcipHandle:
    """The virtual actuated controller."""

    def __init__(self, plan: SignalPlan, clock: CabinetClock, *, step: int = 1) -> None:
        phased = with_phases(plan)
        # On the grid of a simulated street the zones count vehicles; else there is one detector each.
        feeds = sensor_feeds(phased) if step > 1 else None
        self._box = NtcipCabinet(phased, clock, step=step, feeds=feeds)
        self.cabinet: VirtualCabinet = self._box
        self._clock = clock
        self._epoch = time.time() - clock.tenths() / 10
        self.foreign: frozenset[tuple[str, int]] = frozenset()
        self._seen = 0

    @property
    def state(self) -> str:
        """What its unit does."""
        unit = self._box.unit
        if not unit.power:
            return "off"
        flash = unit.flash_status
        if flash is FlashStatus.STARTUP or not unit.started:
            return "startup"
        if flash is not FlashStatus.NOT_FLASH:
            return "flash"
        if unit.manual is not None:
            return "manual"
        waiting = (PreemptStatus.NOT_ACTIVE, PreemptStatus.NOT_ACTIVE_WITH_CALL, PreemptStatus.MAX_PRESENCE)
        if any(status not in waiting for status in unit.preempts.states):
            return "preempt"
        if not unit.timer.running or unit.controls.idle:
            return "local"
        asked = {key for key in unit.controls.listed if unit.controls.get(*key)}
        return "foreign" if asked <= self.foreign else "remote"

    @property
    def backup_s(self) -> float:
        """Its unitBackupTime."""
        return float(self._box.unit.database.number("unitBackupTime"))

    @property
    def aspects(self) -> tuple[int, ...]:
        """What each group shows."""
        return tuple(int(lamp) for lamp in self._box.lamps())

    @property
    def violations(self) -> int:
        """All of its monitor so far."""
        return self._seen + self._box.monitor.total

    def set_manual(self, stage: int | None) -> None:
        """The panel."""
        self._box.set_manual(stage)

    def set_flash(self, on: bool) -> None:
        """The flash switch."""
        self._box.set_flash(on)

    def set_preempt(self, number: int, on: bool) -> None:
        """A wired preempt input."""
        self._box.set_preempt(number, on)

    def trip(self) -> None:
        """The conflict monitor trips."""
        self._box.unit.trip()

    def reset_monitor(self) -> None:
        """A technician clears it."""
        self._seen += self._box.monitor.total
        self._box.reset_monitor()

    def set_clock(self, ahead_s: float) -> None:
        """Its date and time of day."""
        now = self._clock.tenths()
        self._box.unit.set_clock(self._epoch + now / 10 + ahead_s, now)

    async def power(self, on: bool) -> None:
        """Mains."""
        (self._box.power_on if on else self._box.power_off)()

    async def edit(self, on: bool) -> None:
        """Another yellow of phase 1, entered at the keyboard: shorter is what may never be driven with."""
        name, index = "phaseYellowChange", (1,)
        database = self._box.unit.database
        value = int(str(database.initial[name, index])) + (10 if on else 0)
        self._box.edit_by_hand(name, index, value)


class MakeHandle(Protocol):
    """How a campaign makes a cabinet: its plan and clock, and the grid (tenths) on which its lamps change."""

    def __call__(self, plan: SignalPlan, clock: CabinetClock, *, step: int = 1) -> Handle:
        """The cabinet, not started."""
        ...


HANDLES: Mapping[str, MakeHandle] = {
    "modbus": ModbusHandle,
    "ntcip": NtcipHandle,
}
"""By protocol."""


def _longer(plan: SignalPlan) -> SignalPlan:
    return replace(plan, groups=tuple(replace(g, max_green=g.max_green + 10) for g in plan.groups))
