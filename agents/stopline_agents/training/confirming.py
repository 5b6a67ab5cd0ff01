"""Whether a run's choice is better than what it started from, on traffic that neither was chosen by.

The best of a dozen checkpoints on four seeds is partly luck, and hides what is rare: on ingolstadt7 a network
that was 10 % better on those four let one hour in five jam. So ten further hours of both decide. What is
frequent and what is rare are judged apart, for a single jam hides every other difference in a mean, and ten
hours say little about how often one comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
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
JAM = 1.5
"""An hour in which somebody loses this many times what the start loses in its middle one is a jam."""
LEAST_CALM = 3
"""Hours without a jam that it takes to compare anything."""
REJECTED = "rejected.pt"
"""Where the weights stay that were not better than the start's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """Exact delay of both, s, over the same seeds."""

    start: Estimate
    trained: Estimate

    @property
    def jam_s(self) -> float:
        """From which delay on an hour is a jam."""
        return JAM * median(self.start.per_seed)

    @property
    def jams(self) -> tuple[int, int]:
        """Hours in which the start jams, and in which the trained network does."""
        start, trained = (
            sum(delay > self.jam_s for delay in each.per_seed) for each in (self.start, self.trained)
        )
        return start, trained

    @property
    def calm_difference(self) -> Estimate | None:
        """Trained less start in the hours in which neither jams; None when there are too few."""
        pairs = zip(self.trained.per_seed, self.start.per_seed, strict=True)
        calm = [pair for pair in pairs if max(pair) <= self.jam_s]
        return paired_difference(*zip(*calm, strict=True)) if len(calm) >= LEAST_CALM else None

    @property
    def better(self) -> bool:
        """Whether it jams in no more hours, and loses less in the others with 95 % confidence."""
        start, trained = self.jams
        calm = self.calm_difference
        return trained <= start and calm is not None and calm.high < 0

    def to_table(self) -> dict[str, Any]:
        """As plain data."""
        calm = self.calm_difference
        return {
            "better": self.better,
            "start_s": self.start.to_table(),
            "trained_s": self.trained.to_table(),
            "jams": list(self.jams),
            "calm_difference_s": None if calm is None else calm.to_table(),
        }


def confirm(
    folder: Path, *, seeds: Sequence[int] = SEEDS, jobs: int = 1, report: Report = lambda _: None
) -> Confirmation:
    """Compare a run's best network with its start, and put the start back as the best if it is no better.

    What was compared before is not compared again, and stays rejected.

    Args:
        folder: Of a run on one scenario that started from earlier weights.
        seeds: Of the traffic, for both.
        jobs: Simulations at once.
        report: Told about progress.

    Returns:
        What was found; it is also in the folder's ``best.json``, as ``confirmation``. Where the start is
        the best again that file tells of the start, and of the other network as ``refused``.

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
        found = _found(earlier["start_s"]["per_seed"], earlier["trained_s"]["per_seed"])
    else:
        delays = _delays(config, (journal.start, journal.best), seeds, jobs, report)
        found = _found(delays[: len(seeds)], delays[len(seeds) :])
        _write_down(journal, found, {"seeds": list(seeds), **found.to_table()})
    if not found.better:
        # Again where it was compared before: whatever was killed between the two is made up for.
        journal.replace(journal.best.name, journal.start.read_bytes())
    return found


def _write_down(journal: Journal, found: Confirmation, told: dict[str, Any]) -> None:
    best: dict[str, Any] = journal.read("best.json")
    if not found.better and "refused" not in best:  # else what is the best now is the start already
        journal.replace(REJECTED, journal.best.read_bytes())
        best = {"decisions": 0, "score": None, "delays_s": [], "refused": best}
    journal.write("best.json", {**best, "confirmation": told})


def _found(start: Sequence[float], trained: Sequence[float]) -> Confirmation:
    return Confirmation(start=estimate(start), trained=estimate(trained))


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
