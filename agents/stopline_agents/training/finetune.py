"""Training on from a shipped or own policy on one network: the settings that suit it."""

from __future__ import annotations

from pathlib import Path

from stopline_agents.training.config import TrainConfig
from stopline_agents.training.journal import Journal
from stopline_agents.training.start import SHIPPED_NAME, source_of
from stopline_agents.training.train import read_run
from stopline_envs.network import plans_of
from stopline_envs.scenario import Scenario, load_scenario
from stopline_policy.bundle import read_bundle
from stopline_signals.errors import PolicyError

ROLLOUT = 24576
"""Decisions between two updates, about. A quarter of that, and three times the learning rate, made grid4x4
worse: a policy that is good already needs a clear view of what is better, and small steps."""
MOST_WORKERS = 6
SHORTEST, LONGEST = 128, 1024
"""Bounds of the decisions that one signal takes between two updates."""
TEMPERATURE = 2.5
"""A trained policy, and more so a vote of three, is so sure that it tries next to nothing else: on
arterial4x4 the entropy of what it drew was 0.005, and nothing was learned there."""
UNLIMITED = 50_000_000


def finetune_config(
    scenario: str, *, start: str = SHIPPED_NAME, minutes: float = 15.0, patience: int = 8, seed: int = 1
) -> TrainConfig:
    """A run that trains ``start`` further on one scenario.

    Args:
        scenario: Name or TOML file.
        start: ``bundle`` (the shipped one), a bundle's path or a run's folder.
        minutes: Wall time of learning, at most.
        patience: Validations without a better one after which it stops.
        seed: Of the run.

    Raises:
        PolicyError: The scenario has no signals.
    """
    found = load_scenario(scenario)
    plans = list(plans_of(found).plans.values())
    if not plans:
        raise PolicyError(f"scenario {scenario}: its network has no signals to train on")
    workers = max(1, min(MOST_WORKERS, 32 // len(plans)))
    steps = max(SHORTEST, min(LONGEST, ROLLOUT // (workers * len(plans)))) // 8 * 8
    rollout = workers * len(plans) * steps
    return TrainConfig(
        seed=seed,
        scenario=scenario,
        start=start,
        minutes=minutes,
        patience=patience,
        decisions=UNLIMITED,
        decision_interval=interval_of(start, training=True),
        decides_every=interval_of(start),
        workers=workers,
        slots=len(plans),
        # The whole of it where that is an hour: queues that grew long are part of what is to be learned.
        episode_s=min(3600, found.duration),
        max_groups=max(len(plan.groups) for plan in plans),
        max_stages=max(len(plan.stages) for plan in plans),
        imitation_runs=1,
        temperature=TEMPERATURE,
        n_steps=steps,
        batch_size=rollout // 8,
        epochs=4,
        learning_rate=1e-4,
        clip=0.15,
        entropy=0.001,
        averaging=0.5,
        gamma=0.99,
        gae_lambda=0.97,
        critic_warmup=3,
        # On two seeds the best of a dozen was 15 % better on ingolstadt7, and 1 % on five others.
        validation_networks=4,
        validation_every=6 * rollout,
        checkpoint_every=2 * rollout,
    )


def interval_of(start: str, *, training: bool = False) -> int:
    """Seconds between the decisions of a bundle or run, or those it was trained with: often more.

    Training further keeps to the latter, for every second made a policy that had learned every other worse.
    """
    path = source_of(start)
    if Journal.best_of(path).is_file():
        config = read_run(path)[0]
        return config.decision_interval if training else config.interval
    manifest = read_bundle(path).manifest
    trained = manifest.training.get("config", {}).get("decision_interval") if training else None
    return int(trained or max(1, round(manifest.decision_interval)))


def write_scenario(net: Path, routes: list[Path], begin: int, end: int, path: Path) -> Scenario:
    """A scenario file for a user's network, so that the run's folder says what it was trained on."""
    rows = [
        f'name = "{net.name.removesuffix(".net.xml")}"',
        f'net = "{net.absolute()}"',
        f"routes = [{', '.join(chr(34) + str(route.absolute()) + chr(34) for route in routes)}]",
        f"begin = {begin}",
        f"end = {end}",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return load_scenario(path)
