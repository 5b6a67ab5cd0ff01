"""A virtual NTCIP cabinet on a clock the test moves, talked to in bytes by numbers written out here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from stopline_cabinets.snmp.codec import (
    Message,
    Oid,
    Pdu,
    Tag,
    Value,
    VarBind,
    decode,
    encode,
    integer,
    null,
)
from stopline_hil.clock import SteppedClock
from stopline_hil.ntcip import AgentProfile, NtcipCabinet
from stopline_mmu import Lamp
from stopline_signals.detectors import DetectorReading
from stopline_signals.plan import Detector, DetectorKind, GroupKind, SignalPlan
from stopline_signals.ring_barrier import Pattern, Phase, dual_ring

NEMA: Oid = (1, 3, 6, 1, 4, 1, 1206, 4, 2)
ASC: Oid = (*NEMA, 1)
OMIT, PED_OMIT, HOLD, FORCE_OFF, VEH_CALL, PED_CALL = ((*ASC, 1, 5, 1, column, 1) for column in range(2, 8))
GREENS, WALKS, PED_CLEARS = ((*ASC, 1, 4, 1, column, 1) for column in (4, 7, 6))
BACKUP_TIME: Oid = (*ASC, 3, 3, 0)
CONTROL_STATUS: Oid = (*ASC, 3, 5, 0)
FLASH_STATUS: Oid = (*ASC, 3, 6, 0)
PATTERN_CONTROL: Oid = (*ASC, 4, 14, 0)
PATTERN_STATUS: Oid = (*ASC, 4, 10, 0)
FREE_STATUS: Oid = (*ASC, 4, 11, 0)
TRANSACTION: Oid = (*NEMA, 6, 2, 1, 0)
SET_ID: Oid = (*NEMA, 6, 1, 1, 0)
FREE = 254


def bits(*numbers: int) -> int:
    """The mask of some phases."""
    return sum(1 << number - 1 for number in numbers)


def nema_plan(pattern: Pattern | None = None, *, arrows: bool = False) -> SignalPlan:
    """Eight phases, pedestrians with 2, 4, 6 and 8, every approach watched; `arrows` flash for the lefts."""
    phases = [
        Phase(
            number=n,
            min_green=50,
            max_green=300,
            passage=30,
            yellow=35,
            red=15,
            walk=70 if n % 2 == 0 else 0,
            ped_clear=100 if n % 2 == 0 else 0,
            permissive_with=(n + 1,) if arrows and n % 2 else (),
        )
        for n in range(1, 9)
    ]
    plan = dual_ring("Main/1st", phases, pattern=pattern).plan()
    detectors: list[Detector] = []
    for index, group in enumerate(plan.groups):
        if group.kind is GroupKind.PEDESTRIAN:
            detectors.append(Detector(f"{group.name} button", DetectorKind.BUTTON, index))
            continue
        detectors.append(Detector(f"{group.name} near", DetectorKind.NEAR_ZONE, index, 0.0, 50.0, 3.0))
        detectors.append(Detector(f"{group.name} far", DetectorKind.FAR_ZONE, index, 50.0, 120.0, 3.0))
    return replace(plan, detectors=tuple(detectors))


class Virtual:
    """One cabinet; `settle` runs it past its start-up."""

    def __init__(
        self, plan: SignalPlan | None = None, *, settle: int = 200, profile: AgentProfile | None = None
    ) -> None:
        self.plan = plan or nema_plan()
        self.clock = SteppedClock(1000)
        self.cabinet = NtcipCabinet(self.plan, self.clock, profile=profile, epoch=1_700_000_000.0)
        self.number = 0
        self.readings = [DetectorReading()] * len(self.plan.detectors)
        self.run(settle)

    @property
    def now(self) -> int:
        return self.clock.tenths()

    def run(self, tenths: int) -> None:
        """Let time pass, a tick each tenth."""
        for _ in range(tenths):
            self.clock.advance(1)
            self.cabinet.tick(self.now)

    def until(self, done: Callable[[], bool], patience: int = 1000) -> int:
        """Run until it is so; how many tenths that took. Fails when patience is over."""
        for passed in range(patience):
            if done():
                return passed
            self.run(1)
        raise AssertionError(f"not within {patience / 10} s; greens {self.greens:08b}")

    def ask(
        self,
        pdu: int,
        bindings: Sequence[VarBind],
        *,
        version: int = 0,
        community: bytes = b"administrator",
        status: int = 0,
        index: int = 0,
    ) -> Message | None:
        """One datagram and its answer."""
        self.number += 1
        message = Message(version, community, pdu, self.number, status, index, tuple(bindings))
        answer = self.cabinet.agent.answer(encode(message))
        return None if answer is None else decode(answer)

    def get(self, oid: Oid) -> Value:
        """One value, by version 1."""
        answer = self.ask(Pdu.GET, [null(oid)])
        assert answer is not None and answer.error_status == 0, f"{oid}: {answer}"
        return answer.bindings[0].value

    def number_at(self, oid: Oid) -> int:
        value = self.get(oid)
        assert isinstance(value, int)
        return value

    def set(self, *pairs: tuple[Oid, int | bytes]) -> int:
        """Set all of it in one message; the error status."""
        bindings = [
            integer(oid, value) if isinstance(value, int) else VarBind(oid, Tag.OCTETS, value)
            for oid, value in pairs
        ]
        answer = self.ask(Pdu.SET, bindings)
        assert answer is not None
        return answer.error_status

    def set_counter(self, oid: Oid, value: int) -> int:
        """Set one counter; the error status."""
        answer = self.ask(Pdu.SET, [VarBind(oid, Tag.COUNTER32, value)])
        assert answer is not None
        return answer.error_status

    def must_set(self, *pairs: tuple[Oid, int | bytes]) -> None:
        assert self.set(*pairs) == 0

    @property
    def greens(self) -> int:
        return self.number_at(GREENS)

    def vehicle(self, *phases: int, far: bool = False) -> None:
        """Vehicles stand at the stop lines (or farther off) of exactly these phases from now on."""
        place = "far" if far else "near"
        wanted = {f"{phase} {place}" for phase in phases}
        for index, detector in enumerate(self.plan.detectors):
            if detector.kind is not DetectorKind.BUTTON:
                self.readings[index] = DetectorReading(int(detector.name in wanted))
        self.cabinet.set_readings(self.readings)

    def press(self, phase: int, down: bool = True) -> None:
        """A button is pressed and stays so."""
        at = [detector.name for detector in self.plan.detectors].index(f"P{phase} button")
        self.readings[at] = DetectorReading(int(down))
        self.cabinet.set_readings(self.readings)

    def lamp(self, group: str) -> Lamp:
        return self.cabinet.lamps()[self.plan.group_index(group)]

    def assert_safe(self) -> None:
        assert self.cabinet.violations == []
