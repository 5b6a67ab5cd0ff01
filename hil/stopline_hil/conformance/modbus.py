"""Register map 0x0102 by the letter: what a device shows, and what it must refuse."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence

from stopline_cabinets.modbus import ModbusCabinet, codec
from stopline_cabinets.modbus.registers import (
    BEAT_LENGTH,
    CONFIG_LENGTH,
    CONFIG_START,
    LEASE_START,
    MAP_VERSION,
    PLAN_LENGTH,
    STATE_LENGTH,
)
from stopline_cabinets.seam import Cabinet
from stopline_cabinets.words import PlanCommand, PlanRow, Result, digest32, following, stage_minimum
from stopline_hil.conformance.raw_modbus import READ_HOLDING, READ_INPUT, READ_INPUTS, RawModbus
from stopline_hil.conformance.subject import Checks, Pause
from stopline_hil.modbus_banks import config_bank
from stopline_hil.reports.model import Verdict
from stopline_signals.plan import SignalPlan

MAP_IS_OURS = "map version is 0x0102"
PLAN_IS_GIVEN = "it runs the signal plan given"
OWNER = 0x5E1F
PATIENT_S = 2.0
"""Wall-clock seconds for one answer: what is judged here is what is answered, not how fast."""
CLOCK_OFF_S = 60
"""Seconds a cabinet's wall clock may be off."""
BUSY, NO_ADDRESS, NO_VALUE = 6, 2, 3
LIMIT = 20
"""Heartbeat limit the suite takes its own lease with, tenths."""


class ModbusSubject:
    """A device of the map at an address."""

    stamps_lamps = True
    shows_permissive = True
    identity: tuple[str, ...] = (MAP_IS_OURS, PLAN_IS_GIVEN)

    def __init__(
        self,
        host: str,
        port: int,
        plan: SignalPlan,
        *,
        device: int = 1,
        tls: ssl.SSLContext | None = None,
        rate: float = 1.0,
    ) -> None:
        self.address = f"modbus://{host}:{port}"
        self.plan = plan
        self.rate = rate
        self._host, self._port, self._device, self._tls = host, port, device, tls
        self._beats = 0

    def open(self, owner: int, label: str) -> Cabinet:
        """The Modbus driver."""
        return ModbusCabinet(
            self._host,
            self._port,
            self.plan,
            owner=owner,
            label=label,
            device_id=self._device,
            timeout=PATIENT_S,
            write_timeout=4 * PATIENT_S,
            tls=self._tls,
        )

    async def probe(self, pause: Pause) -> list[Verdict]:
        """Map, identity, state, configuration and inputs, without a write."""
        checks = Checks()
        async with self._raw() as device:
            await checks.attempt("the state block can be read", self._state_is_sound(device, checks, pause))
            await checks.attempt("the configuration can be read", self._configuration(device, checks))
            await checks.attempt("the inputs can be read", self._inputs(device, checks))
            await checks.attempt("the edges of the map", self._edges(device, checks))
        return checks.verdicts

    async def provoke(self, pause: Pause) -> list[Verdict]:
        """Damaged, partial, foreign and stale writes."""
        checks = Checks()
        async with self._raw() as device:
            await checks.attempt("no lease, no plan", self._without_lease(device, checks))
            await checks.attempt("plans are judged", self._judged(device, checks))
            await checks.attempt("blocks are whole", self._whole_blocks(device, checks))
            await checks.attempt("a beat is a new number", self._stuck_counter(device, checks, pause))
            await checks.attempt("half a frame", self._half_a_frame(device, checks))
            await self._give_back(device)
        return checks.verdicts

    def _raw(self) -> RawModbus:
        return RawModbus(self._host, self._port, self._device, self._tls)

    # --- looking ---

    async def _state_is_sound(self, device: RawModbus, checks: Checks, pause: Pause) -> None:
        first = await device.read(READ_INPUT, 0, STATE_LENGTH)
        checks.note(MAP_IS_OURS, first[0] == MAP_VERSION, f"{first[0]:#06x}")
        digest = codec.get32(first, codec.S["plan_digest"])
        wanted = digest32(self.plan.digest())
        checks.note(PLAN_IS_GIVEN, digest == wanted, f"{digest:08x}, not {wanted:08x}")
        for name, count in (
            ("group_count", len(self.plan.groups)),
            ("stage_count", len(self.plan.stages)),
            ("detector_count", len(self.plan.detectors)),
        ):
            checks.note(f"{name} is the plan's", first[codec.S[name]] == count, first[codec.S[name]])
        off = abs(codec.get32(first, codec.S["epoch"]) - time.time())
        checks.note(f"its clock is right to {CLOCK_OFF_S} s", off <= CLOCK_OFF_S, f"{off:.0f} s off")
        reads = [await device.read(READ_INPUT, 0, STATE_LENGTH) for _ in range(20)]
        torn = sum(map(codec.is_torn, reads))
        checks.note("reads are rarely torn", torn <= 5, f"{torn} of 20")
        await pause(10)
        later = await device.read(READ_INPUT, 0, STATE_LENGTH)
        at, number = codec.S["time"], codec.S["state_seq"]
        checks.note("its time runs", codec.get32(later, at) > codec.get32(first, at))
        checks.note("the state's number changes", later[number] != first[number], later[number])
        codec_ok = codec.decode_state(later)
        masks = sum(1 for aspect in codec_ok.aspects if aspect >= 0)
        checks.note("every group shows one aspect", masks == len(self.plan.groups) or codec_ok.flash, masks)

    async def _configuration(self, device: RawModbus, checks: Checks) -> None:
        shown: list[int] = []
        for at in range(0, CONFIG_LENGTH, 100):
            shown += await device.read(READ_INPUT, CONFIG_START + at, min(100, CONFIG_LENGTH - at))
        wanted = config_bank(self.plan)
        wrong = [CONFIG_START + at for at in range(CONFIG_LENGTH) if shown[at] != wanted[at]]
        detail = ", ".join(
            f"{at}: {shown[at - CONFIG_START]}, not {wanted[at - CONFIG_START]}" for at in wrong[:5]
        )
        checks.note("minimums, yellows and clearances are the plan's", not wrong, detail)

    async def _inputs(self, device: RawModbus, checks: Checks) -> None:
        before, bits = 0, -1
        for _ in range(3):  # a moment in between may differ
            if before == bits:
                break
            before = (await device.read(READ_INPUT, 0, STATE_LENGTH))[codec.S["flags"]]
            bits = (await device.read(READ_INPUTS, 0, 16))[0]
        checks.note("discrete inputs are the state's flags", before == bits, f"{bits:#06x}, {before:#06x}")

    async def _edges(self, device: RawModbus, checks: Checks) -> None:
        code = await device.exception(READ_INPUT, 5000, 1)
        checks.note("an address beyond the map is refused (exception 2)", code == NO_ADDRESS, code)

    # --- provoking ---

    async def _without_lease(self, device: RawModbus, checks: Checks) -> None:
        state = await device.read(READ_INPUT, 0, STATE_LENGTH)
        owner = codec.get32(state, codec.S["owner"])
        checks.note("nobody else holds the lease", owner == 0, f"owner {owner}")
        seq = following(state[codec.S["accepted_seq"]])
        code = await device.write(0, self._plan(seq))
        checks.note("a plan without a lease is refused (exception 3)", code == NO_VALUE, code)
        await self._verdict(device, checks, Result.NOT_OWNER)
        code = await device.write(LEASE_START, self._beat(OWNER))
        checks.note("a beat without a lease is refused (exception 6)", code == BUSY, code)

    async def _judged(self, device: RawModbus, checks: Checks) -> None:
        await self._claim(device, checks)
        seq = following((await device.read(READ_INPUT, 0, STATE_LENGTH))[codec.S["accepted_seq"]])
        good = self._plan(seq)
        code = await device.write(0, good)
        checks.note("a sound plan is taken", code == 0, code)
        state = await self._verdict(device, checks, Result.ACCEPTED)
        shown = codec.get32(state, codec.S["judged_crc"])
        checks.note("it shows the CRC it computed", shown == codec.plan_crc(good), f"{shown:08x}")
        held = await device.read(READ_HOLDING, 0, PLAN_LENGTH)
        checks.note("the block reads back as the accepted plan", held == good, "other registers")
        later = self._plan(following(seq))
        damaged = [*later]
        damaged[codec.P["ttl"]] ^= 1
        cases: Sequence[tuple[str, list[int], Result]] = (
            ("a damaged plan is refused", damaged, Result.BAD_CRC),
            ("another commit is refused", _with(later, "commit", seq), Result.COMMIT_MISMATCH),
            ("another map version is refused", _with(later, "map_version", 0x0101), Result.WRONG_MAP),
            ("an old number is refused", self._plan((seq - 1) & 0xFFFF or 0xFFFF), Result.STALE_SEQUENCE),
            ("an unknown kind is refused", _sealed(_with(later, "kind", 99)), Result.BAD_FIELD),
        )
        for requirement, registers, result in cases:
            code = await device.write(0, registers)
            checks.note(f"{requirement} (exception 3)", code == NO_VALUE, code)
            await self._verdict(device, checks, result)
        held = await device.read(READ_HOLDING, 0, PLAN_LENGTH)
        checks.note("nothing of a refused plan is stored", held == good, "other registers")
        code = await device.write(0, good)
        checks.note("the same plan again is the same plan", code == 0, code)

    async def _whole_blocks(self, device: RawModbus, checks: Checks) -> None:
        plan = self._plan(1)
        for requirement, at, registers in (
            ("a part of the plan block is refused", 10, plan[10:14]),
            ("a shifted plan block is refused", 1, plan[1:]),
            ("a part of the lease block is refused", LEASE_START + 3, [20]),
        ):
            code = await device.write(at, registers)
            checks.note(f"{requirement} (exception 2)", code == NO_ADDRESS, code)
        code = await device.write_single(12, 10)
        checks.note("a single register is refused", code != 0, "it was written")

    async def _stuck_counter(self, device: RawModbus, checks: Checks, pause: Pause) -> None:
        await self._claim(device, checks)
        beat = self._beat(OWNER)
        for _ in range(LIMIT // 5 + 3):
            await device.write(LEASE_START, beat)
            await pause(5)
        state = await device.read(READ_INPUT, 0, STATE_LENGTH)
        owner = codec.get32(state, codec.S["owner"])
        checks.note("a counter that does not move is silence", owner == 0, f"owner {owner:#x}")

    async def _half_a_frame(self, device: RawModbus, checks: Checks) -> None:
        async with self._raw() as broken:
            broken.send(bytes.fromhex("00010000000601"))
            state = await device.read(READ_INPUT, 0, STATE_LENGTH)
        checks.note("half a frame holds nobody up", state[0] == MAP_VERSION)

    # --- writing ---

    async def _claim(self, device: RawModbus, checks: Checks) -> None:
        self._beats = following(self._beats)
        block = [OWNER >> 16, OWNER & 0xFFFF, self._beats, LIMIT, 1, *codec.encode_label("conformance")]
        code = await device.write(LEASE_START, block)
        checks.note("the lease can be taken", code == 0, f"exception {code}")

    async def _give_back(self, device: RawModbus) -> None:
        block = [OWNER >> 16, OWNER & 0xFFFF, self._beats, LIMIT, 0, *codec.encode_label("conformance")]
        await asyncio.wait_for(device.write(LEASE_START, block), 5)

    def _beat(self, owner: int) -> list[int]:
        self._beats = following(self._beats)
        beat = [owner >> 16, owner & 0xFFFF, self._beats]
        assert len(beat) == BEAT_LENGTH
        return beat

    def _plan(self, seq: int) -> list[int]:
        row = PlanRow(0, stage_minimum(self.plan, 0), 600)
        return codec.encode_plan(PlanCommand(seq, (row,), 100), OWNER)

    async def _verdict(self, device: RawModbus, checks: Checks, result: Result) -> list[int]:
        state = await device.read(READ_INPUT, 0, STATE_LENGTH)
        shown = state[codec.S["result"]]
        checks.note(f"and `result` says {int(result)}, {result.name.lower()}", shown == result, shown)
        return state


def _with(registers: list[int], field: str, value: int) -> list[int]:
    return [value if at == codec.P[field] else word for at, word in enumerate(registers)]


def _sealed(registers: list[int]) -> list[int]:
    codec.put32(registers, codec.P["crc"], codec.plan_crc(registers))
    return registers
