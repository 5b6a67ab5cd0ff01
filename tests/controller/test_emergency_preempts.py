"""An emergency vehicle served by the cabinet's own preempt: asked for as a plan, and gone with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stopline_cabinets.words import Can, Kind, Mode
from stopline_controller.sources import Proposal, Source
from stopline_signals.plan import Preempt
from stopline_signals.priority import Ahead, VehicleClass, VehicleReport
from tests.controller.town import MAIN, PLAN, SIDE, Town, cycle

FIRE = Proposal(Source.EMERGENCY, SIDE, "fire engine", "fire 7")


def test_the_preempt_runs_while_the_vehicle_asks_and_its_exit_is_the_cabinets(tmp_path: Path) -> None:
    with Town(tmp_path, preempts=True) as town:
        town.above = [FIRE]
        town.until(lambda: town.seen.preempt, 2)
        town.until(lambda: town.seen.stage == SIDE and not town.seen.in_transition, 60)
        assert town.step is not None and town.step.order.kind is Kind.PREEMPT
        assert town.source is Source.EMERGENCY and town.seen.mode is Mode.REMOTE
        town.run(20)
        assert town.seen.preempt, "it is asked for again before its plan ends"
        town.above = []
        town.until(lambda: not town.seen.preempt, 90)
        assert town.state.ruling.winner.source is Source.POLICY and town.seen.stage != SIDE


def test_it_ends_with_the_controller(tmp_path: Path) -> None:
    with Town(tmp_path, preempts=True) as town:
        town.above = [FIRE]
        town.until(lambda: town.seen.preempt, 2)
        for _ in range(600):
            town.street.run(1)
        assert (town.seen.mode, town.seen.preempt, town.seen.owner) == (Mode.LOCAL, False, 0)


def test_a_cabinet_without_preempts_is_asked_for_the_stage(tmp_path: Path) -> None:
    with Town(tmp_path, preempts=True, can=Can.NONE, policy=cycle) as town:
        town.above = [FIRE]
        town.until(lambda: town.seen.stage == SIDE and not town.seen.in_transition, 60)
        assert not town.seen.preempt


def test_a_preempt_the_cabinet_does_not_have_is_given_up_for_the_stage(tmp_path: Path) -> None:
    """The controller's plan has one the cabinet's lacks: the vehicle is served all the same."""
    with Town(tmp_path, preempts=True) as town:
        town.street.core._preempts = ()
        town.above = [FIRE]
        town.until(lambda: town.seen.stage == SIDE and not town.seen.in_transition, 60)
        assert not town.seen.preempt


def test_a_railway_is_nobodys_emergency_preempt(tmp_path: Path) -> None:
    plan = replace(PLAN, preempts=(Preempt(name="rail", dwell=SIDE, rail=True),))
    with Town(tmp_path, plan=plan, preempts=True) as town:
        town.above = [FIRE]
        town.until(lambda: town.seen.stage == SIDE and not town.seen.in_transition, 60)
        assert not town.seen.preempt


def test_the_cabinets_own_preempt_outranks_the_vehicle(tmp_path: Path) -> None:
    with Town(tmp_path, preempts=True) as town:
        town.above = [FIRE]
        town.until(lambda: town.seen.stage == SIDE and not town.seen.in_transition, 60)
        town.street.core.preempt_inputs = 1 << MAIN
        town.until(lambda: town.source is Source.RAIL, 60)
        town.until(lambda: town.seen.stage == MAIN and not town.seen.in_transition, 60)
        assert town.seen.active_seq == 0
        town.street.core.preempt_inputs = 0
        town.until(lambda: town.seen.stage == SIDE and town.source is Source.EMERGENCY, 120)


def test_the_policy_is_not_offered_what_would_make_the_vehicle_wait(tmp_path: Path) -> None:
    offered: list[int] = []

    def watching(allowed: int, present: int) -> int:
        offered.append(allowed)
        return present

    with Town(tmp_path, policy=watching) as town:
        town.run(20)
        assert town.seen.stage == MAIN and offered[-1] >> SIDE & 1
        ahead = (Ahead("A", "main", eta_s=12.0),)
        report = VehicleReport(
            vehicle="amb", kind=VehicleClass.AMBULANCE, sequence=1, speed_mps=15.0, ahead=ahead
        )
        town.priority.report(report)
        town.run(2)
        assert town.source is Source.POLICY and offered[-1] == 1 << MAIN
