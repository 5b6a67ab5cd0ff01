"""What a training run may be asked for: bounds by field, and names that must be known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from stopline_agents.controllers import RULES
from stopline_envs.generate.layout import Kind
from stopline_envs.generate.network import MOST_SIGNALS
from stopline_envs.rewards import find_reward
from stopline_signals.errors import PolicyError, StoplineError
from stopline_signals.observation import MAX_GROUPS, MAX_STAGES

if TYPE_CHECKING:
    from stopline_agents.training.config import TrainConfig

TINY = 1e-9
BOUNDS: dict[str, tuple[float, float]] = {
    "seed": (0, 2**31 - 1),
    "decisions": (0, math.inf),
    "decision_interval": (1, 60),
    "decides_every": (0, 60),
    "reward_scale": (TINY, math.inf),
    "workers": (1, 256),
    "slots": (1, MOST_SIGNALS),
    "networks": (1, math.inf),
    "episode_s": (60, 86_400),
    "max_groups": (1, MAX_GROUPS),
    "max_stages": (2, MAX_STAGES),
    "imitation_runs": (1, math.inf),
    "imitation_epochs": (0, math.inf),
    "temperature": (TINY, math.inf),
    "n_steps": (2, math.inf),
    "batch_size": (2, math.inf),
    "epochs": (1, math.inf),
    "learning_rate": (TINY, 1),
    "clip": (TINY, 1),
    "entropy": (0, math.inf),
    "averaging": (0, 1 - TINY),
    "critic_warmup": (0, math.inf),
    "validation_networks": (0, math.inf),
    "validation_every": (1, math.inf),
    "patience": (0, math.inf),
    "minutes": (0, math.inf),
    "checkpoint_every": (1, math.inf),
    "threads": (1, 256),
    **dict.fromkeys(
        ("crossings", "all_stages", "shared_lefts", "fans", "rights", "light", "dead_episodes", "own_share"),
        (0, 1),
    ),
    **dict.fromkeys(("imitation_noise", "gamma", "gae_lambda"), (0, 1)),
}
"""Least and most of each plain number, both allowed."""
PAIRS: dict[str, tuple[float, float]] = {"fullness": (TINY, 2), "dead": (0, 1)}
"""The same of both ends of a range."""


def check_limits(config: TrainConfig, where: str) -> None:
    """PolicyError that names every field at fault and what it may be."""
    faults = [*_numbers(config), *_ranges(config), *_names(config)]
    if faults:
        raise PolicyError(f"{where}: " + "; ".join(faults))


def _numbers(config: TrainConfig) -> Iterator[str]:
    for name, (least, most) in BOUNDS.items():
        value = getattr(config, name)
        if not least <= value <= most:  # also what is not a number
            yield f"{name} must be {_span(least, most)}, not {value}"


def _ranges(config: TrainConfig) -> Iterator[str]:
    for name, (least, most) in PAIRS.items():
        pair: Sequence[Any] = getattr(config, name)
        numbers = [value for value in pair if isinstance(value, float | int)]
        if len(numbers) != 2 or len(pair) != 2 or not least <= numbers[0] <= numbers[1] <= most:
            yield f"{name} must be two numbers, the lower one first, {_span(least, most)}, not {list(pair)}"


def _names(config: TrainConfig) -> Iterator[str]:
    strange = [kind for kind in cast(Sequence[object], config.kinds) if kind not in set(Kind)]
    if strange:
        yield f"kinds may hold {', '.join(Kind)}, not {strange[0]!r}"
    if config.teacher and config.teacher not in RULES:
        yield f"teacher must be one of {', '.join(RULES)} or empty, not {config.teacher!r}"
    if config.own_share and not config.own:
        yield "own_share needs scenarios in own"
    try:
        find_reward(config.reward)
    except StoplineError as error:
        yield f"reward: {error}"


def _span(least: float, most: float) -> str:
    low = "above 0" if least == TINY else f"{least:g} or more"
    if most == 1 - TINY:
        return f"{low} and below 1"
    return low if math.isinf(most) else f"{low} and at most {most:,.10g}"
