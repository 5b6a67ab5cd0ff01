"""The table of what priority does: for the emergency vehicles, for everybody else, and for safety."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stopline_agents.controllers import make_controller
from stopline_agents.emergency import Arm, ArmOutcome, Trip, run_arm
from stopline_agents.statistics import estimate
from stopline_envs.emergency_ways import emergency_ways, free_travel_time
from stopline_envs.scenario import Scenario
from stopline_signals.errors import PolicyError

BEFORE_S, AFTER_S = 60, 300
"""Around each crossing, the time in which side effects are counted."""
FIRST_S, LAST_S = 300, 240
"""No vehicle is sent in the first of these seconds of a run, nor in the last."""
NEAR_FREE = 1.15
SAVED = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFigures:
    """One run of one arm, compared with the same traffic without priority.

    `reached` is the share of vehicles within `NEAR_FREE` of the free travel time or with `SAVED` of their
    time loss gone; `side` and `network` are the others' time lost at the crossed junctions around the
    crossings, and the mean delay of all traffic, both as a share more than without priority.
    """

    vehicles: int
    reached: float
    travel_ratio: float
    time_loss_s: float
    without_stop: float
    side: float
    network: float
    violations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyTable:
    """All runs: figures per arm, one entry per seed."""

    scenario: Scenario
    controller: str
    seeds: tuple[int, ...]
    arms: dict[Arm, tuple[ArmFigures, ...]]

    def to_table(self) -> dict[str, Any]:
        """The content of ``emergency.json``: means with 95 % intervals over runs."""
        rows: dict[str, Any] = {}
        for arm, runs in self.arms.items():
            names = ("reached", "travel_ratio", "time_loss_s", "without_stop", "side", "network")
            rows[str(arm)] = {
                **{name: estimate([getattr(run, name) for run in runs]).to_table() for name in names},
                "vehicles": sum(run.vehicles for run in runs),
                "violations": sum(run.violations for run in runs),
            }
        window = [self.scenario.begin, self.scenario.end]
        return {
            "scenario": self.scenario.name,
            "window_s": window,
            "controller": self.controller,
            "seeds": list(self.seeds),
            "arms": rows,
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
    if not list(_departures(scenario, every_s)):
        raise PolicyError(
            f"scenario {scenario.name}: {scenario.duration} s hold no emergency vehicle; it needs more than "
            f"{FIRST_S + LAST_S} s"
        )
    make_controller(controller)
    found: dict[int, dict[Arm, ArmFigures]] = {}
    for seed, figures in _run_all([(scenario, controller, seed, every_s) for seed in seeds], jobs):
        found[seed] = figures
        on_run(seed)
    arms = {arm: tuple(found[seed][arm] for seed in seeds) for arm in Arm}
    return EmergencyTable(scenario=scenario, controller=controller, seeds=tuple(seeds), arms=arms)


def _run_all(
    tasks: Sequence[tuple[Scenario, str, int, int]], jobs: int
) -> Iterator[tuple[int, dict[Arm, ArmFigures]]]:
    if jobs <= 1:
        yield from (_run(*task) for task in tasks)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from (future.result() for future in as_completed([pool.submit(_run, *t) for t in tasks]))


def _run(scenario: Scenario, controller: str, seed: int, every_s: int) -> tuple[int, dict[Arm, ArmFigures]]:
    departures = list(_departures(scenario, every_s))
    ways = emergency_ways(scenario, len(departures), seed)
    trips = [Trip(departs, way) for departs, way in zip(departures, ways, strict=True)]
    free = {way: free_travel_time(scenario, way) for way in set(ways)}
    outcomes = {arm: run_arm(scenario, make_controller(controller), seed, arm, trips) for arm in Arm}
    times = [free[trip.edges] for trip in trips]
    base = outcomes[Arm.NONE]
    return seed, {arm: compared(outcome, base, times) for arm, outcome in outcomes.items()}


def _departures(scenario: Scenario, every_s: int) -> range:
    return range(scenario.begin + FIRST_S, scenario.end - LAST_S, every_s)


def compared(outcome: ArmOutcome, base: ArmOutcome, free_s: Sequence[float]) -> ArmFigures:
    """Figures of one run against the same traffic without priority.

    A vehicle that never got in, or had not arrived by the end, counts as not reached.
    """
    pairs = list(zip(outcome.trips, base.trips, free_s, strict=False))
    ratios = [trip.travel_time_s / free for trip, _, free in pairs]
    reached = [
        trip.arrived and (ratio <= NEAR_FREE or trip.time_loss_s <= (1 - SAVED) * without.time_loss_s)
        for (trip, without, _), ratio in zip(pairs, ratios, strict=True)
    ]
    signals = sum(trip.signals for trip in outcome.trips)
    passed = sum(trip.crossed_without_stop for trip in outcome.trips)
    window = _around(outcome)
    return ArmFigures(
        vehicles=len(pairs),
        reached=sum(reached) / max(len(free_s), 1),
        travel_ratio=float(np.mean(ratios)) if ratios else 0.0,
        time_loss_s=float(np.mean([trip.time_loss_s for trip, _, _ in pairs])) if pairs else 0.0,
        without_stop=passed / signals if signals else 0.0,
        side=float(outcome.lost[window].sum() / max(float(base.lost[window].sum()), 1.0) - 1),
        network=outcome.metrics.delay_s / max(base.metrics.delay_s, 0.1) - 1,
        violations=outcome.violations,
    )


def _around(outcome: ArmOutcome) -> npt.NDArray[np.bool_]:
    """Which (second, junction) lie around a crossing."""
    window = np.zeros(outcome.lost.shape, np.bool_)
    for second, junction in outcome.crossings:
        window[max(0, second - BEFORE_S) : second + AFTER_S, junction] = True
    return window
