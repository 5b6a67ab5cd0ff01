"""The Modbus driver: the `Cabinet` seam on register map 0x0102."""

from __future__ import annotations

import asyncio
import ssl

from stopline_cabinets.errors import (
    CabinetError,
    CabinetTimeout,
    LeaseRefused,
    PlanRefused,
    TornRead,
    WrongCabinet,
)
from stopline_cabinets.modbus import codec
from stopline_cabinets.modbus.link import DeviceRefused, Link, LinkState
from stopline_cabinets.modbus.registers import (
    BEAT_LENGTH,
    LABEL_REGISTERS,
    LEASE_START,
    MAP_VERSION,
    STATE_LENGTH,
)
from stopline_cabinets.words import CabinetState, PlanCommand, Receipt, Result, digest32, following
from stopline_signals.plan import SignalPlan

SENDS = 3
"""Most times one plan is put on the wire; before each repetition the cabinet is asked what it knows."""

LOOKS = 5
"""Most reads for one consistent state, or for a verdict that a slow PLC has yet to give."""

LOOK_AGAIN_S = 0.02
BUSY = 6
"""Modbus exception 6: the lease belongs to somebody else."""


class ModbusCabinet:
    """One cabinet behind Modbus TCP; see `Cabinet` for what each method promises.

    `owner` is this controller's lease id (1..0xFFFFFFFF, its own), `label` its name, `limit` the
    silence (tenths of cabinet time) after which the cabinet goes local. `timeout` is wall-clock seconds
    for one answer, `write_timeout` for a plan's verdict with all repetitions. `tls` (see `tls_context`) is
    for cabinets that speak Modbus/TCP Security.
    """

    def __init__(
        self,
        host: str,
        port: int,
        plan: SignalPlan,
        *,
        owner: int,
        label: str = "",
        limit: int = 30,
        device_id: int = 1,
        timeout: float = 0.5,
        write_timeout: float = 2.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.link = Link(host, port, timeout=timeout, tls=tls)
        self._name = f"cabinet {plan.junction} at {host}:{port}"
        self._digest = digest32(plan.digest())
        self._owner = owner
        self._label = label
        self._limit = limit
        self._device = device_id
        self._write_timeout = write_timeout
        self._beats = 0
        self._accepted = 0
        self._checked = 0

    @property
    def name(self) -> str:
        """How messages name this cabinet."""
        return self._name

    @property
    def next_seq(self) -> int:
        """The sequence number the next plan must carry."""
        return following(self._accepted)

    async def connect(self, *, lease: bool = True) -> CabinetState:
        """Check map version and signal plan, learn the sequence, take the lease."""
        self._checked = 0
        await self._state()
        if lease:
            await self._claim()
        return await self.read()

    async def read(self) -> CabinetState:
        """One consistent state; a torn read is repeated."""
        return codec_state(self._name, await self._state())

    async def write(self, command: PlanCommand) -> Receipt:
        """Put the plan on the wire until the cabinet's verdict on it is known."""
        try:
            async with asyncio.timeout(self._write_timeout):
                return await self._deliver(command)
        except TimeoutError:
            text = f"{self._name}: no verdict on plan {command.seq} within {self._write_timeout} s"
            raise CabinetTimeout(text) from None

    async def heartbeat(self) -> None:
        """Move the heartbeat counter."""
        self._beats = following(self._beats)
        beat = [self._owner >> 16, self._owner & 0xFFFF, self._beats]
        assert len(beat) == BEAT_LENGTH
        try:
            await self._send(LEASE_START, beat)
        except DeviceRefused as refusal:
            raise await self._lease_error(refusal) from None

    async def release(self) -> None:
        """Hand back to the local plan."""
        try:
            await self._send(LEASE_START, self._lease_block(mode=0))
        except DeviceRefused:
            return  # no longer ours: it is on its local plan or somebody else's already

    async def close(self) -> None:
        """Drop the connection."""
        await self.link.close()

    async def _deliver(self, command: PlanCommand) -> Receipt:
        frame = codec.encode_plan(command, self._owner)
        crc = codec.plan_crc(frame)
        for sends in range(1, SENDS + 1):
            if sends > 1 and (receipt := await self._look(command.seq, crc, sends - 1)):
                return receipt
            try:
                await self._send(0, frame)
            except DeviceRefused:
                pass  # the verdict register says why
            except CabinetTimeout:
                continue  # outcome unknown: look before sending again
            if receipt := await self._look(command.seq, crc, sends):
                return receipt
        raise CabinetTimeout(
            f"{self._name}: plan {command.seq} sent {SENDS} times, no verdict on it came back"
        )

    async def _claim(self) -> None:
        self._beats = following(self._beats)
        try:
            await self._send(LEASE_START, self._lease_block(mode=1))
        except DeviceRefused as refusal:
            raise await self._lease_error(refusal) from None

    def _lease_block(self, *, mode: int) -> list[int]:
        label = codec.encode_label(self._label)
        assert len(label) == LABEL_REGISTERS
        return [self._owner >> 16, self._owner & 0xFFFF, self._beats, self._limit, mode, *label]

    async def _lease_error(self, refusal: DeviceRefused) -> CabinetError:
        registers = await self._state()
        owner, label = codec_state(self._name, registers).owner, codec.owner_label(registers)
        if owner not in (0, self._owner):
            return LeaseRefused(f"{self._name}: leased by {label or 'unnamed'} (id {owner})", owner, label)
        if refusal.code == BUSY:
            return LeaseRefused(f"{self._name}: the lease ran out; connect again to take it", 0)
        return CabinetError(
            f"{self._name}: lease of {self._limit / 10} s refused, Modbus exception {refusal.code}"
        )

    async def _look(self, seq: int, crc: int, sends: int) -> Receipt | None:
        """The cabinet's verdict on this very plan; None when it has not seen it."""
        for attempt in range(LOOKS):
            if attempt:
                await asyncio.sleep(LOOK_AGAIN_S)
            try:
                state = await self.read()
            except CabinetTimeout:
                continue
            if (state.judged_seq, state.judged_crc) != (seq, crc) or state.result is Result.NONE:
                # The cabinet shows the CRC it computed itself, which is not ours when the frame was damaged.
                if state.judged_seq == seq and state.result is Result.BAD_CRC:
                    return None
                continue
            if state.result is Result.ACCEPTED:
                self._accepted = seq
                return Receipt(seq, crc, state.time, sends)
            raise PlanRefused(f"{self._name}: plan {seq} refused: {_WHY[state.result]}", state.result)
        return None

    async def _state(self) -> list[int]:
        """Registers of one consistent read, checked once per connection to come from the right cabinet."""
        for _ in range(LOOKS):
            answer = await self.link.request(
                lambda client: client.read_input_registers(0, count=STATE_LENGTH, device_id=self._device)
            )
            registers = list(answer.registers)
            if len(registers) != STATE_LENGTH:
                raise CabinetError(f"{self._name}: asked for {STATE_LENGTH} registers, got {len(registers)}")
            if not codec.is_torn(registers):
                self._check(registers)
                return registers
        raise TornRead(
            f"{self._name}: {LOOKS} reads in a row were torn; does it update faster than it answers?"
        )

    def _check(self, registers: list[int]) -> None:
        # A program loaded by hand while the connection stands is another cabinet from then on.
        known = codec.get32(registers, codec.S["plan_digest"]) == self._digest
        if known and self._checked == self.link.connections:
            return
        self._checked = 0
        version = codec.map_version(registers)
        if version != MAP_VERSION:
            swapped = " (bytes are swapped)" if version == 0x0201 else ""
            raise WrongCabinet(
                f"{self._name}: speaks map {version:#06x}{swapped}, this driver {MAP_VERSION:#06x}"
            )
        digest = codec_state(self._name, registers).plan_digest
        if digest != self._digest:
            raise WrongCabinet(
                f"{self._name}: runs signal plan {digest:08x}, this controller was given {self._digest:08x}; "
                "load the same plan on both sides"
            )
        self._accepted = codec.accepted_seq(registers)
        self._checked = self.link.connections

    async def _send(self, address: int, values: list[int]) -> None:
        if self.link.state is not LinkState.READY or self._checked != self.link.connections:
            await self._state()  # a connection just made may lead to another device: never write unseen
        await self.link.request(
            lambda client: client.write_registers(address, values, device_id=self._device)
        )


def codec_state(name: str, registers: list[int]) -> CabinetState:
    """Decode a state, turning what the map does not know into a CabinetError."""
    try:
        return codec.decode_state(registers)
    except codec.StateFault as error:
        raise CabinetError(f"{name}: {error}") from error


_WHY = {
    Result.COMMIT_MISMATCH: "commit differs from seq",
    Result.BAD_CRC: "CRC does not match",
    Result.STALE_SEQUENCE: "stale sequence; connect again to learn the cabinet's",
    Result.UNSAFE_TIMING: "a row's times are outside what the cabinet allows",
    Result.UNKNOWN_STAGE: "a row names a stage the cabinet does not have",
    Result.NOT_OWNER: "this controller does not hold the lease",
    Result.WRONG_MAP: "map version",
    Result.NOT_REMOTE: "the cabinet is starting up, on manual or on flash",
    Result.BAD_FIELD: "a field is outside its range",
    Result.UNABLE: "this cabinet cannot do that",
}
