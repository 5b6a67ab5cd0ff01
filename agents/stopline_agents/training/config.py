"""What a training run is made of; a TOML file may set any field."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from stopline_agents.training.limits import check_limits
from stopline_signals.errors import PolicyError


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One training run; times in seconds."""

    seed: int = 1
    decisions: int = 2_000_000
    """Decisions of PPO, all junctions together."""
    decision_interval: int = 2
    decides_every: int = 0
    """Seconds between decisions where checkpoints are compared, and in a bundle of it; 0: as in training."""
    reward: str = "delay"
    reward_scale: float = 0.03

    workers: int = 4
    """SUMO processes."""
    slots: int = 8
    """Signals of each generated network."""
    networks: int = 150
    """Distinct generated networks; each episode runs one of them with traffic of its own."""
    episode_s: int = 1200
    fullness: tuple[float, float] = (0.3, 0.75)
    """Range of the critical flow ratio of a generated network's busiest signal."""
    light: float = 0.0
    """Share of networks as empty as at night, with a critical flow ratio of `LIGHT`."""
    crossings: float = 0.5
    """Share of networks with pedestrians."""
    all_stages: float = 0.35
    """Share of networks whose signals offer every stage that may be formed, where nobody walks."""
    shared_lefts: float = 0.0
    """Share of networks whose lefts have a green of their own even where they share a lane."""
    fans: float = 0.0
    """Share of networks some of whose streets fan out into more lanes shortly before the stop line."""
    rights: float = 0.0
    """Share of networks, of those where nobody walks, whose rights may go at any time, giving way."""
    kinds: tuple[str, ...] = ()
    """Kinds of networks to draw from, evenly; a kind named twice comes twice as often. Empty: all."""
    dead: tuple[float, float] = (0.0, 0.0)
    """Range of the share of detectors that are dead, and known to be, in `dead_episodes` of the episodes."""
    dead_episodes: float = 0.5
    """Share of episodes with dead detectors; of validation networks as well."""
    own: tuple[str, ...] = ()
    """This project's own scenarios to mix in, by name; each must have exactly `slots` signals."""
    own_share: float = 0.0
    """Share of episodes in one of them, in a time window drawn from the seed."""
    scenario: str = ""
    """Train on this scenario alone, by name or TOML file, in windows of an episode's length; `slots` must be
    its number of signals. Empty: generated networks."""
    max_groups: int = 20
    max_stages: int = 8

    start: str = ""
    """Weights to start from in place of imitation: ``bundle``, a bundle's path or a run's folder."""
    temperature: float = 1.0
    """What their scores are divided by: the same decisions, and more curiosity while it learns."""
    teacher: str = "actuated"
    """Rule imitated before PPO; empty for none."""
    imitation_runs: int = 12
    imitation_noise: float = 0.1
    """Share of random decisions while the teacher drives, so that its mistakes' remedies are seen too."""
    imitation_epochs: int = 6

    n_steps: int = 128
    batch_size: int = 1024
    epochs: int = 4
    learning_rate: float = 5e-4
    gamma: float = 0.985
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy: float = 0.003
    averaging: float = 0.9
    """Weight of the past, per rollout, in the averaged network that is validated and exported."""
    critic_warmup: int = 8
    """Rollouts at the start in which only the critic learns, so that it does not spoil what was imitated."""

    validation_networks: int = 6
    """0: nothing is compared, the newest network counts as the best."""
    validation_every: int = 250_000
    """Decisions between two validations; the best validated network is the one exported."""
    patience: int = 0
    """Stop after this many validations in a row without a better one; 0: never."""
    minutes: float = 0.0
    """Stop learning after this much wall time, earlier parts of the run included; 0: never."""
    checkpoint_every: int = 50_000
    threads: int = 1

    @property
    def interval(self) -> int:
        """Seconds between decisions of the network that comes of it."""
        return self.decides_every or self.decision_interval

    def to_table(self) -> dict[str, Any]:
        """As plain data."""
        return dataclasses.asdict(self)


def load_config(path: Path | None, **overrides: object) -> TrainConfig:
    """Defaults, then the TOML file, then overrides that are not None; PolicyError names unknown fields."""
    table: dict[str, Any] = {}
    if path is not None:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PolicyError(f"{path}: cannot be read as TOML ({error})") from error
    table |= {name: value for name, value in overrides.items() if value is not None}
    return config_from_table(table, str(path or "options"))


def config_from_table(table: dict[str, Any], where: str) -> TrainConfig:
    """A configuration from plain data; PolicyError names every field at fault."""
    fields = {field.name: field for field in dataclasses.fields(TrainConfig)}
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in fields:
            raise PolicyError(f"{where}: unknown field {name!r}; known: {', '.join(sorted(fields))}")
        values[name] = _like(fields[name].default, value, f"{where}: {name}")
    config = TrainConfig(**values)
    check_limits(config, where)
    return config


def _like(default: object, value: object, where: str) -> object:
    """The value as the type of the default."""
    wanted, found = type(default), type(value)
    if wanted is float and found is int:
        return float(cast(int, value))
    if wanted is tuple and found is list:
        entries = cast("list[object]", value)
        return tuple(float(entry) if isinstance(entry, int) else entry for entry in entries)
    if found is not wanted:
        raise PolicyError(f"{where} must be like {default!r}, found {value!r}")
    return value
