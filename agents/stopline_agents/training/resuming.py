"""Whether a run may go on as it is asked to, and whether there is anything left to do."""

from __future__ import annotations

import json

from stopline_agents.training.config import TrainConfig
from stopline_agents.training.journal import Journal
from stopline_signals.errors import PolicyError

CHANGEABLE = frozenset(
    {
        *("decisions", "minutes", "patience", "workers", "threads"),
        *("validation_every", "checkpoint_every", "learning_rate", "averaging", "critic_warmup"),
    }
)
"""Fields that may be others when a run goes on; all else the checkpoint, or its networks, already hold."""


def check_same_run(config: TrainConfig, journal: Journal) -> None:
    """PolicyError that names the fields which differ from those the folder's run was begun with."""
    begun, asked = journal.read("config.json"), json.loads(json.dumps(config.to_table()))
    other = [
        f"{name} (was {begun[name]!r}, is {value!r})"
        for name, value in asked.items()
        if name not in CHANGEABLE and name in begun and begun[name] != value
    ]
    if other:
        raise PolicyError(
            f"{journal.folder}: its run was begun with other settings: {', '.join(other)}; give the same "
            "ones, or another --out to begin anew"
        )


def is_spent(config: TrainConfig, journal: Journal) -> bool:
    """Whether the folder's run has had all its decisions, or all its time, and left a network."""
    state = journal.read("state.json")
    late = 0 < 60 * config.minutes <= float(state.get("wall_s", 0.0))
    done = int(state.get("decisions", 0)) >= config.decisions
    return (late or done) and journal.best.is_file()
