"""Ways for emergency vehicles through a network, the same whatever the traffic: for paired comparisons."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

from stopline_envs.emergency import EmergencyRun
from stopline_envs.network import plans_of
from stopline_envs.scenario import Scenario
from stopline_envs.simulation import SumoSimulation, libsumo_module
from stopline_signals.errors import ScenarioError

PAIRS = 400
"""Pairs of entry and exit that are looked at."""
LONGEST_SHARE = 0.5
"""Ways with at least this share of the most signals on any way are used."""


def emergency_ways(scenario: Scenario, count: int, seed: int) -> list[tuple[str, ...]]:
    """Ways (edges) from the network's rim to its rim over many signals; the scenario's own one if it has one.

    Raises ScenarioError when no way leads over a signal.
    """
    if scenario.emergency is not None:
        return [scenario.emergency.edges] * count
    rng = random.Random(f"ways {seed}")
    found = _all_ways(scenario, random.Random("ways"))
    if not found:
        raise ScenarioError(f"scenario {scenario.name}: no way for a car leads over a signal")
    most = max(found.values())
    good = sorted(way for way, signals in found.items() if signals >= LONGEST_SHARE * most)
    return [rng.choice(good) for _ in range(count)]


def free_travel_time(scenario: Scenario, edges: tuple[str, ...]) -> float:
    """Seconds the vehicle takes over the way in the empty network with all signals green."""
    empty = replace(scenario, routes=(), begin=0, end=3600, warmup=0)
    simulation = SumoSimulation(empty, 1)
    simulation.start()
    try:
        run = EmergencyRun(empty, vehicle="free", edges=edges, departs=0)
        signals = {name: len(simulation.lamps(name)) for name in plans_of(scenario).plans}
        while not run.gone and simulation.now < empty.end:
            for name, links in signals.items():
                simulation.set_lamps(name, "G" * links)
            run.look(simulation.now)
            simulation.step()
            run.look(simulation.now)
        return run.figures().travel_time_s
    finally:
        simulation.close()


def _all_ways(scenario: Scenario, rng: random.Random) -> dict[tuple[str, ...], int]:
    """Fastest ways in the empty network, with the number of signals on each."""
    connections = [c for c in plans_of(scenario).network.connections if c.source[:1] != ":"]
    turns = {(_edge(c.source), _edge(c.target)): bool(c.tls) for c in connections}
    sources, targets = {a for a, _ in turns}, {b for _, b in turns}
    entries, exits = sorted(sources - targets), sorted(targets - sources)
    pairs = [(a, b) for a in entries for b in exits]
    simulation = SumoSimulation(replace(scenario, routes=()), 1)
    simulation.start()
    try:
        ways = [_way(a, b) for a, b in rng.sample(pairs, min(PAIRS, len(pairs)))]
    finally:
        simulation.close()
    signals = {way: sum(turns.get(pair, False) for pair in pairwise(way)) for way in ways if len(way) > 1}
    return {way: number for way, number in signals.items() if number}


def _way(entry: str, leaving: str) -> tuple[str, ...]:
    """Edges from one to the other; none where cars may not go."""
    sumo: Any = libsumo_module()
    try:
        return tuple(sumo.simulation.findRoute(entry, leaving).edges)
    except sumo.TraCIException:
        return ()


def _edge(lane: str) -> str:
    return lane.rsplit("_", 1)[0]
