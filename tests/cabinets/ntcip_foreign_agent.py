"""A controller written only from the object table, on pysnmp: it shares no wire and no timing code with ours.

Two rings, two sides, minimum greens, yellow, red clearance, the phase control masks, the backup timer, one
preempt, and database transactions; nothing more. Time runs `rate` times as fast as the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import cmdrsp, context
from pysnmp.proto import rfc1902, rfc1905
from pysnmp.smi import error
from pysnmp.smi.instrum import AbstractMibInstrumController

from stopline_cabinets.ntcip.objects import objects

SIDES = (({1, 2}, {5, 6}), ({4}, {8}))
RINGS = ((1, 2, 4), (5, 6, 8))
PHASES = (1, 2, 4, 5, 6, 8)
MASKS = ("PhaseOmit", "PedOmit", "Hold", "ForceOff", "VehCall", "PedCall")
GREEN, YELLOW, RED, OFF = "green", "yellow", "red", "off"
MIN_GREEN, CHANGE, CLEAR, LOCAL_GREEN = 50, 30, 20, 120


class Rings:
    """The signals; all times in tenths."""

    def __init__(self) -> None:
        self.now = 0
        self.masks = dict.fromkeys(MASKS, 0)
        self.phase = [2, 6]
        self.interval = [GREEN, GREEN]
        self.since = [0, 0]
        self.preempt = 0

    def run(self, until: int) -> None:
        while self.now < until:
            self.now += 1
            for ring in (0, 1):
                self._step(ring)

    def shown(self, interval: str) -> int:
        return bits(p for p, i in zip(self.phase, self.interval, strict=True) if i == interval)

    @property
    def ons(self) -> int:
        return bits(p for p, i in zip(self.phase, self.interval, strict=True) if i != OFF)

    def _step(self, ring: int) -> None:
        lasted = self.now - self.since[ring]
        interval = self.interval[ring]
        if interval == GREEN and self._must_end(ring, lasted):
            self.masks["ForceOff"] &= ~bits((self.phase[ring],))
            self._enter(ring, YELLOW)
        elif interval == YELLOW and lasted >= CHANGE:
            self._enter(ring, RED)
        elif interval == RED and lasted >= CLEAR:
            self._enter(ring, OFF)
        elif interval == OFF:
            self._start(ring)

    def _must_end(self, ring: int, lasted: int) -> bool:
        own = bits((self.phase[ring],))
        if lasted < MIN_GREEN or self._next(ring) == self.phase[ring]:
            return False
        if self.preempt:
            return True
        free_to_go = lasted >= LOCAL_GREEN and not self.masks["Hold"] & own
        return bool(self.masks["ForceOff"] & own) or free_to_go

    def _next(self, ring: int) -> int:
        """The next phase of the ring that is not omitted; a preempt dwells in 2 and 6."""
        if self.preempt:
            return RINGS[ring][1]
        own = RINGS[ring]
        at = own.index(self.phase[ring])
        for phase in (*own[at + 1 :], *own[: at + 1]):
            if not self.masks["PhaseOmit"] & bits((phase,)):
                return phase
        return self.phase[ring]

    def _start(self, ring: int) -> None:
        phase, other = self._next(ring), 1 - ring
        side = next(number for number, rings in enumerate(SIDES) if phase in rings[ring])
        if self.interval[other] != OFF and self.phase[other] not in SIDES[side][other]:
            return  # the barrier: the other ring has to come over first
        if self.interval[other] == OFF and self._next(other) not in SIDES[side][other]:
            self.phase[other] = RINGS[other][0 if side else 1]  # both rings cross together
        self.phase[ring] = phase
        self._enter(ring, GREEN)

    def _enter(self, ring: int, interval: str) -> None:
        self.interval[ring], self.since[ring] = interval, self.now


def bits(numbers: Any) -> int:
    return sum(1 << number - 1 for number in numbers)


def _same(value: Any) -> Any:
    return value


class ForeignController:
    """The objects, as a dictionary of functions, and the backup timer."""

    def __init__(self, *, rate: float = 1.0, backup: int = 10) -> None:
        self.rings = Rings()
        self.rate = rate
        self.values: dict[str, int] = {
            "unitBackupTime": backup,
            "coordOperationalMode": 0,
            "unitAlarmStatus1": 0,
            "unitAlarmStatus2": 0,
            "systemPatternControl": 0,
            "globalSetIDParameter": 7,
            "dbCreateTransaction": 1,
            "dbVerifyStatus": 2,
            "coordPatternStatus": 254,
            "localFreeStatus": 3,
        }
        self.database: dict[tuple[int, ...], int] = {}
        self.verify_error = b""
        self.sets: list[dict[tuple[int, ...], int]] = []
        self.active = 0
        self.pedestrian_calls = 0
        self.backup_mode = False
        self.presence = 60
        self._fed = -1
        self._began = time.monotonic()
        self.table: dict[tuple[int, ...], Callable[[], Any]] = {}
        self._build()

    # --- time ---

    def tick(self) -> None:
        now = int((time.monotonic() - self._began) * 10 * self.rate)
        limit = self.values["unitBackupTime"] * 10
        if limit and self._fed >= 0 and now - self._fed >= limit:
            self.rings.run(self._fed + limit)
            self.rings.masks = dict.fromkeys(MASKS, 0)
            self.rings.preempt = self.values["systemPatternControl"] = 0
            self.backup_mode, self._fed = True, -1
        self.rings.run(now)

    @property
    def control_status(self) -> int:
        if self.backup_mode:
            return 4
        return 2 if self.values["systemPatternControl"] else 3

    def preempt_state(self) -> int:
        if not self.rings.preempt:
            return 2
        return 6 if self.rings.shown(GREEN) == bits((2, 6)) else 4

    # --- objects ---

    def _build(self) -> None:
        rings = self.rings
        every = bits(PHASES)
        fixed = {
            "maxPhases": 8,
            "maxPreempts": 1,
            "maxVehicleDetectors": 128,
            "maxOverlaps": 0,
            "maxPatterns": 8,
        }
        fixed |= {"volumeOccupancyPeriod": 0, "activeVolumeOccupancyDetectors": 0}
        for name, value in fixed.items():
            self._put(name, partial(int, value))
        for name in self.values:
            self._put(name, partial(self.values.__getitem__, name))
        self._put("unitFlashStatus", lambda: 3 if self.values["systemPatternControl"] == 255 else 2)
        self._put("unitControlStatus", lambda: self.control_status)
        self._put("dbVerifyError", lambda: self.verify_error)
        self._put("preemptDwellPhase", lambda: bytes((2, 6)), 1)
        self._put("preemptMaximumPresence", lambda: self.presence, 1)
        self._put("preemptState", self.preempt_state, 1)
        self._put("preemptControlState", lambda: rings.preempt, 1)
        for mask in MASKS:
            self._put(f"phaseControlGroup{mask}", partial(self._mask, mask), 1)
        status = {
            "Greens": lambda: rings.shown(GREEN),
            "Yellows": lambda: rings.shown(YELLOW),
            "Reds": lambda: every & ~rings.shown(GREEN) & ~rings.shown(YELLOW),
            "Walks": lambda: 0,
            "PedClears": lambda: 0,
            "DontWalks": lambda: every,
            "PhaseOns": lambda: rings.ons,
            "PhaseNexts": lambda: 0,
            "PedCalls": lambda: self.pedestrian_calls,
        }
        for name, read in status.items():
            self._put(f"phaseStatusGroup{name}", read, 1)
        for group in range(1, 17):
            self._put("vehicleDetectorStatusGroupActive", partial(self._detectors, group), group)
            self._put("vehicleDetectorStatusGroupAlarms", lambda: 0, group)
        for phase in range(1, 9):
            self._phase(phase)

    def _mask(self, name: str) -> int:
        return self.rings.masks[name]

    def _detectors(self, group: int) -> int:
        return self.active >> 8 * (group - 1) & 0xFF

    def _phase(self, phase: int) -> None:
        ring = 1 + (phase > 4)
        here = phase in PHASES
        partners = next((bytes(sorted(side[2 - ring])) for side in SIDES if phase in side[ring - 1]), b"")
        rows: dict[str, Any] = {
            "phaseOptions": int(here),
            "phaseRing": ring if here else 0,
            "phaseConcurrency": partners,
            "phaseWalk": 7,
            "phasePedestrianClear": 10,
            "phaseMinimumGreen": MIN_GREEN // 10,
            "phaseYellowChange": CHANGE,
            "phaseRedClear": CLEAR,
        }
        for name, value in rows.items():
            self._put(name, partial(_same, value), phase)

    def _put(self, name: str, read: Callable[[], Any], *index: int) -> None:
        self.table[(*objects()[name].oid, *index)] = read

    # --- reading and writing ---

    def read(self, oid: tuple[int, ...]) -> Any:
        if oid == (1, 3, 6, 1, 2, 1, 1, 1, 0):
            return b"Foreign controller"
        if oid == (1, 3, 6, 1, 2, 1, 1, 3, 0):
            return rfc1902.TimeTicks(self.rings.now * 10)
        if oid in self.database:
            return self.database[oid]
        return self.table[oid]() if oid in self.table else None

    def write(self, pairs: dict[tuple[int, ...], int]) -> None:
        self.sets.append(pairs)
        for oid, value in pairs.items():
            row = next(row for row in objects().values() if oid[: len(row.oid)] == row.oid)
            if row.controls:
                self._fed, self.backup_mode = self.rings.now, False
            if row.name.startswith("phaseControlGroup"):
                self.rings.masks[row.name.removeprefix("phaseControlGroup")] = value
            elif row.name == "preemptControlState":
                self.rings.preempt = value
            elif row.name == "dbCreateTransaction":
                self.values[row.name] = 6 if value == 3 else value
                self.values["dbVerifyStatus"] = 1 if self.verify_error else 2
            elif row.name in self.values:
                self.values[row.name] = value
            else:
                self.database[oid] = value
                self.values["globalSetIDParameter"] += 1

    def writable(self, oid: tuple[int, ...], value: Any) -> bool:
        row = next((row for row in objects().values() if oid[: len(row.oid)] == row.oid), None)
        if row is None or not row.writable:
            return False
        return row.controls or row.name == "dbCreateTransaction" or self.values["dbCreateTransaction"] == 2


class _Instruments(AbstractMibInstrumController):  # type: ignore[misc] # pysnmp has no types
    def __init__(self, controller: ForeignController) -> None:
        self._controller = controller

    def read_variables(self, *pairs: Any, **ctx: Any) -> Any:
        self._controller.tick()
        return [self._binding(name) for name, _ in pairs]

    def write_variables(self, *pairs: Any, **ctx: Any) -> Any:
        self._controller.tick()
        for index, (name, value) in enumerate(pairs):
            # pysnmp leaves the access check to an instrument controller of one's own.
            more = {key: entry for key, entry in ctx.items() if key != "acFun"}
            denied = ctx["acFun"]("write", (name, value), idx=index, **more)
            if denied or not self._controller.writable(tuple(name), value):
                raise error.NotWritableError(name=name, idx=index)
        self._controller.write({tuple(name): int(value) for name, value in pairs})
        return list(pairs)

    def _binding(self, name: Any) -> Any:
        value = self._controller.read(tuple(name))
        if value is None:
            return name, rfc1905.noSuchInstance
        if isinstance(value, bytes):
            value = rfc1902.OctetString(value)
        return name, rfc1902.Integer32(value) if isinstance(value, int) else value


class ForeignAgent:
    """`ForeignController` on a UDP port of its own; v1 and v2c, and v3 for the user `stopline`."""

    def __init__(self, controller: ForeignController) -> None:
        self._engine = engine.SnmpEngine()
        transport = udp.UdpAsyncioTransport().open_server_mode(("127.0.0.1", 0))
        self._transport = transport
        config.add_transport(self._engine, udp.DOMAIN_NAME, transport)
        config.add_v1_system(self._engine, "reader", "public")
        config.add_v1_system(self._engine, "writer", "administrator")
        config.add_v3_user(
            self._engine,
            "stopline",
            config.USM_AUTH_HMAC192_SHA256,
            "authentication",
            config.USM_PRIV_CFB128_AES,
            "privacy-privacy",
        )
        everything, nothing = (1, 3, 6), (1, 3, 6, 1, 6, 3, 99)
        for model in (1, 2):
            config.add_vacm_user(self._engine, model, "reader", "noAuthNoPriv", everything, nothing)
            config.add_vacm_user(self._engine, model, "writer", "noAuthNoPriv", everything, everything)
        config.add_vacm_user(self._engine, 3, "stopline", "authPriv", everything, everything)
        own = context.SnmpContext(self._engine)
        own.unregister_context_name(b"")
        own.register_context_name(b"", _Instruments(controller))
        cmdrsp.GetCommandResponder(self._engine, own)
        cmdrsp.SetCommandResponder(self._engine, own)

    async def port(self) -> int:
        while self._transport.transport is None:
            import asyncio

            await asyncio.sleep(0.01)
        return int(self._transport.transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        self._engine.close_dispatcher()
