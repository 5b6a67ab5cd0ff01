"""libsumo holds one simulation per process: one owner, and errors that carry SUMO's last words."""

from __future__ import annotations

from pathlib import Path

import pytest

from stopline_envs.scenario import scenario_from_files
from stopline_envs.simulation import SumoSimulation, simulation_running
from stopline_signals.errors import SimulationError
from tests.envs.maps import scenario_or_skip


def test_a_second_simulation_in_the_process_is_refused_and_the_first_lives_on() -> None:
    first = SumoSimulation(scenario_or_skip("single"), 1)
    second = SumoSimulation(scenario_or_skip("single"), 2)
    first.start()
    try:
        with pytest.raises(SimulationError, match="already runs scenario single in this process"):
            second.start()
        first.step()
        assert first.now == first.scenario.begin + 1
        assert first.running
        assert not second.running
    finally:
        first.close()
    assert not simulation_running()
    second.start()
    second.close()
    second.close()


def test_a_route_file_sumo_refuses_is_reported_with_its_last_words(tmp_path: Path) -> None:
    routes = tmp_path / "wrong.rou.xml"
    routes.write_text('<routes><vehicle id="v" depart="0"><route edges="nowhere"/></vehicle></routes>')
    scenario = scenario_from_files(scenario_or_skip("single").net, [routes], end=60)
    simulation = SumoSimulation(scenario, 1)
    with pytest.raises(SimulationError, match=r"SUMO did not start: The edge .nowhere. within the route"):
        simulation.start()
        simulation.step()
    simulation.close()
    assert not simulation_running()


def test_figures_without_trips_say_how_to_get_them() -> None:
    simulation = SumoSimulation(scenario_or_skip("single"), 1)
    simulation.start()
    with pytest.raises(SimulationError, match="trips=True"):
        simulation.metrics()
