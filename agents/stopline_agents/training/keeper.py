"""What happens between rollouts: checkpoints, validation, the curve, the critic's warm-up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from stopline_agents.network import StageScorer
from stopline_agents.torch_policy import TorchPolicy
from stopline_agents.training.averaging import Average, weights_of
from stopline_agents.training.config import TrainConfig
from stopline_agents.training.journal import Journal
from stopline_agents.training.learner import actor_of, decisions_of, logged, mean_reward, save_learner
from stopline_agents.training.validation import Validation, validate
from stopline_envs.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run is, for a display."""

    phase: str
    done: int
    total: int
    note: str = ""


Report = Callable[[Progress], None]


class Keeper(BaseCallback):
    """Keeps a run's folder up to date, so that a kill loses at most one checkpoint's work."""

    def __init__(
        self, config: TrainConfig, journal: Journal, networks: list[Scenario], report: Report
    ) -> None:
        """Go on from what the folder says about earlier parts of the run."""
        super().__init__()
        self._config, self._journal, self._networks, self._report = config, journal, networks, report
        state = journal.read("state.json")
        self._best = float(state.get("best_score", math.inf))
        self._wall = float(state.get("wall_s", 0.0))
        self._average = Average(config.averaging, journal.average)
        self._next_validation = self._next_checkpoint = self._rollouts = self._in_vain = 0
        self._began = time.monotonic()

    @property
    def wall_s(self) -> float:
        """Time of the whole run, earlier parts included."""
        return self._wall + time.monotonic() - self._began

    def finish(self, learner: PPO) -> None:
        """Validate and save what training ended with."""
        self._validate(learner)
        self._save(learner)
        self._tell(learner)

    @property
    def exhausted(self) -> bool:
        """Whether the run's own limits say stop: no progress for long, or no time left."""
        config = self._config
        late = config.minutes > 0 and self.wall_s >= 60 * config.minutes
        return late or (config.patience > 0 and self._in_vain >= config.patience)

    def _on_step(self) -> bool:
        return not self.exhausted

    def _on_training_start(self) -> None:
        done = decisions_of(self._learner)
        self._rollouts = self._config.critic_warmup if done else 0
        self._next_validation = done + self._config.validation_every if done else 0
        self._next_checkpoint = done + self._config.checkpoint_every

    def _on_rollout_start(self) -> None:
        learner = self._learner
        self._average.take_in(actor_of(learner))
        done = decisions_of(learner)
        if done >= self._next_validation:
            self._next_validation = done + self._config.validation_every
            self._validate(learner)
        if done >= self._next_checkpoint:
            self._next_checkpoint = done + self._config.checkpoint_every
            self._point(learner, {})
            self._save(learner)

    def _on_rollout_end(self) -> None:
        learning = self._rollouts >= self._config.critic_warmup
        for parameter in actor_of(self._learner).parameters():
            parameter.requires_grad_(learning)
        self._rollouts += 1
        self._tell(self._learner)

    @property
    def _learner(self) -> PPO:
        return cast(PPO, self.model)

    def _tell(self, learner: PPO) -> None:
        note = f"best {self._best:.1f} s" if math.isfinite(self._best) else ""
        self._report(
            Progress(phase="learning", done=decisions_of(learner), total=self._config.decisions, note=note)
        )

    def _validate(self, learner: PPO) -> None:
        actor = self._average.network(actor_of(learner))
        if not self._networks:
            self._keep(actor, decisions_of(learner), Validation(()))
            return
        found = validate(TorchPolicy(actor, self._config.interval), self._networks)
        self._point(learner, {"validation_s": found.mean_s, "validation_score": found.score})
        self._in_vain += 1
        if found.score < self._best:
            self._best, self._in_vain = found.score, 0
            self._keep(actor, decisions_of(learner), found)

    def _keep(self, actor: StageScorer, decisions: int, found: Validation) -> None:
        self._journal.replace(self._journal.best.name, weights_of(actor))
        self._journal.write(
            "best.json",
            {
                "decisions": decisions,
                "score": found.score if found.delays else None,
                "delays_s": list(found.delays),
            },
        )

    def _point(self, learner: PPO, figures: dict[str, float]) -> None:
        self._journal.point(
            {
                "decisions": decisions_of(learner),
                "wall_s": round(self.wall_s, 1),
                "episode_reward": mean_reward(learner),
                "entropy": logged(learner, "train/entropy_loss"),
                "value_loss": logged(learner, "train/value_loss"),
                **figures,
            }
        )

    def _save(self, learner: PPO) -> None:
        self._journal.replace(self._journal.checkpoint.name, save_learner(learner))
        self._journal.replace(
            self._journal.average.name, weights_of(self._average.network(actor_of(learner)))
        )
        state = {**self._journal.read("state.json"), "decisions": decisions_of(learner)}
        self._journal.write("state.json", {**state, "best_score": self._best, "wall_s": self.wall_s})
