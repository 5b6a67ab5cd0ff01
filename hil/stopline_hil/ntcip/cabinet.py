"""A virtual NTCIP cabinet: the controller unit, its SNMP agent, its conflict monitor and its signal push.

It keeps its own timing, runs its local plan when nobody asks, zeroes what it was asked when the asking stops,
and has a conflict monitor on its lamps that puts it on flash and latches.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Self

from stopline_cabinets.ntcip.feeds import Feed
from stopline_cabinets.snmp.codec import ErrorStatus, Oid, Tag, Value
from stopline_cabinets.words import DARK
from stopline_hil.cards import card_from_plan
from stopline_hil.clock import CabinetClock
from stopline_hil.ntcip.agent import Agent, AgentProfile
from stopline_hil.ntcip.mib import Entry, Mib
from stopline_hil.ntcip.pusher import Pusher
from stopline_hil.ntcip.spat import PORT, Push
from stopline_hil.ntcip.status import status
from stopline_hil.ntcip.tables import constants, controls, parameters
from stopline_hil.ntcip.unit import FLASHING, Unit
from stopline_hil.ntcip.unit_events import UnitEvents
from stopline_mmu import Lamp, Monitor, Violation
from stopline_signals.detectors import DetectorReading
from stopline_signals.plan import Aspect, SignalPlan

PUSH_ENABLE: Oid = (1, 3, 6, 1, 4, 1, 1206, 3, 5, 2, 9, 44, 1, 0)
"""The object with which one vendor's controllers are told to push (0 off, 2, 6); others copied it."""


class NtcipCabinet:
    """One junction's virtual cabinet on its own UDP port (0 = a free one, see `port`).

    `step` is the grid (tenths) on which lamps change: 10 when SUMO, which shows them once a second, is the
    street. `feeds` are the vehicle detectors behind the plan's zones. `spat` is where the signal state is
    pushed to (None: port 6053 of whoever enables it over SNMP), `push` whether it is from the start. `epoch`
    is the Unix time at the clock's zero.

    Raises:
        PlanError: the plan's stages cannot be told apart by phases.
    """

    protocol = "ntcip"

    def __init__(
        self,
        plan: SignalPlan,
        clock: CabinetClock,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        profile: AgentProfile | None = None,
        step: int = 1,
        feeds: Mapping[str, Feed] | None = None,
        spat: tuple[str, int] | None = None,
        push: Push = Push.OFF,
        epoch: float | None = None,
    ) -> None:
        now = clock.tenths()
        self.plan = plan
        self.feeds = dict(feeds or {})
        """The detectors behind the plan's zones, where they are not number n behind the n-th zone."""
        self.host = host
        self.port = port
        self.monitor = Monitor(card_from_plan(plan))
        self.unit = Unit(
            plan,
            now=now,
            epoch=time.time() - now / 10 if epoch is None else epoch,
            step=step,
            feeds=feeds,
            observer=self._observe,
        )
        self._events = UnitEvents(self.unit, now)
        self.pusher = Pusher(self.unit, clock, spat, push)
        self._clock = clock
        self._booted = now
        self.mib = Mib()
        self.mib.add(parameters(self.unit))
        self.mib.add(controls(self.unit))
        self.mib.add(constants(self.unit))
        self.mib.add(status(self.unit, clock.tenths, lambda: self._booted))
        self.mib.add([self._push_entry()])
        self.agent = Agent(self.mib, profile or AgentProfile(), self._catch_up)

    # --- life ---

    async def start(self) -> None:
        """Open the port.

        Raises:
            CabinetError: the port is taken.
        """
        self.port = await self.agent.open(self.host, self.port)
        await self.pusher.start()

    async def stop(self) -> None:
        """Close the port."""
        self.agent.close()
        await self.pusher.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def run(self, interval: float = 0.02) -> None:
        """Tick with the clock until cancelled, looking at it every `interval` wall-clock seconds."""
        while True:
            self.tick(self._clock.tenths())
            await asyncio.sleep(interval)

    def tick(self, now: int) -> None:
        """Bring the cabinet to `now` (tenths)."""
        self.unit.tick(now)
        if self.unit.power:
            self._events.look(now)

    # --- the street side ---

    def set_readings(self, readings: Sequence[DetectorReading]) -> None:
        """What the street's sensors say, aligned with the plan's detectors."""
        self.unit.set_readings(readings)

    def lamps(self) -> tuple[Lamp, ...]:
        """What each group shows the street now."""
        return _lamps(self.unit.aspects)

    @property
    def violations(self) -> list[Violation]:
        """What the conflict monitor has against the lamps."""
        return self.monitor.violations

    @property
    def reads(self) -> int:
        """Requests answered."""
        return self.agent.counters.requests

    @property
    def plans_accepted(self) -> int:
        """SETs carried out."""
        return self.agent.counters.sets

    @property
    def released(self) -> bool:
        """Whether nobody asks for anything."""
        return self.unit.controls.idle

    # --- the panel ---

    def set_manual(self, stage: int | None) -> None:
        """Somebody at the panel asks for a stage (None: leaves the panel)."""
        self.unit.set_manual(stage, self._clock.tenths())

    def set_flash(self, on: bool) -> None:
        """The panel's flash switch; lamps go to flash and come back at safe points."""
        self.unit.panel_flash = on

    def set_stop_time(self, on: bool) -> None:
        """The panel's stop-time switch."""
        self.unit.panel_stop_time = on

    def set_preempt(self, number: int, on: bool) -> None:
        """A wired preempt input, counted from 1."""
        bit = 1 << number - 1
        self.unit.preempts.inputs = self.unit.preempts.inputs & ~bit | (bit if on else 0)

    def edit_by_hand(self, name: str, index: tuple[int, ...], value: Value) -> None:
        """Somebody changes a parameter at the keyboard."""
        self.unit.database.put({(name, index): value})

    def power_off(self) -> None:
        """The lamps go dark and nobody answers."""
        now = self._clock.tenths()
        self.tick(now)
        self.unit.power_off(now)
        self.agent.silent = True
        # The monitor loses its power too: what it timed is void, what it latched is not.
        self.monitor.observe(now, [Lamp.FLASH] * len(self.plan.groups))

    def power_on(self) -> None:
        """Start-up; what the monitor latched stays latched."""
        self._booted = self._clock.tenths()
        self.unit.power_on(self._booted)
        self.agent.silent = False

    def reset_monitor(self) -> None:
        """A technician clears the monitor; the cabinet starts up all red."""
        self.monitor.reset()
        self.unit.reset_monitor(self._clock.tenths())

    def _observe(self, now: int, aspects: tuple[int, ...]) -> None:
        if self.monitor.observe(now, _lamps(aspects)):
            self.unit.trip()

    def _catch_up(self) -> None:
        self.tick(self._clock.tenths())

    def _push_entry(self) -> Entry:
        def write(value: Value) -> None:
            self.pusher.mode = Push(value if isinstance(value, int) else 0)
            if self.pusher.fixed is None and self.agent.sender:
                self.pusher.target = (self.agent.sender, PORT)

        def judge(_tag: int, value: Value) -> ErrorStatus:
            return ErrorStatus.NO_ERROR if value in tuple(Push) else ErrorStatus.WRONG_VALUE

        return Entry(PUSH_ENABLE, Tag.INTEGER, lambda: int(self.pusher.mode), write, judge)


def _lamps(aspects: tuple[int, ...]) -> tuple[Lamp, ...]:
    return tuple(_LAMPS[aspect] for aspect in aspects)


_LAMPS = {FLASHING: Lamp.FLASH, DARK: Lamp.DARK} | {int(aspect): Lamp(int(aspect)) for aspect in Aspect}
