"""Training: imitate a rule, then improve on it with PPO on networks generated from seeds.

Everything a run needs to be repeated or resumed is in its folder: ``config.json``, ``curve.csv``,
``checkpoint.zip``, ``best.pt`` (the network that validated best), TensorBoard events under ``tb``.
"""

from __future__ import annotations

import io
import shutil
import time
from pathlib import Path

import numpy as np
import torch

from stopline_agents.network import StageScorer, scorer_of
from stopline_agents.training.averaging import weights_of
from stopline_agents.training.config import TrainConfig, config_from_table
from stopline_agents.training.environment import make_env
from stopline_agents.training.history import HISTORY, history_of
from stopline_agents.training.imitation import Lessons, collect_lessons, imitate
from stopline_agents.training.journal import Journal
from stopline_agents.training.keeper import Keeper, Progress, Report
from stopline_agents.training.learner import actor_of, decisions_of, learn, load_learner, make_learner
from stopline_agents.training.networks import validation_networks
from stopline_agents.training.resuming import check_same_run, is_spent
from stopline_agents.training.start import start_from, temper
from stopline_signals.errors import PolicyError
from stopline_signals.observation import ObservationLayout

OF_A_RUN = (
    *("state.json", "best.json", "best.pt", "start.pt", "average.pt", "curve.csv", "checkpoint.zip"),
    *("imitation.json", "observations.npz", HISTORY),
)
RECORDED = 10_000
"""Observations kept for the parity check of the export."""


def train(
    config: TrainConfig, folder: Path, *, resume: bool = False, report: Report = lambda _: None
) -> Path:
    """Train and return the path of the best network's weights.

    Args:
        config: The run; to go on for longer, resume with more decisions.
        folder: Of the run; made if absent.
        resume: Go on from the folder's checkpoint when there is one; nothing is done when the run has had
            its decisions or its time.
        report: Told about progress.

    Raises:
        PolicyError: There is nothing to start from, or what is resumed was begun with other settings; the
            folder is then as it was.
    """
    torch.set_num_threads(config.threads)
    journal = Journal(folder)
    going_on = resume and journal.checkpoint.is_file()
    if going_on:
        check_same_run(config, journal)
        if is_spent(config, journal):
            return journal.best
    else:
        history = history_of(config.start, folder)
        _begin(journal)
        journal.write(HISTORY, {"parts": history})
    journal.write("config.json", config.to_table())
    env = make_env(config, folder, _count_restart(journal) if going_on else 0)
    try:
        learner = load_learner(journal.checkpoint, config, env) if going_on else make_learner(config, env)
        if not going_on:
            _prepare(config, journal, actor_of(learner), report)
        networks = validation_networks(config, folder / "validation")
        keeper = Keeper(config, journal, networks, report)
        if decisions_of(learner) < config.decisions:
            learn(learner, config.decisions - decisions_of(learner), keeper, folder / "tb")
            keeper.finish(learner)
    finally:
        env.close()
    return journal.best


def read_run(folder: Path) -> tuple[TrainConfig, StageScorer]:
    """The configuration and the best network of a run."""
    journal = Journal(folder)
    config = config_from_table(journal.read("config.json"), str(folder / "config.json"))
    if not journal.best.is_file():
        raise PolicyError(
            f"{folder}: holds no trained network yet; run `stopline train --out {folder}` first"
        )
    weights = torch.load(journal.best, weights_only=True)
    return config, scorer_of(weights, ObservationLayout(config.max_groups, config.max_stages))


def _begin(journal: Journal) -> None:
    """Forget an earlier run in the same folder: nothing of it may pass for this one's."""
    for name in OF_A_RUN:
        (journal.folder / name).unlink(missing_ok=True)
    for name in ("networks", "validation", "lessons"):
        shutil.rmtree(journal.folder / name, ignore_errors=True)


def _count_restart(journal: Journal) -> int:
    state = journal.read("state.json")
    restarts = int(state.get("restarts", 0)) + 1
    journal.write("state.json", {**state, "restarts": restarts})
    return restarts


def _prepare(config: TrainConfig, journal: Journal, actor: StageScorer, report: Report) -> None:
    """Give the actor its start: earlier weights, or what the teacher does; record observations either way."""
    if config.start:
        start_from(config.start, actor)
        journal.replace(journal.start.name, weights_of(actor))
        temper(actor, config.temperature)
    if config.teacher:
        _imitate(config, journal, actor, report)


def _imitate(config: TrainConfig, journal: Journal, actor: StageScorer, report: Report) -> None:
    def on_run(done: int) -> None:
        report(Progress(phase=f"watching {config.teacher}", done=done, total=config.imitation_runs))

    began = time.monotonic()
    lessons = collect_lessons(config, journal.folder / "lessons", on_run)
    report(Progress(phase=f"imitating {config.teacher}", done=0, total=1))
    agreement = [] if config.start else imitate(actor, lessons, config)
    _record(config, journal, lessons)
    journal.write(
        "imitation.json",
        {
            "teacher": config.teacher,
            "lessons": len(lessons),
            "agreement": agreement,
            "wall_s": time.monotonic() - began,
        },
    )


def _record(config: TrainConfig, journal: Journal, lessons: Lessons) -> None:
    keep = np.random.default_rng(config.seed).permutation(len(lessons))[:RECORDED]
    buffer = io.BytesIO()
    np.savez_compressed(buffer, observations=lessons.observations[keep])
    journal.replace(journal.observations.name, buffer.getvalue())
