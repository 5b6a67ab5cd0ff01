"""A virtual PLC cabinet behind a real Modbus TCP server, register map 0x0102.

It keeps its own timing, runs its own local plan when nobody (or nobody valid) asks, judges every plan it is
sent, and has a conflict monitor on its lamps that puts it on flash and latches.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from typing import Self, cast

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

from stopline_cabinets.modbus import codec
from stopline_cabinets.modbus.registers import (
    BEAT_LENGTH,
    CONFIG_LENGTH,
    CONFIG_START,
    INPUTS_LENGTH,
    LEASE_LENGTH,
    LEASE_START,
    PLAN_LENGTH,
    STATE_LENGTH,
)
from stopline_cabinets.reference import LIMITS, ReferenceCabinet
from stopline_cabinets.words import DARK, CabinetState, Result
from stopline_hil.cards import card_from_plan
from stopline_hil.clock import CabinetClock
from stopline_hil.modbus_banks import config_bank, input_bank
from stopline_mmu import Lamp, Monitor, Violation
from stopline_signals.detectors import DetectorReading
from stopline_signals.errors import CabinetError
from stopline_signals.plan import SignalPlan

READ_STATE, READ_INPUTS, WRITE_MANY = 4, 2, 16


class PlcCabinet:
    """One junction's virtual cabinet on its own TCP port (0 = a free one, see `port`).

    `step` is the grid (tenths) on which lamps change: 10 when SUMO, which shows them once a second, is the
    street. The clock's time is absolute, so cabinets on one clock keep their offsets. With `tls` it speaks
    Modbus/TCP Security only.
    """

    protocol = "modbus"

    def __init__(
        self,
        plan: SignalPlan,
        clock: CabinetClock,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        device_id: int = 1,
        step: int = 1,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.plan = plan
        self.host = host
        self.port = port
        self.monitor = Monitor(card_from_plan(plan))
        self.power = True
        self.plans_accepted = 0
        self.reads = 0
        self._clock = clock
        self._clock_off = 0.0
        self._step = step
        self.core = self._core(clock.tenths())
        self._device = device_id
        self._updates = 0
        self._label = ""
        self._tls = tls
        self._server: ModbusTcpServer | None = None

    async def start(self) -> None:
        """Open the port.

        Raises:
            CabinetError: the port is taken.
        """
        server = self._new_server()
        try:
            await server.serve_forever(background=True)
        except (RuntimeError, OSError) as error:
            raise CabinetError(
                f"cabinet {self.plan.junction}: cannot open {self.host}:{self.port}"
            ) from error
        self._server = server
        self.port = _bound_port(server)

    async def stop(self) -> None:
        """Close the port and every connection, as a power cut does."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it untyped
            self._server = None

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
        if self.power:
            self.core.tick(now)
            self._updates += 1

    def set_readings(self, readings: Sequence[DetectorReading]) -> None:
        """What the street's sensors say, aligned with the plan's detectors."""
        self.core.set_readings(readings)

    def lamps(self) -> tuple[Lamp, ...]:
        """What each group shows the street now."""
        return _lamps(self.core.aspects) if self.power else (Lamp.DARK,) * len(self.plan.groups)

    def state(self) -> CabinetState:
        """What a controller would read now."""
        now = self._clock.tenths()
        self.tick(now)
        return self.core.state(now)

    @property
    def violations(self) -> list[Violation]:
        """What the conflict monitor has against the lamps."""
        return self.monitor.violations

    @property
    def released(self) -> bool:
        """Whether nobody holds the lease."""
        return self.core.lease is None

    def set_preempt(self, number: int, on: bool) -> None:
        """A wired preempt input, counted from 1."""
        bit = 1 << number - 1
        self.core.preempt_inputs = self.core.preempt_inputs & ~bit | (bit if on else 0)

    def set_manual(self, stage: int | None) -> None:
        """Somebody at the panel asks for a stage (None: leaves the panel)."""
        self.core.set_manual(stage)

    def set_flash(self, on: bool) -> None:
        """The panel's flash switch."""
        self.core.set_flash(on, self._clock.tenths())

    def set_clock(self, epoch: float) -> None:
        """Somebody sets the wall clock; it is shown, and nothing depends on it."""
        self._clock_off = epoch - time.time()

    def trip(self) -> None:
        """The conflict monitor takes the lamps; only a visit gives them back."""
        self.core.set_flash(True, self._clock.tenths(), tripped=True)

    def reset_monitor(self) -> None:
        """A technician clears the monitor; the cabinet starts up all red."""
        self.monitor.reset()
        self.core.set_flash(False, self._clock.tenths())

    async def power_off(self) -> None:
        """The lamps go dark, connections die, and nobody answers."""
        now = self._clock.tenths()
        self.tick(now)
        self.power = False
        # The monitor loses its power too: what it timed is void, what it latched is not.
        self.monitor.observe(now, [Lamp.FLASH] * len(self.plan.groups))
        await self.stop()

    async def power_on(self) -> None:
        """Start-up at the same port."""
        self.power = True
        self.restart()
        await self.start()

    async def load(self, plan: SignalPlan) -> None:
        """A technician loads another program: the PLC starts over with it."""
        await self.power_off()
        self.plan = plan
        self.monitor = Monitor(card_from_plan(plan))
        self.core = self._core(self._clock.tenths())
        await self.power_on()

    def restart(self) -> None:
        """Power comes back: all red, no lease, no plan. What the monitor latched stays latched."""
        self.core.restart(self._clock.tenths())
        if self.monitor.tripped:
            self.core.set_flash(True, self._clock.tenths(), tripped=True)

    def _core(self, now: int) -> ReferenceCabinet:
        return ReferenceCabinet(self.plan, now=now, step=self._step, observer=self._observe)

    def _observe(self, now: int, aspects: tuple[int, ...]) -> None:
        if self.monitor.observe(now, _lamps(aspects)):
            self.core.violations = self.monitor.total
            self.core.set_flash(True, now, tripped=True)

    def _new_server(self) -> ModbusTcpServer:
        address = (self.host, self.port)
        if self._tls is None:
            return ModbusTcpServer(self._sim_device(), address=address)
        # Its own framing of TLS takes a record for a frame; a stream is what the specification has.
        return ModbusTlsServer(
            self._sim_device(), address=address, sslctx=self._tls, framer=FramerType.SOCKET
        )

    def _sim_device(self) -> SimDevice:
        coils = [SimData(0, count=16, values=False, datatype=DataType.BITS)]
        inputs = [SimData(0, count=INPUTS_LENGTH, values=False, datatype=DataType.BITS)]
        holding = [_block(0, [0] * PLAN_LENGTH), _block(LEASE_START, [0] * LEASE_LENGTH)]
        state = [_block(0, [0] * STATE_LENGTH), _block(CONFIG_START, config_bank(self.plan))]
        assert len(config_bank(self.plan)) == CONFIG_LENGTH
        return SimDevice(self._device, (coils, inputs, holding, state), action=self._action)

    async def _action(
        self,
        code: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: Sequence[int] | None,
    ) -> ExcCodes | None:
        """Pymodbus asks before every access: fill what is read, judge what is written."""
        if values is None:
            if code == READ_STATE and address < STATE_LENGTH:
                self.reads += 1
                registers[:STATE_LENGTH] = self.state_registers()
            elif code == READ_INPUTS:
                registers[: -(-INPUTS_LENGTH // 16)] = input_bank(self.state())
            return None
        if code != WRITE_MANY:
            return ExcCodes.ILLEGAL_FUNCTION
        if (address, count) == (0, PLAN_LENGTH):
            return self._plan_written(list(values))
        if address == LEASE_START and count in (BEAT_LENGTH, LEASE_LENGTH):
            return self._lease_written(list(values))
        return ExcCodes.ILLEGAL_ADDRESS

    def state_registers(self) -> list[int]:
        """The state block as it is read now."""
        state = self.state()
        return codec.encode_state(
            state,
            update=self._updates,
            accepted_seq=self.core.accepted_seq,
            label=self._label if state.owner else "",
            epoch=int(time.time() + self._clock_off),
            stages=len(self.plan.stages),
        )

    def _plan_written(self, registers: list[int]) -> ExcCodes | None:
        crc = codec.plan_crc(registers)
        before = self.core.accepted_seq
        try:
            command, owner = codec.decode_plan(registers)
        except codec.PlanFault as fault:
            self.core.refuse(registers[codec.P["seq"]], crc, fault.result)
            return ExcCodes.ILLEGAL_VALUE
        result = self.core.submit(command, owner, crc, self._clock.tenths())
        self.plans_accepted += self.core.accepted_seq != before
        return None if result is Result.ACCEPTED else ExcCodes.ILLEGAL_VALUE

    def _lease_written(self, registers: list[int]) -> ExcCodes | None:
        now = self._clock.tenths()
        owner, counter = codec.get32(registers, 0), registers[2]
        if len(registers) == BEAT_LENGTH:
            return None if self.core.beat(owner, counter, now) else ExcCodes.DEVICE_BUSY
        limit, mode, label = registers[3], registers[4], codec.decode_label(registers[5:])
        if mode == 0:
            return None if self.core.give_back(owner, now) else ExcCodes.DEVICE_BUSY
        if mode != 1 or owner == 0 or limit not in LIMITS:
            return ExcCodes.ILLEGAL_VALUE
        if not self.core.claim(owner, label, limit, counter, now):
            return ExcCodes.DEVICE_BUSY
        self._label = label
        return None


def _lamps(aspects: tuple[int, ...]) -> tuple[Lamp, ...]:
    return tuple(Lamp.FLASH if aspect == DARK else Lamp(aspect) for aspect in aspects)


def _block(address: int, values: list[int]) -> SimData:
    return SimData(address, values=values, datatype=DataType.REGISTERS)


def _bound_port(server: ModbusTcpServer) -> int:
    listening = cast("asyncio.Server", server.transport)  # a client keeps a pipe there
    port: int = listening.sockets[0].getsockname()[1]
    return port
