"""A railway at both virtual cabinets: over an emergency's preempt, and over everything but flash."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stopline_hil.clock import SteppedClock
from stopline_hil.example import crossroads
from stopline_hil.fitting import cabinet_for
from stopline_hil.modbus_plc import PlcCabinet
from stopline_hil.ntcip import NtcipCabinet
from stopline_signals.plan import Preempt

MAIN, LEFT, SIDE = range(3)
RAIL, FIRE = 0, 1
PLAN = replace(
    crossroads("A"),
    preempts=(
        Preempt(name="rail", dwell=MAIN, track_clear=LEFT, rail=True, priority=2, min_duration=50),
        Preempt(name="fire", dwell=SIDE, priority=1, min_duration=50, max_presence=6000),
    ),
)


class Bench:
    def __init__(self, protocol: str) -> None:
        self.clock = SteppedClock(1000)
        plan = replace(PLAN, junction=protocol)
        cabinet = cabinet_for(protocol, plan, self.clock, host="127.0.0.1", port=0)
        assert isinstance(cabinet, PlcCabinet | NtcipCabinet)
        self.cabinet = cabinet
        self.run(300)

    def run(self, tenths: int) -> None:
        for _ in range(tenths):
            self.clock.advance(1)
            self.cabinet.tick(self.clock.tenths())

    def call(self, preempt: int, on: bool) -> None:
        self.cabinet.set_preempt(preempt + 1, on)

    @property
    def stage(self) -> int:
        if isinstance(self.cabinet, PlcCabinet):
            return self.cabinet.state().stage
        return self.cabinet.unit.state.stage


@pytest.fixture(params=["modbus", "ntcip"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


def test_a_train_takes_the_signals_from_a_fire_engine_and_gives_them_back(bench: Bench) -> None:
    bench.call(FIRE, True)
    bench.run(600)
    assert bench.stage == SIDE
    bench.call(RAIL, True)
    seen: list[int] = []
    for _ in range(900):
        bench.run(1)
        if not seen or seen[-1] != bench.stage:
            seen.append(bench.stage)
    assert seen == [LEFT, MAIN], "track clearance first, then the railway's own stage"
    bench.call(RAIL, False)
    bench.run(1500)
    assert bench.stage == SIDE, "the fire engine still waits"
    assert [str(violation) for violation in bench.cabinet.violations] == []


def test_a_fire_engine_waits_for_the_train(bench: Bench) -> None:
    bench.call(RAIL, True)
    bench.run(900)
    bench.call(FIRE, True)
    bench.run(900)
    assert bench.stage == MAIN
    assert [str(violation) for violation in bench.cabinet.violations] == []
