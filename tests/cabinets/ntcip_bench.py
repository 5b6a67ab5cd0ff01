"""A plan for `ForeignController`, and drivers on its agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from stopline_cabinets.ntcip import Address, NtcipCabinet, dial
from stopline_cabinets.seam import Cabinet
from stopline_cabinets.words import CabinetState, Kind, PlanCommand, PlanRow, stage_minimum
from stopline_signals.plan import Preempt, SignalPlan
from stopline_signals.ring_barrier import Phase, RingBarrier
from tests.cabinets.ntcip_foreign_agent import PHASES, ForeignAgent, ForeignController

RATE = 5.0
"""How fast the foreign cabinet's clock runs; pysnmp takes milliseconds for an answer."""


def foreign_plan() -> SignalPlan:
    phases = (Phase(number=n, name=f"p{n}", min_green=50, yellow=30, red=20) for n in PHASES)
    plan = RingBarrier(
        junction="Foreign", rings=(((1, 2), (4,)), ((5, 6), (8,))), phases=tuple(phases)
    ).plan()
    return replace(plan, preempts=(Preempt(name="fire", dwell=plan.stage_index("2+6"), max_presence=600),))


class Bench:
    """One foreign cabinet and the drivers made for it."""

    def __init__(self, leases: Path, rate: float = RATE, backup: int = 10) -> None:
        self.plan = foreign_plan()
        self.rate = rate
        self.cabinet = ForeignController(rate=rate, backup=backup)
        self.leases = leases
        self._agent = ForeignAgent(self.cabinet)
        self.port = 0

    async def open(self) -> Bench:
        self.port = await self._agent.port()
        return self

    def close(self) -> None:
        self._agent.close()

    def driver(self, owner: int = 7, label: str = "test", **options: Any) -> NtcipCabinet:
        address = Address(host="127.0.0.1", port=self.port, profile="generic", timeout_s=2.5)
        known: dict[str, Any] = {"rate": self.rate, "poll": 0.1, "lease_dir": self.leases}
        return NtcipCabinet(
            lambda: dial(address),
            self.plan,
            address=f"127.0.0.1:{self.port}",
            owner=owner,
            label=label,
            **(known | options),
        )

    async def pause(self, tenths: int) -> None:
        await asyncio.sleep(tenths / 10 / self.rate)

    async def until(
        self, cabinet: NtcipCabinet, done: Callable[[CabinetState], bool], patience: int = 400
    ) -> CabinetState:
        """Beat and read every 0.4 s of cabinet time until it is done; fails when it never is."""
        for _ in range(0, patience, 4):
            await cabinet.heartbeat()
            state = await cabinet.read()
            if done(state):
                return state
            await self.pause(4)
        raise AssertionError(f"not within {patience / 10} s: {await cabinet.read()}")

    def command(self, cabinet: Cabinet, stage: int, ttl: int = 600) -> PlanCommand:
        row = PlanRow(stage, stage_minimum(self.plan, stage), 3000)
        return PlanCommand(cabinet.next_seq, (row,), ttl)

    def preempt(self, cabinet: NtcipCabinet, number: int = 1, ttl: int = 600) -> PlanCommand:
        return PlanCommand(cabinet.next_seq, (), ttl, kind=Kind.PREEMPT, pattern=number)

    def masks(self) -> dict[str, int]:
        """What is not zero."""
        return {name: value for name, value in self.cabinet.rings.masks.items() if value}


async def held(bench: Bench, stage: str) -> NtcipCabinet:
    """A driver that holds the lease and has asked for a stage."""
    cabinet = bench.driver()
    await cabinet.connect()
    await cabinet.write(bench.command(cabinet, bench.plan.stage_index(stage)))
    return cabinet
