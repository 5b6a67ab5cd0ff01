"""Delay is exact: checked against a count kept vehicle by vehicle while the simulation runs."""

from __future__ import annotations

from pathlib import Path

import libsumo
import pytest

from stopline_envs.plans import read_network
from stopline_envs.scenario import Scenario, scenario_from_files
from stopline_envs.simulation import SumoSimulation
from tests.envs.maps import scenario_or_skip

DUE = 200
"""Vehicles of the hand-made case, one a second; one more comes after the end."""


@pytest.fixture
def red(tmp_path: Path) -> tuple[Scenario, str]:
    """A road before a signal that stays red: it fills up, and the rest never gets in."""
    net = scenario_or_skip("single").net
    network = read_network(net)
    way = next(
        c for c in network.connections if c.tls and c.direction == "s" and c.via and c.source[0] != ":"
    )
    edges = f"{way.source.rpartition('_')[0]} {way.target.rpartition('_')[0]}"
    routes = tmp_path / "one_a_second.rou.xml"
    vehicles = [
        f'<vehicle id="v{i}" depart="{i}"><route edges="{edges}"/></vehicle>' for i in [*range(DUE), 400]
    ]
    routes.write_text(f"<routes>{''.join(vehicles)}</routes>")
    return scenario_from_files(net, [routes], end=DUE), way.tls


def test_vehicles_never_inserted_count_up_to_the_end(red: tuple[Scenario, str]) -> None:
    scenario, signal = red
    simulation = SumoSimulation(scenario, 1, trips=True)
    simulation.start()
    entered: dict[str, float] = {}
    losses: dict[str, float] = {}
    while simulation.now < scenario.end:
        simulation.set_lamps(signal, "r" * len(simulation.lamps(signal)))
        simulation.step()
        for name in libsumo.simulation.getDepartedIDList():
            # A vehicle inserted in the step from t to t + 1 departs at t.
            entered[name] = simulation.now - 1
        losses = {name: libsumo.vehicle.getTimeLoss(name) for name in libsumo.vehicle.getIDList()}
    figures = simulation.metrics()

    delays = [losses[name] + at - int(name[1:]) for name, at in entered.items()]
    never = [DUE - i for i in range(DUE) if f"v{i}" not in entered]
    assert len(never) > 50
    assert figures.unserved == len(never)
    assert figures.vehicles == DUE
    assert figures.finished == 0
    assert figures.delay_s == pytest.approx((sum(delays) + sum(never)) / DUE, abs=0.02)


def test_a_vehicle_due_after_the_end_does_not_count(red: tuple[Scenario, str]) -> None:
    scenario, _ = red
    simulation = SumoSimulation(scenario.between(end=10), 1, trips=True)
    simulation.start()
    while simulation.now < 10:
        simulation.step()
    assert simulation.metrics().vehicles == 10


def test_finished_trips_agree_with_a_count_on_the_way() -> None:
    scenario = scenario_or_skip("arterial", 400)
    simulation = SumoSimulation(scenario, 5, trips=True)
    simulation.start()
    losses: dict[str, float] = {}
    delays: dict[str, float] = {}
    arrived: set[str] = set()
    while simulation.now < scenario.end:
        simulation.step()
        for name in libsumo.vehicle.getIDList():
            losses[name] = libsumo.vehicle.getTimeLoss(name)
            delays[name] = libsumo.vehicle.getDepartDelay(name)
        arrived |= set(libsumo.simulation.getArrivedIDList())
    waiting = len(libsumo.simulation.getPendingVehicles())
    figures = simulation.metrics()
    assert figures.finished == len(arrived)
    assert figures.vehicles == len(losses) + waiting
    # A vehicle's last fraction of a second before it leaves is not seen from outside.
    assert figures.delay_s == pytest.approx(
        (sum(losses.values()) + sum(delays.values())) / len(losses), abs=0.5
    )


def test_the_longest_standstill_is_seen(red: tuple[Scenario, str]) -> None:
    scenario, signal = red
    simulation = SumoSimulation(scenario, 1, trips=True)
    simulation.start()
    while simulation.now < scenario.end:
        simulation.set_lamps(signal, "r" * len(simulation.lamps(signal)))
        simulation.step()
    figures = simulation.metrics()
    assert figures.longest_stop_s > 120
    assert figures.longest_stop_s == pytest.approx(figures.longest_wait_s, abs=10)


def test_the_worst_approach_is_the_one_that_stays_red(red: tuple[Scenario, str]) -> None:
    scenario, signal = red
    found: dict[bool, float] = {}
    for stays_red in (True, False):
        simulation = SumoSimulation(scenario, 1, trips=True)
        simulation.start()
        while simulation.now < scenario.end:
            count = len(simulation.lamps(signal))
            # The last minute is green, so that somebody has left the approach.
            green = not stays_red or simulation.now > DUE - 60
            simulation.set_lamps(signal, ("G" if green else "r") * count)
            simulation.step()
        found[stays_red] = simulation.metrics().worst_approach_s
    assert found[True] > 10 * max(found[False], 1.0)


def test_buses_and_emissions_are_told_apart(tmp_path: Path) -> None:
    net = scenario_or_skip("single").net
    way = next(
        c
        for c in read_network(net).connections
        if c.tls and c.direction == "s" and c.via and c.source[0] != ":"
    )
    edges = f"{way.source.rpartition('_')[0]} {way.target.rpartition('_')[0]}"
    routes = tmp_path / "both.rou.xml"
    rows = [
        f'<vehicle id="v{i}" depart="{5 * i}" type="{kind}"><route edges="{edges}"/></vehicle>'
        for i, kind in enumerate(("bus", "car") * 5)
    ]
    types = '<vType id="bus" vClass="bus"/><vType id="car"/>'
    routes.write_text(f"<routes>{types}{''.join(rows)}</routes>")
    options = ("--device.emissions.probability", "1")
    simulation = SumoSimulation(scenario_from_files(net, [routes], end=120), 1, trips=True, options=options)
    simulation.start()
    while simulation.now < 120:
        simulation.step()
    figures = simulation.metrics()
    assert figures.buses == 5 and figures.vehicles == 10 and figures.emergencies == 0
    assert figures.bus_delay_s > 0 and figures.co2_g > 0
