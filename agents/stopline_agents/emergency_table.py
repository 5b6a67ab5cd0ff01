"""The table of what priority does: for the emergency vehicles, for everybody else, and for safety."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stopline_agents.controllers import make_controller
from stopline_agents.emergency import Arm, Trip, run_arm
from stopline_agents.emergency_figures import ArmFigures, compared
from stopline_agents.parallel import run_tasks
from stopline_agents.statistics import estimate, ratio
from stopline_envs.emergency_ways import emergency_ways, free_travel_time
from stopline_envs.scenario import Scenario
from stopline_signals.errors import PolicyError

FIRST_S, LAST_S = 300, 540
"""No vehicle is sent in the first of these seconds of a run, nor in the last."""
FEWEST = 5
"""Crossings a movement must have to be named the worst."""
Runs = Sequence[Mapping[Arm, ArmFigures]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyTable:
    """All runs: figures per arm, one entry per seed."""

    scenario: Scenario
    controller: str
    seeds: tuple[int, ...]
    arms: dict[Arm, tuple[ArmFigures, ...]]

    def to_table(self) -> dict[str, Any]:
        """The content of ``emergency.json``: means with 95 % intervals over runs."""
        return {
            "scenario": self.scenario.name,
            "window_s": [self.scenario.begin, self.scenario.end],
            "controller": self.controller,
            "seeds": list(self.seeds),
            "arms": {str(arm): summary(runs) for arm, runs in self.arms.items()},
        }


def evaluate_emergency(
    scenario: Scenario,
    controller: str,
    seeds: Sequence[int],
    *,
    every_s: int = 300,
    jobs: int = 1,
    on_run: Callable[[int], None] = lambda seed: None,
) -> EmergencyTable:
    """Run every arm on every seed, with a vehicle every `every_s` on ways drawn from the seed.

    Raises PolicyError when the scenario is too short for one vehicle.
    """
    make_controller(controller)
    departures_of(scenario, every_s)
    found: dict[int, dict[Arm, ArmFigures]] = {}
    free: dict[tuple[str, ...], float] = {}
    tasks = [(scenario, controller, seed, every_s, free) for seed in seeds]
    for number, figures in run_tasks(compare_arms, tasks, jobs):
        found[seeds[number]] = figures
        on_run(seeds[number])
    arms = {arm: tuple(found[seed][arm] for seed in seeds) for arm in Arm}
    return EmergencyTable(scenario=scenario, controller=controller, seeds=tuple(seeds), arms=arms)


def compare_arms(
    scenario: Scenario,
    controller: str,
    seed: int,
    every_s: int = 300,
    free: dict[tuple[str, ...], float] | None = None,
) -> dict[Arm, ArmFigures]:
    """All arms on one seed; `free` keeps the free travel times of ways over several seeds."""
    free = {} if free is None else free
    departures = departures_of(scenario, every_s)
    ways = emergency_ways(scenario, len(departures), seed)
    trips = [Trip(departs, way) for departs, way in zip(departures, ways, strict=True)]
    free |= {way: free_travel_time(scenario, way) for way in set(ways) - set(free)}
    outcomes = {arm: run_arm(scenario, make_controller(controller), seed, arm, trips) for arm in Arm}
    times = [free[trip.edges] for trip in trips]
    return {arm: compared(outcome, outcomes[Arm.NONE], times) for arm, outcome in outcomes.items()}


def departures_of(scenario: Scenario, every_s: int) -> range:
    """Seconds at which emergency vehicles are sent in; PolicyError when the scenario is too short for one."""
    found = range(scenario.begin + FIRST_S, scenario.end - LAST_S, every_s)
    if not found:
        raise PolicyError(
            f"scenario {scenario.name}: {scenario.duration} s hold no emergency vehicle; it needs more than "
            f"{FIRST_S + LAST_S} s"
        )
    return found


def summary(runs: Sequence[ArmFigures]) -> dict[str, Any]:
    """Means with 95 % intervals over runs of one arm; others' delays as shares of those without priority."""
    means = (
        "near_free",
        "reached",
        "travel_ratio",
        "loss_s",
        "green_lead_s",
        "served_cycles",
        "usual_cycles",
    )
    added = [(run.side_s - run.base_side_s) / max(run.crossings, 1) for run in runs]
    return {
        **{name: estimate([getattr(run, name) for run in runs]).to_table() for name in (*means, "recovered")},
        "loss_saved": ratio(
            [run.base_loss_s - run.loss_s for run in runs], [run.base_loss_s for run in runs]
        ).to_table(),
        "without_stop": ratio([run.without_stop for run in runs], [run.signals for run in runs]).to_table(),
        "side": ratio([r.side_s - r.base_side_s for r in runs], [r.base_side_s for r in runs]).to_table(),
        "added_per_crossing_s": estimate(added).to_table(),
        "worst_movement": _worst_movement(runs),
        "network": ratio(
            [run.others_delay_s - run.base_others_delay_s for run in runs],
            [run.base_others_delay_s for run in runs],
        ).to_table(),
        "vehicles": sum(run.vehicles for run in runs),
        "crossings": sum(run.crossings for run in runs),
        "violations": sum(run.violations for run in runs),
    }


def _worst_movement(runs: Sequence[ArmFigures]) -> dict[str, Any]:
    """The movement with the most added standing time per crossing, over all runs."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for run in runs:
        for name, added in run.movements.items():
            found[name].append(added)
    known = {name: values for name, values in found.items() if len(values) >= min(FEWEST, len(runs))}
    if not known:
        return {"movement": "", "added_s": 0.0}
    worst = max(known, key=lambda name: float(np.mean(known[name])))
    return {"movement": worst, "added_s": estimate(known[worst]).to_table()}
