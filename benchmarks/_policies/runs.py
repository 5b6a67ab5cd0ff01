"""Runs that are kept: each is written down as soon as it ends, so an interrupted table goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stopline_agents.conditions import AS_GIVEN, Conditions, conditions_of
from stopline_agents.evaluate import EXTRAS, run_one
from stopline_agents.parallel import run_tasks
from stopline_envs.scenario import load_scenario
from stopline_signals.errors import SimulationError

POLICY = "bundle"
"""The shipped one."""


@dataclass(frozen=True, slots=True)
class Task:
    """One controller on one map with one seed; `change` names a row of `CHANGES`."""

    scenario: str
    controller: str
    seed: int
    change: str = ""

    @property
    def key(self) -> str:
        """Its name in the file of kept runs."""
        return "|".join((self.scenario, self.controller, str(self.seed), self.change))


CHANGES: dict[str, Conditions] = {
    "": AS_GIVEN,
    "demand -30 %": conditions_of(demand=0.7),
    "demand +30 %": conditions_of(demand=1.3),
    "10 % of detectors dead": conditions_of(dead=0.1),
    "20 % of detectors dead": conditions_of(dead=0.2),
    "30 % of detectors dead": conditions_of(dead=0.3),
    "readings 3 s old": conditions_of(latency=3.0),
    "10 % miscounted": conditions_of(noise=0.1),
    "RESCO rules": conditions_of(resco_rules=True),
}


class Kept:
    """Figures of finished runs, one JSON line each."""

    def __init__(self, path: Path, bundle: str) -> None:
        """Read what an earlier start left.

        Runs of another bundle than this (its hash) are left out, and those of a version with fewer figures.
        """
        self._path, self._bundle = path, bundle
        path.parent.mkdir(parents=True, exist_ok=True)
        self.found: dict[str, dict[str, float]] = {}
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                figures: dict[str, float] = row["figures"]
                if row["bundle"] in ("", bundle) and (not figures or figures.keys() >= set(EXTRAS)):
                    self.found[row["key"]] = figures

    def add(self, task: Task, figures: dict[str, float]) -> None:
        """Keep a run."""
        self.found[task.key] = figures
        bundle = self._bundle if task.controller == POLICY else ""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": task.key, "bundle": bundle, "figures": figures}) + "\n")


def run_all(tasks: Sequence[Task], kept: Kept, jobs: int, tell: Callable[[int, int], None]) -> None:
    """Run what is not kept yet; `tell` hears how many are done of how many."""
    left = [task for task in tasks if task.key not in kept.found]
    found = run_tasks(_run, [(task,) for task in left], jobs)
    for done, (number, figures) in enumerate(found, 1):
        kept.add(left[number], figures)
        tell(len(tasks) - len(left) + done, len(tasks))


def _run(task: Task) -> dict[str, float]:
    """Nothing where a tool that makes the rule's plan fails on the map: the table then says so."""
    try:
        run = run_one(load_scenario(task.scenario), task.controller, task.seed, CHANGES[task.change])
    except SimulationError as error:
        if task.controller != "webster":
            raise
        print(f"{task.key}: {error}", file=sys.stderr)
        return {}
    return {**run.figures, "wall_s": round(run.wall_s, 2)}


def describe(change: str) -> dict[str, object]:
    """The conditions of a row, for the result file."""
    return asdict(CHANGES[change])
