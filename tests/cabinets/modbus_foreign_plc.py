"""A PLC as somebody else would program it: from docs/modbus_map.md alone, on pymodbus, with none of our code.

Two signal groups, A and B, never green together; stage 0 is A, stage 1 is B. It can do stages, nothing more.
Time runs `rate` times as fast as the clock; all times are tenths.
"""

from __future__ import annotations

import asyncio
import struct
import time
import zlib
from collections.abc import Sequence
from typing import Any, cast

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

MIN_GREEN, YELLOW, ALL_RED, LOCAL_GREEN = 50, 30, 20, 100
OK, MISMATCH, CRC, STALE, TIMING, STAGE, OWNER, MAP, FIELD, UNABLE = 1, 2, 3, 4, 5, 6, 7, 8, 10, 11
LOCAL, REMOTE = 1, 2
POWER, MONITOR, TRANSITION, ACTIVE = 1 << 5, 1, 1 << 7, 1 << 8


class Signals:
    """A, yellow, all red, B, yellow, all red, and so on; never faster than its own times."""

    def __init__(self) -> None:
        self.stage = self.wanted = 0
        self.interval, self.since = "green", 0

    def step(self, now: int) -> None:
        lasted = now - self.since
        if self.interval == "green" and lasted >= MIN_GREEN and self.wanted != self.stage:
            self.interval, self.since = "yellow", now
        elif self.interval == "yellow" and lasted >= YELLOW:
            self.interval, self.since = "red", now
        elif self.interval == "red" and lasted >= ALL_RED:
            self.stage = 1 - self.stage
            self.interval, self.since = "green", now

    @property
    def shown_stage(self) -> int:
        """In force, or being entered."""
        return self.stage if self.interval == "green" else 1 - self.stage

    def settled_in(self, now: int) -> int:
        left = {"green": 0, "yellow": YELLOW + ALL_RED, "red": ALL_RED}[self.interval] - (now - self.since)
        return 0 if self.interval == "green" else max(1, left)


class Plc:
    """The program: lease, plan, watchdog, registers."""

    def __init__(self, digest: int, *, rate: float) -> None:
        self._digest = digest
        self._rate = rate
        self._began = time.monotonic()
        self._done = 0
        self.signals = Signals()
        self.owner = self.limit = self.counter = self.fed = 0
        self.label = [0] * 8
        self.active = self.accepted = self.ends = self.active_crc = 0
        self.judged = (0, 0, 0)
        self.updates = self.faults = 0
        self._stage = 0
        self._server: ModbusTcpServer | None = None

    # --- time ---

    @property
    def now(self) -> int:
        return int((time.monotonic() - self._began) * 10 * self._rate)

    def run(self) -> None:
        while self._done < self.now:
            self._done += 1
            if self.owner and self._done - self.fed > self.limit:
                self.owner = self.active = 0
                self.faults |= 4
            if self.active and self._done >= self.ends:
                self.active, self.faults = 0, self.faults | 8
            if self.active:
                self.signals.wanted = self._stage
            elif self.signals.interval == "green" and self._done - self.signals.since >= LOCAL_GREEN:
                self.signals.wanted = 1 - self.signals.stage
            self.signals.step(self._done)
        self.updates = self.updates + 1 & 0xFFFF

    # --- what is written ---

    def plan(self, words: list[int]) -> int:
        """The verdict on a plan block."""
        crc = zlib.crc32(struct.pack(">73H", *words[1:74]))
        verdict = self._verdict(words, crc)
        seq = words[1]
        self.judged = (seq, crc, verdict)
        if verdict == OK and (seq, crc) != (self.accepted, self.active_crc):
            self.accepted, self.active, self.active_crc = seq, seq, crc
            self.ends = self._done + words[5]
            self._stage = two(words, 10).bit_length() - 1
        return verdict

    def _verdict(self, words: list[int], crc: int) -> int:
        if words[0] != 0x0102:
            return MAP
        if words[76] != words[1]:
            return MISMATCH
        if two(words, 74) != crc:
            return CRC
        if not self.owner or two(words, 8) != self.owner:
            return OWNER
        if (words[1], crc) == (self.accepted, self.active_crc) and self.active:
            return OK
        if self.accepted and not 0 < words[1] - self.accepted & 0xFFFF < 0x8000:
            return STALE
        if not words[5] or words[4]:
            return FIELD
        if words[2] != 1 or words[6]:
            return UNABLE
        mask, least, most = two(words, 10), words[12], words[13]
        if mask not in (1, 2):
            return STAGE
        return OK if MIN_GREEN <= least <= most else TIMING

    def lease(self, words: list[int]) -> ExcCodes | None:
        owner, counter = two(words, 0), words[2]
        if self.owner not in (0, owner):
            return ExcCodes.DEVICE_BUSY
        if len(words) == 3 or words[4] == 0:
            if self.owner != owner:
                return ExcCodes.DEVICE_BUSY
            if len(words) == 3:
                self.fed = self._done if counter != self.counter else self.fed
                self.counter = counter
            else:
                self.owner = self.active = 0
            return None
        if not owner or not 10 <= words[3] <= 100:
            return ExcCodes.ILLEGAL_VALUE
        self.owner, self.counter, self.limit, self.label = owner, counter, words[3], words[5:]
        self.fed = self._done
        return None

    # --- what is read ---

    def state(self) -> list[int]:
        now, signals = self._done, self.signals
        words = [0] * 125
        settled_in = signals.settled_in(now)
        flags = MONITOR | POWER | (TRANSITION if settled_in else 0) | (ACTIVE if self.active else 0)
        words[0:4] = 0x0102, self.updates, REMOTE if self.active else LOCAL, flags
        words[4:6] = split(self.faults)
        words[6], words[8], words[9] = self.active, self.judged[0], self.judged[2]
        words[10:14] = *split(self.active_crc if self.active else 0), *split(self.judged[1])
        words[14] = signals.shown_stage
        words[15] = self._stage if self.active else words[14]
        words[16], words[17] = settled_in, 0 if settled_in else now - signals.since
        words[19] = max(0, self.ends - now) if self.active else 0
        showing, resting = 1 << signals.stage, 1 << 1 - signals.stage
        lamps = {"green": 20, "yellow": 24, "red": 26}
        words[27] = resting
        words[lamps[signals.interval] + 1] |= showing
        words[31] = 3
        words[32:35] = self.counter, now - self.fed if self.owner else 0, self.limit if self.owner else 0
        words[35:37] = split(self.owner)
        words[37:41] = *split(now), *split(int(time.time()))
        words[41:46] = 2, 2, 2, *split(self._digest)
        words[47] = self.accepted
        words[48:56] = self.label if self.owner else [0] * 8
        words[124] = self.updates
        return words

    # --- the wire ---

    async def open(self) -> int:
        holding = [block(0, 77), block(100, 13)]
        bits = [SimData(0, count=128, values=False, datatype=DataType.BITS)]
        device = SimDevice(1, (bits, bits, holding, [block(0, 125)]), action=self._asked)
        self._server = ModbusTcpServer(device, address=("127.0.0.1", 0))
        await self._server.serve_forever(background=True)
        listening = cast("asyncio.Server", self._server.transport)
        return int(listening.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            await cast(Any, self._server).shutdown()

    async def _asked(
        self,
        code: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: Sequence[int] | None,
    ) -> ExcCodes | None:
        self.run()
        if values is None:
            if code == 4:
                registers[:125] = self.state()
            return None
        if code != 16:
            return ExcCodes.ILLEGAL_FUNCTION
        if (address, count) == (0, 77):
            return None if self.plan(list(values)) == OK else ExcCodes.ILLEGAL_VALUE
        return self.lease(list(values)) if address == 100 and count in (3, 13) else ExcCodes.ILLEGAL_ADDRESS


def two(words: Sequence[int], at: int) -> int:
    return words[at] << 16 | words[at + 1]


def split(value: int) -> tuple[int, int]:
    return value >> 16 & 0xFFFF, value & 0xFFFF


def block(address: int, count: int) -> SimData:
    return SimData(address, values=[0] * count, datatype=DataType.REGISTERS)
