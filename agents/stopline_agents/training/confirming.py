"""Whether a run's choice is better than what it started from, on traffic that neither was chosen by.

The best of a dozen checkpoints on four seeds is partly luck, and hides what is rare: on ingolstadt7 a network
that was 10 % better on those four let one hour in five jam. Ten further hours of both decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stopline_agents.network import scorer_of
from stopline_agents.parallel import run_tasks
from stopline_agents.running import run_policy
from stopline_agents.statistics import Estimate, estimate, paired_difference
from stopline_agents.torch_policy import TorchPolicy
from stopline_agents.training.config import TrainConfig
from stopline_agents.training.journal import Journal
from stopline_agents.training.keeper import Progress, Report
from stopline_agents.training.train import read_run
from stopline_envs.scenario import load_scenario
from stopline_signals.errors import PolicyError
from stopline_signals.observation import ObservationLayout

SEEDS = range(1001, 1011)
"""Of the traffic; those of validation and of published tables are others."""
REJECTED = "rejected.pt"
"""Where the weights stay that were not better than the start's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """Exact delay of both, s, over the same seeds."""

    start: Estimate
    trained: Estimate
    difference: Estimate
    """Trained less start."""

    @property
    def better(self) -> bool:
        """Whether it loses less time in the mean of these seeds, jams and all.

        It need not be certain: where what it cures is rare, ten seeds cannot tell. The interval is shown.
        """
        return self.difference.mean < 0

    def to_table(self) -> dict[str, Any]:
        """As plain data."""
        parts = {"start_s": self.start, "trained_s": self.trained, "difference_s": self.difference}
        return {"better": self.better, **{name: part.to_table() for name, part in parts.items()}}


def confirm(
    folder: Path, *, seeds: Sequence[int] = SEEDS, jobs: int = 1, report: Report = lambda _: None
) -> Confirmation:
    """Compare a run's best network with its start, and put the start back as the best if that lost less time.

    What was compared before is not compared again, and stays rejected.

    Args:
        folder: Of a run on one scenario that started from earlier weights.
        seeds: Of the traffic, for both.
        jobs: Simulations at once.
        report: Told about progress.

    Returns:
        What was found; it is also in the folder's ``best.json``, as ``confirmation``.

    Raises:
        PolicyError: The run has no start or no scenario to compare on.
    """
    journal = Journal(folder)
    config = read_run(folder)[0]
    if not (config.scenario and journal.start.is_file()):
        raise PolicyError(
            f"{folder}: nothing to compare: the run was not begun from earlier weights on a scenario"
        )
    earlier = journal.read("best.json").get("confirmation", {})
    if earlier.get("seeds") == list(seeds):
        return _found(earlier["start_s"]["per_seed"], earlier["trained_s"]["per_seed"])
    delays = _delays(config, (journal.start, journal.best), seeds, jobs, report)
    found = _found(delays[: len(seeds)], delays[len(seeds) :])
    if not found.better:
        journal.replace(REJECTED, journal.best.read_bytes())
        journal.replace(journal.best.name, journal.start.read_bytes())
    told = {"seeds": list(seeds), **found.to_table()}
    journal.write("best.json", {**journal.read("best.json"), "confirmation": told})
    return found


def _found(start: Sequence[float], trained: Sequence[float]) -> Confirmation:
    return Confirmation(
        start=estimate(start), trained=estimate(trained), difference=paired_difference(trained, start)
    )


def _delays(
    config: TrainConfig, networks: Sequence[Path], seeds: Sequence[int], jobs: int, report: Report
) -> list[float]:
    tasks: list[tuple[object, ...]] = [(config, weights, seed) for weights in networks for seed in seeds]
    delays: dict[int, float] = {}
    for number, delay in run_tasks(_delay, tasks, jobs):
        delays[number] = delay
        report(Progress(phase="comparing with the start", done=len(delays), total=len(tasks)))
    return [delays[number] for number in range(len(tasks))]


def _delay(config: TrainConfig, weights: Path, seed: int) -> float:
    torch.set_num_threads(config.threads)
    layout = ObservationLayout(config.max_groups, config.max_stages)
    scorer = scorer_of(torch.load(weights, weights_only=True), layout)
    return run_policy(
        load_scenario(config.scenario), TorchPolicy(scorer, config.interval), seed
    ).metrics.delay_s
