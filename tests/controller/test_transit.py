"""A late bus at a controller and its cabinet: a little green, and none once an ambulance comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from stopline_controller.sources import Source
from stopline_signals.priority import (
    Ahead,
    PrioritySettings,
    Progress,
    State,
    TransitSettings,
    VehicleClass,
    VehicleReport,
)
from tests.controller.town import LEFT, MAIN, SIDE, Town

LIMITS = TransitSettings(late=60.0, extension=10.0, early=10.0, kept=12.0, cooldown=60.0)
RULES = PrioritySettings(transit=LIMITS)


def around(allowed: int, present: int) -> int:
    """A policy that leaves every stage as soon as it may."""
    following = [(present + step) % 3 for step in (1, 2)]
    return next((stage for stage in following if allowed >> stage & 1), present)


def report(town: Town, kind: VehicleClass, group: str, eta: float, late: float = 90.0) -> Progress:
    (progress,) = town.priority.report(
        VehicleReport(
            vehicle=str(kind),
            kind=kind,
            sequence=round(10 * town.clock.at),
            ahead=(Ahead("A", group, eta_s=max(eta, 0.1)),) if eta > -1 else (),
            late_s=late,
        )
    )
    return progress


def source(town: Town) -> Source:
    """Who decides now."""
    return town.source


def settled(town: Town, stage: int) -> bool:
    return town.seen.stage == stage and not town.seen.in_transition


def drive(town: Town, eta: float, seconds: float, late: float = 90.0) -> list[tuple[int, Source]]:
    """A bus on the side street, its stage and who decides, tenth by tenth."""
    seen: list[tuple[int, Source]] = []
    for tenth in range(round(10 * seconds)):
        if tenth % 10 == 0:
            report(town, VehicleClass.TRANSIT, "side", eta - tenth / 10 if tenth < 10 * eta else 0.1, late)
        town.tick()
        seen.append((town.seen.stage, town.source))
    return seen


def test_the_cabinet_keeps_the_green_of_a_late_bus_and_no_longer_than_the_extension(tmp_path: Path) -> None:
    with Town(tmp_path, policy=around, priority=RULES) as town:
        town.until(lambda: settled(town, SIDE), 60)
        seen = drive(town, 6.0, 40)
        held = [stage for stage, source in seen if source is Source.TRANSIT]
        assert set(held) == {SIDE}
        assert 10 * LIMITS.extension - 5 <= len(held) <= 10 * LIMITS.extension + 1
        assert seen[-1][1] is Source.POLICY
        assert report(town, VehicleClass.TRANSIT, "side", 0.1).state is State.REJECTED


def test_the_cabinet_begins_the_green_of_a_late_bus_early(tmp_path: Path) -> None:
    with Town(tmp_path, priority=RULES) as town:
        town.until(lambda: settled(town, MAIN), 60)
        town.run(LIMITS.kept)
        seen = drive(town, 8.0, 20)
        assert (SIDE, Source.TRANSIT) in seen, "the policy would have stayed"


def test_a_bus_on_time_changes_nothing_at_the_cabinet(tmp_path: Path) -> None:
    runs: list[list[tuple[int, Source]]] = []
    for name, late in (("on time", 30.0), ("early", -300.0)):
        (tmp_path / name).mkdir()
        with Town(tmp_path / name, policy=around, priority=RULES) as town:
            runs.append(drive(town, 6.0, 60, late))
    assert runs[0] == runs[1]
    with Town(tmp_path, policy=around, priority=RULES) as town:
        alone: list[tuple[int, Source]] = []
        for _ in range(600):
            town.tick()
            alone.append((town.seen.stage, town.source))
    assert alone == runs[0]


@pytest.mark.parametrize("kind", [VehicleClass.FIRE, VehicleClass.AMBULANCE, VehicleClass.POLICE])
def test_an_emergency_vehicle_takes_the_signals_from_a_bus_at_once(
    tmp_path: Path, kind: VehicleClass
) -> None:
    with Town(tmp_path, policy=around, priority=RULES) as town:
        town.until(lambda: settled(town, SIDE), 60)
        drive(town, 6.0, 2)
        assert source(town) is Source.TRANSIT
        report(town, kind, "left", 3.0)
        town.run(0.1)
        assert source(town) is Source.EMERGENCY
        bus = report(town, VehicleClass.TRANSIT, "side", 3.0)
        assert (bus.state, bus.reason) == (State.QUEUED, f"{kind} {kind} goes first")
        while not settled(town, LEFT):
            town.run(0.5)
            report(town, kind, "left", 3.0)
            report(town, VehicleClass.TRANSIT, "side", 3.0)
        town.run(0.1)
        report(town, kind, "left", -1.0)
        town.run(0.1)
        assert report(town, VehicleClass.TRANSIT, "side", 3.0).state is State.COOLDOWN
