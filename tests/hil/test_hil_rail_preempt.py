"""A railway at both virtual cabinets: over everything but the cabinet's own manual and flash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from stopline_cabinets.words import Kind, PlanCommand, PlanRow, Result
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
        self.commands: Callable[[], None] = lambda: None
        self._plans = 0
        self.run(300)

    def run(self, tenths: int) -> None:
        for _ in range(tenths):
            self.clock.advance(1)
            if self.clock.tenths() % 20 == 0:
                self.commands()
            self.cabinet.tick(self.clock.tenths())

    def call(self, preempt: int, on: bool) -> None:
        self.cabinet.set_preempt(preempt + 1, on)

    def stages(self, tenths: int) -> list[int]:
        """The stages gone through from now on, the present one first."""
        found = [self.stage]
        for _ in range(tenths):
            self.run(1)
            if self.stage != found[-1]:
                found.append(self.stage)
        return found

    def flash(self, on: bool) -> None:
        self.cabinet.set_flash(on)

    def trip(self) -> None:
        self.cabinet.trip() if isinstance(self.cabinet, PlcCabinet) else self.cabinet.unit.trip()

    def manual(self, stage: int | None) -> None:
        self.cabinet.set_manual(stage)

    def command(self, flash: bool) -> None:
        """What a controller asks for from now on: flash, or the side street's stage."""
        self.commands = self._flash_command if flash else self._stage_command
        self._plans = 0

    def _flash_command(self) -> None:
        if isinstance(self.cabinet, PlcCabinet):
            self._submit(PlanCommand(self._plans + 1, (), 3000, kind=Kind.FLASH))
        else:
            self.cabinet.unit.set_control("systemPatternControl", 0, 255)

    def _stage_command(self) -> None:
        if isinstance(self.cabinet, PlcCabinet):
            self._submit(PlanCommand(self._plans + 1, (PlanRow(SIDE, 100, 3000),), 3000))
            return
        unit = self.cabinet.unit
        phases, every = unit.phases.stages[SIDE], sum(1 << number - 1 for number in unit.phases.numbers)
        unit.set_control("systemPatternControl", 0, 254)
        for mask, value in (("VehCall", phases), ("Hold", phases), ("PhaseOmit", every & ~phases)):
            unit.set_control(f"phaseControlGroup{mask}", 1, value)
        unit.set_control("phaseControlGroupForceOff", 1, unit.lamps.shown.greens & ~phases)

    def _submit(self, command: PlanCommand) -> None:
        assert isinstance(self.cabinet, PlcCabinet)
        core, now = self.cabinet.core, self.clock.tenths()
        core.claim(7, "us", 100, now, now)
        if core.submit(command, 7, now, now) is Result.ACCEPTED:
            self._plans += 1

    @property
    def flashing(self) -> bool:
        if isinstance(self.cabinet, PlcCabinet):
            return self.cabinet.core.flashing
        return not self.cabinet.unit.lit

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
    assert bench.stages(900) == [SIDE, LEFT, MAIN], "track clearance first, then the railway's own stage"
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


def test_the_panel_has_the_signals_even_while_a_train_comes(bench: Bench) -> None:
    """Who stands there sees the street; once they leave, the track is cleared before the train goes."""
    bench.call(RAIL, True)
    bench.run(900)
    assert bench.stage == MAIN
    bench.manual(SIDE)
    assert bench.stages(900)[-1] == SIDE
    bench.manual(None)
    assert bench.stages(900) == [SIDE, LEFT, MAIN]
    assert [str(violation) for violation in bench.cabinet.violations] == []


def test_a_train_does_not_take_the_signals_from_the_panel(bench: Bench) -> None:
    bench.manual(SIDE)
    bench.run(600)
    bench.call(RAIL, True)
    assert bench.stages(900) == [SIDE]


def test_the_panels_flash_goes_on_while_a_train_comes(bench: Bench) -> None:
    bench.call(RAIL, True)
    bench.run(900)
    bench.flash(True)
    bench.run(600)
    assert bench.flashing
    bench.run(600)
    assert bench.flashing
    bench.flash(False)
    assert bench.stages(1500)[-2:] == [LEFT, MAIN], "after its start-up the track is cleared anew"
    assert [str(violation) for violation in bench.cabinet.violations] == []


def test_the_monitors_flash_goes_on_while_a_train_comes(bench: Bench) -> None:
    bench.trip()
    bench.call(RAIL, True)
    bench.run(900)
    assert bench.flashing


def test_a_train_ends_flash_that_a_controller_asked_for(bench: Bench) -> None:
    bench.command(flash=True)
    bench.run(600)
    assert bench.flashing
    bench.call(RAIL, True)
    stages = bench.stages(1500)
    assert not bench.flashing and stages[-2:] == [LEFT, MAIN]
    assert [str(violation) for violation in bench.cabinet.violations] == []


def test_a_train_takes_the_signals_from_an_operator(bench: Bench) -> None:
    """Whatever this controller asks for, by a plan or by the masks of phases."""
    bench.command(flash=False)
    bench.run(300)
    assert bench.stage == SIDE
    bench.call(RAIL, True)
    assert bench.stages(900)[-1] == MAIN
    assert [str(violation) for violation in bench.cabinet.violations] == []
