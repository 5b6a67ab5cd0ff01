"""Learning to act like a rule before learning to do better: a start that PPO alone takes long to find."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from stopline_agents.controllers import make_controller
from stopline_agents.network import StageScorer
from stopline_agents.training.config import TrainConfig
from stopline_agents.training.networks import GeneratedNetworks
from stopline_envs.network import NetworkRun
from stopline_envs.scenario import Scenario
from stopline_policy.inference import Floats
from stopline_policy.seam import JunctionView, Policy, allowed_stages
from stopline_signals.engine import Engine
from stopline_signals.observation import Encoder

FIRST_SEED = 510_000
BATCH = 512


@dataclass(frozen=True, slots=True)
class Lessons:
    """What the teacher was shown and what it did: observations [n, size], stages [n]."""

    observations: Floats
    stages: np.ndarray[tuple[int], np.dtype[np.int64]]

    def __len__(self) -> int:
        return len(self.stages)


def collect_lessons(
    config: TrainConfig, folder: Path, on_run: Callable[[int], None] = lambda done: None
) -> Lessons:
    """Let the teacher drive generated networks; only moments with a choice are kept."""
    teacher = make_controller(config.teacher)
    source = GeneratedNetworks(config, folder)
    parts: list[Lessons] = []
    for number in range(config.imitation_runs):
        seed = FIRST_SEED + 1000 * config.seed + number
        parts.append(_one_run(source(seed), teacher, config, seed))
        on_run(number + 1)
    return Lessons(
        np.concatenate([part.observations for part in parts]), np.concatenate([part.stages for part in parts])
    )


def imitate(scorer: StageScorer, lessons: Lessons, config: TrainConfig) -> list[float]:
    """Fit the scorer to the teacher's choices; the share of equal choices after each epoch."""
    cast(Any, torch).manual_seed(config.seed)
    optimizer = torch.optim.Adam(scorer.parameters(), lr=1e-3)
    observations, stages = torch.as_tensor(lessons.observations), torch.as_tensor(lessons.stages)
    agreement: list[float] = []
    for _ in range(config.imitation_epochs):
        equal = 0
        order = torch.randperm(len(stages))
        for start in range(0, len(stages), BATCH):
            batch = order[start : start + BATCH]
            scores = scorer(observations[batch])
            loss = nn.functional.cross_entropy(scores, stages[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch annotates it so
            cast(Any, optimizer).step()
            equal += int((scores.argmax(1) == stages[batch]).sum())
        agreement.append(equal / len(stages))
    return agreement


def _one_run(scenario: Scenario, teacher: Policy, config: TrainConfig, seed: int) -> Lessons:
    run = NetworkRun(scenario)
    encoders = [Encoder(Engine(plan), config.max_groups, config.max_stages) for plan in run.plans]
    teacher.reset(run.plans)
    chance = random.Random(seed)
    observations: list[Floats] = []
    stages: list[int] = []
    try:
        run.reset(seed)
        while not run.done:
            views = run.views()
            chosen = teacher.decide(views)
            for encoder, view, stage in zip(encoders, views, chosen, strict=True):
                if view.allowed & view.allowed - 1:
                    observations.append(encoder.encode(view.state, view.readings, view.allowed))
                    stages.append(stage)
            run.advance(_with_noise(views, chosen, config.imitation_noise, chance), config.decision_interval)
    finally:
        run.close()
    return Lessons(np.stack(observations), np.asarray(stages, np.int64))


def _with_noise(
    views: Sequence[JunctionView], stages: Sequence[int], share: float, chance: random.Random
) -> list[int]:
    return [
        chance.choice(allowed_stages(view.allowed)) if chance.random() < share else stage
        for view, stage in zip(views, stages, strict=True)
    ]
