"""Evaluation as a product: controllers side by side on one scenario, with the same real seeds.

Every controller meets the same traffic for the same seed, runs under the same rule book and is watched by
the conflict monitor. Figures are means over seeds with bootstrap intervals, and comparisons are paired.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stopline_agents.conditions import AS_GIVEN, Conditions
from stopline_agents.controllers import FIXED_AS_IS, WEBSTER, make_controller
from stopline_agents.parallel import run_tasks
from stopline_agents.running import run_policy, run_program_as_is
from stopline_agents.statistics import Estimate, estimate, paired_difference, sign_flip_p
from stopline_envs.scenario import Scenario
from stopline_envs.webster import retimed
from stopline_signals.errors import PolicyError

Task = tuple[Scenario, str, int, Conditions]

METRICS = ("delay_s", "wait_s", "travel_time_s", "speed_mps", "stops", "unserved", "violations")
"""The figures of the contract, in its order."""
EXTRAS = (
    "vehicles",
    "finished",
    "longest_wait_s",
    "longest_stop_s",
    "deadlocked",
    "worst_approach_s",
    "walkers",
    "walk_wait_s",
    "buses",
    "bus_delay_s",
    "emergencies",
    "emergency_delay_s",
    "co2_g",
    "interventions",
    "decisions",
)
"""Further figures of each row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One controller on one seed."""

    controller: str
    seed: int
    figures: dict[str, float]
    """By the names in METRICS and EXTRAS."""
    wall_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One controller over all seeds."""

    controller: str
    figures: dict[str, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All controllers of one scenario."""

    scenario: Scenario
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    runs: tuple[RunResult, ...]
    conditions: Conditions = AS_GIVEN

    def row(self, controller: str) -> Row:
        """The row of a controller."""
        return next(row for row in self.rows if row.controller == controller)

    def against(self, reference: str, metric: str = "delay_s") -> dict[str, Estimate]:
        """Paired difference of every other controller to the reference; negative is lower."""
        base = self.row(reference).figures[metric].per_seed
        return {
            row.controller: paired_difference(row.figures[metric].per_seed, base)
            for row in self.rows
            if row.controller != reference
        }

    def to_table(self) -> dict[str, Any]:
        """The content of ``evaluation.json``."""
        rows = {r.controller: {name: e.to_table() for name, e in r.figures.items()} for r in self.rows}
        return {
            "scenario": self.scenario.name,
            "seeds": list(self.seeds),
            "controllers": rows,
            "conditions": asdict(self.conditions),
            "window_s": [self.scenario.begin, self.scenario.end],
            "paired_delay_s": {
                row.controller: {
                    name: {**e.to_table(), "p": sign_flip_p(e.per_seed)}
                    for name, e in self.against(row.controller).items()
                }
                for row in self.rows
            },
            "runs": [asdict(run) for run in self.runs],
        }


def evaluate(
    scenario: Scenario,
    controllers: Sequence[str],
    seeds: Sequence[int],
    *,
    conditions: Conditions = AS_GIVEN,
    jobs: int = 1,
    on_run: Callable[[RunResult], None] = lambda run: None,
) -> Evaluation:
    """Run every controller on every seed.

    Args:
        scenario: Network, traffic and time window.
        controllers: Names for `make_controller`, or ``fixed-as-is``.
        seeds: Real SUMO seeds; each is used once per controller.
        conditions: What differs from the scenario as it is, for every controller alike.
        jobs: Processes; each holds one simulation.
        on_run: Called after each run, in the calling process.
    """
    _check(controllers, seeds, conditions)
    tasks = [(scenario, controller, seed, conditions) for seed in seeds for controller in controllers]
    found: dict[tuple[str, int], RunResult] = {}
    for _, run in run_tasks(run_one, tasks, jobs):
        found[run.controller, run.seed] = run
        on_run(run)
    runs = tuple(found[controller, seed] for controller in controllers for seed in seeds)
    rows = tuple(_row(name, [run for run in runs if run.controller == name]) for name in controllers)
    return Evaluation(scenario=scenario, seeds=tuple(seeds), rows=rows, runs=runs, conditions=conditions)


def run_one(scenario: Scenario, controller: str, seed: int, conditions: Conditions = AS_GIVEN) -> RunResult:
    """One controller on one seed, in this process."""
    began = time.perf_counter()
    if controller == FIXED_AS_IS:
        outcome = run_program_as_is(scenario, seed)
    elif controller == WEBSTER:
        with tempfile.TemporaryDirectory() as folder:
            outcome = run_policy(
                retimed(scenario, Path(folder)), make_controller(controller), seed, conditions
            )
    else:
        outcome = run_policy(scenario, make_controller(controller), seed, conditions)
    figures = {
        name: float(getattr(outcome.metrics, name))
        for name in (*METRICS, *EXTRAS)
        if hasattr(outcome.metrics, name)
    }
    figures |= {
        "violations": float(outcome.violations),
        "interventions": float(outcome.interventions),
        "decisions": float(outcome.decisions),
    }
    return RunResult(controller=controller, seed=seed, figures=figures, wall_s=time.perf_counter() - began)


def _row(name: str, runs: Sequence[RunResult]) -> Row:
    return Row(
        controller=name,
        figures={metric: estimate([run.figures[metric] for run in runs]) for metric in (*METRICS, *EXTRAS)},
    )


def _check(controllers: Sequence[str], seeds: Sequence[int], conditions: Conditions) -> None:
    if not controllers or not seeds:
        raise PolicyError("an evaluation needs at least one controller and one seed")
    for what, values in (("controllers", controllers), ("seeds", seeds)):
        if len(set(values)) != len(values):
            raise PolicyError(f"{what} must be different from each other, found {list(values)}")
    if FIXED_AS_IS in controllers and conditions != AS_GIVEN:
        raise PolicyError(f"{FIXED_AS_IS} runs the scenario as it is only; leave it out")
    for name in controllers:
        if name != FIXED_AS_IS:
            make_controller(name)
